-- Tokens and clients.

-- name: add_token
insert into token (token_hash, prefix, name, institution_id, account_id, client_id, scopes, purpose, expires_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))
returning id, created_at, expires_at;

-- name: token -- one that is presented, with all that decides whether it is good
select t.id, t.prefix, t.name, t.institution_id, n.code, n.issuer, t.account_id, a.login, t.client_id, c.number, t.scopes, t.purpose,
       t.expires_at <= now(), t.revoked_at is not null or coalesce(c.revoked_at is not null, false), coalesce(a.disabled, false),
       t.used_at is null, coalesce(t.used_at < now() - interval '1 minute', true)
from token t join institution n on n.id = t.institution_id left join account a on a.id = t.account_id left join client c on c.id = t.client_id
where t.token_hash = %s;

-- name: touch_token
update token set used_at = now() where id = %s and (used_at is null or used_at < now() - interval '1 minute');

-- name: tokens -- API tokens; access tokens of clients come and go
select t.id, t.prefix, t.name, n.code, a.login, t.scopes, t.purpose, t.created_at, t.expires_at, t.used_at, t.revoked_at
from token t join institution n on n.id = t.institution_id left join account a on a.id = t.account_id
where t.client_id is null order by t.id desc;

-- name: tokens_of
select t.id, t.prefix, t.name, n.code, a.login, t.scopes, t.purpose, t.created_at, t.expires_at, t.used_at, t.revoked_at
from token t join institution n on n.id = t.institution_id join account a on a.id = t.account_id
where t.account_id = %s order by t.revoked_at is not null or t.expires_at <= now(), t.id desc limit 200;

-- name: count_tokens_of
select count(*) from token where account_id = %s and revoked_at is null and expires_at > now();

-- name: revoke_by_prefix
update token set revoked_at = now() where prefix = %s and revoked_at is null returning name, institution_id;

-- name: revoke_of_account
update token set revoked_at = now() where id = %s and account_id = %s and revoked_at is null returning prefix, name, institution_id;

-- name: revoke_of_client
update token set revoked_at = now() where token_hash = %s and client_id = %s and revoked_at is null returning prefix, name, institution_id;

-- name: introspect
select t.scopes, extract(epoch from t.created_at)::bigint, extract(epoch from t.expires_at)::bigint
from token t join client c on c.id = t.client_id
where t.token_hash = %s and t.client_id = %s and t.revoked_at is null and c.revoked_at is null and t.expires_at > now();

-- name: forget_access_tokens
delete from token where client_id = %s and expires_at < now() - interval '1 day';

-- name: add_client
insert into client (id, institution_id, scopes, purpose, lifetime_s, secret_hash, keys)
select %s, n.id, %s, %s, %s, %s, %s::jsonb from institution n where n.code = %s on conflict (id) do nothing returning institution_id;

-- name: client
select c.id, n.code, c.institution_id, c.scopes, c.purpose, c.lifetime_s, c.secret_hash, c.keys, c.used_at is null
from client c join institution n on n.id = c.institution_id where c.id = %s and c.revoked_at is null;

-- name: clients
select c.id, n.code, c.scopes, c.purpose, c.lifetime_s, c.keys is not null, c.created_at, c.used_at, c.revoked_at
from client c join institution n on n.id = c.institution_id order by c.id;

-- name: touch_client
update client set used_at = now() where id = %s;

-- name: revoke_client
update client set revoked_at = now() where id = %s and revoked_at is null returning institution_id;

-- name: forget_assertions
delete from assertion where expires_at < now();

-- name: add_assertion
insert into assertion (issuer, jti_hash, expires_at) values (%s, %s, to_timestamp(%s)) on conflict do nothing;

-- name: institution_known
select 1 from institution where code = %s;
