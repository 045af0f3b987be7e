-- Second factors, sessions that know when the password was given and when somebody last read, failures by source address.

alter table session
    add column number bigint generated always as identity unique, -- how pages name it; the token's digest never leaves
    add column source text not null default '',
    add column browser text not null default '',
    add column authenticated_at timestamptz not null default now(),
    add column second_factor_at timestamptz,
    add column read_at timestamptz,                               -- last time a hand moved in the viewer
    add column previous_hash bytea,                               -- the token before the last change of it
    add column rotated_at timestamptz;
update session set authenticated_at = created_at;
create index session_previous on session (previous_hash) where previous_hash is not null;

create table second_factor (
    account_id integer primary key references account on delete cascade,
    secret bytea,                                                 -- encrypted with the key in the home folder; null until it is confirmed
    confirmed_at timestamptz,
    last_step bigint not null default 0,                          -- RFC 6238: the 30 s step of the last code taken, which is good once
    proposed bytea,
    proposed_at timestamptz,
    check ((secret is null) = (confirmed_at is null) and (proposed is null) = (proposed_at is null))
);
comment on table second_factor is 'Authenticator apps of accounts: the one in use, and the one that is being set up.';

create table recovery_code (
    account_id integer not null references second_factor on delete cascade,
    digest bytea not null,                                        -- HMAC with the key in the home folder
    used_at timestamptz,
    primary key (account_id, digest)
);

create table sign_in_step (
    token_hash bytea primary key,
    account_id integer not null references account on delete cascade,
    expires_at timestamptz not null
);
create index sign_in_step_account on sign_in_step (account_id);
comment on table sign_in_step is 'Whose password was right and whose code is awaited; no session comes of it before.';

create table source_failure (
    source text primary key,                                      -- an IPv4 address, or the first 64 bits of an IPv6 address
    since timestamptz not null default now(),
    failures integer not null default 1
);
create index source_failure_since on source_failure (since);
comment on table source_failure is 'Refused sign-ins by where they came from; rows older than the window are deleted.';

create function open_session(p_hash bytea, p_reading boolean, p_idle double precision, p_longest double precision, p_grace double precision)
returns setof session language sql stable as $$
    select s.* from session s
    where (s.token_hash = p_hash or (p_reading and s.previous_hash = p_hash and s.rotated_at > now() - interval '10 seconds'))
      and s.seen_at > now() - make_interval(secs => p_idle)
      and (s.authenticated_at > now() - make_interval(secs => p_longest)
           or (p_reading and s.read_at > now() - make_interval(secs => p_idle)
               and s.authenticated_at > now() - make_interval(secs => p_longest + p_grace)))
$$;
comment on function open_session is 'The session of a token while it is good. p_reading: for the viewer and its images, which outlive the longest time while somebody reads.';

grant select, insert, update, delete on second_factor, recovery_code, sign_in_step, source_failure to panorad_app;
