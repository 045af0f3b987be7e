-- Programs come in with tokens, persons through an OpenID Connect provider.

create table client (
    id text primary key check (id ~ '^[a-z0-9][a-z0-9._-]{1,63}$'),
    number integer generated always as identity unique, -- what is granted to it names it so
    institution_id integer not null references institution,
    scopes text[] not null,
    purpose text not null default 'treatment',
    lifetime_s integer not null check (lifetime_s between 60 and 3600),
    secret_hash bytea,           -- SHA-256 of the secret, or
    keys jsonb,                  -- the public keys (JWK Set, RFC 7517) that its assertions are signed with
    created_at timestamptz not null default now(),
    used_at timestamptz,
    revoked_at timestamptz,
    check ((secret_hash is null) <> (keys is null))
);
comment on table client is 'A program that gets access tokens by the client credentials grant (RFC 6749 section 4.4).';

create table token (
    id bigint generated always as identity primary key,
    token_hash bytea not null unique,
    prefix text not null,
    name text not null,
    institution_id integer not null references institution,
    account_id integer references account on delete cascade,
    client_id text references client on delete cascade,
    scopes text[] not null,
    purpose text not null default 'treatment',
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    revoked_at timestamptz,
    check (account_id is null or client_id is null)
);
create index token_account on token (account_id) where account_id is not null;
create index token_client on token (client_id) where client_id is not null;
comment on table token is 'Bearer tokens (RFC 6750), as hashes: of an account, of a client (access tokens), or of a program alone.';

create table assertion (
    issuer text not null,
    jti_hash bytea not null,
    expires_at timestamptz not null,
    primary key (issuer, jti_hash)
);
comment on table assertion is 'Signed assertions that were taken once and are refused until they expire (RFC 7523 section 3).';

-- ------------------------------------------------------------------------------------------------------------ OpenID Connect
alter table account alter column password_hash drop not null;
comment on column account.password_hash is 'Null for an account that comes in through a provider alone.';

create table account_identity (
    issuer text not null,
    subject text not null,
    account_id integer not null references account on delete cascade,
    created_at timestamptz not null default now(),
    primary key (issuer, subject)
);
create index account_identity_account on account_identity (account_id);
comment on table account_identity is 'Who at a provider is which account.';

create table sign_in_flow (
    state_hash bytea primary key,
    browser_hash bytea not null,
    nonce text not null,
    verifier text not null,
    redirect_uri text not null,
    next text not null,
    created_at timestamptz not null default now()
);
comment on table sign_in_flow is 'Sign-ins that have gone to the provider and are not back yet; taken out by the first answer.';

create table session_identity (
    token_hash bytea primary key references session on delete cascade on update cascade,
    issuer text not null,
    subject text not null,
    sid text not null default ''
);
create index session_identity_subject on session_identity (issuer, subject);
comment on table session_identity is 'Which sign-in at the provider a session came from, for a logout from there.';

grant select, insert, update on client, token, account_identity to panorad_app;
grant select, insert, delete on assertion, sign_in_flow, session_identity to panorad_app;
grant delete on token to panorad_app;
