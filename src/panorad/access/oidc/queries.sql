-- Identities at a provider, and sign-ins under way.

-- name: add_flow
insert into sign_in_flow (state_hash, browser_hash, nonce, verifier, redirect_uri, next) values (%s, %s, %s, %s, %s, %s);

-- name: forget_flows
delete from sign_in_flow where created_at < now() - make_interval(secs => %s);

-- name: take_flow -- each once
delete from sign_in_flow where state_hash = %s and browser_hash = %s and created_at > now() - make_interval(secs => %s)
returning nonce, verifier, redirect_uri, next;

-- name: account_of
select a.id, a.login, a.name, a.institution_id, a.disabled
from account_identity i join account a on a.id = i.account_id where i.issuer = %s and i.subject = %s;

-- name: add_account
insert into account (login, name, institution_id) select %s, %s, n.id from institution n where n.code = %s
on conflict (lower(login)) do nothing returning id, institution_id;

-- name: account_by_login
select id, institution_id from account where lower(login) = lower(%s);

-- name: add_identity
insert into account_identity (issuer, subject, account_id) values (%s, %s, %s) on conflict do nothing;

-- name: known_institutions
select code from institution where code = any (%s);

-- name: add_session_identity
insert into session_identity (token_hash, issuer, subject, sid) values (%s, %s, %s, %s);

-- name: end_sessions -- of a session at the provider, or of a person there
delete from session s using session_identity i where i.token_hash = s.token_hash and i.issuer = %s
and case when %s <> '' then i.sid = %s else true end and case when %s <> '' then i.subject = %s else true end returning s.account_id;

-- name: add_assertion
insert into assertion (issuer, jti_hash, expires_at) values (%s, %s, to_timestamp(%s)) on conflict do nothing;
