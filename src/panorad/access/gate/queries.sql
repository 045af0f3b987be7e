-- The gate.

-- name: institutions
select n.id, n.code, n.name, n.name_zh, n.issuer, p.code from institution n left join institution p on p.id = n.parent_id order by n.code;

-- name: institution_by_code
select id, code, issuer from institution where code = %s;

-- name: add_institution
insert into institution (code, name, name_zh, issuer, parent_id)
values (%s, %s, %s, %s, (select id from institution where code = %s)) on conflict (code) do nothing returning id;

-- name: describe_institution
update institution set name = %s, name_zh = %s, parent_id = (select p.id from institution p where p.code = %s) where code = %s;

-- name: below
with recursive tree as (select id from institution where id = %s union select n.id from institution n join tree t on n.parent_id = t.id)
select id from tree order by id;

-- name: nodes
select a.ae_title, n.code, a.host, a.port, a.description, a.tls from node a join institution n on n.id = a.institution_id order by a.ae_title;

-- name: node
select a.ae_title, n.code, a.host, a.port, a.description, n.id, n.issuer, a.id, a.tls from node a join institution n on n.id = a.institution_id where a.ae_title = %s;

-- name: put_node
insert into node (ae_title, institution_id, host, port, description, tls) values (%s, %s, %s, %s, %s, %s)
on conflict (ae_title) do update set institution_id = excluded.institution_id, host = excluded.host, port = excluded.port,
    description = excluded.description, tls = excluded.tls;

-- name: account_by_login
select a.id, a.login, a.name, a.institution_id, a.password_hash, a.disabled, a.failures,
       coalesce(a.locked_until > now(), false)
from account a where lower(a.login) = lower(%s) for update;

-- name: account_by_id
select a.id, a.login, a.name, a.institution_id, a.password_hash from account a where a.id = %s;

-- name: count_accounts
select count(*) from account;

-- name: add_account
insert into account (login, name, password_hash, institution_id) values (%s, %s, %s, %s)
on conflict (lower(login)) do nothing returning id;

-- name: note_failure
update account set failures = failures + 1,
    locked_until = case when failures + 1 >= %s then now() + make_interval(secs => %s) else locked_until end where id = %s;

-- name: note_success
update account set failures = 0, locked_until = null where id = %s;

-- name: set_password
update account set password_hash = %s, failures = 0, locked_until = null where id = %s;

-- name: end_sessions
delete from session where account_id = %s;

-- name: session
select a.id, a.login, n.id, n.code, n.issuer, s.purpose, s.seen_at < now() - make_interval(secs => %s)
from open_session(%s, %s, %s, %s, %s) s join account a on a.id = s.account_id
     join institution n on n.id = coalesce(s.institution_id, a.institution_id) where not a.disabled;

-- name: touch_session
update session set seen_at = now() where token_hash = %s;

-- name: end_session
delete from session where token_hash = %s returning account_id;

-- name: add_welcome
insert into welcome (token_hash, expires_at) values (%s, now() + make_interval(secs => %s));

-- name: welcome_open
select 1 from welcome where token_hash = %s and redeemed_at is null and expires_at > now() and not exists (select from account_role where role = 'system-administrator');

-- name: redeem_welcome
update welcome set redeemed_at = now() where token_hash = %s and redeemed_at is null and expires_at > now() returning 1;

-- name: code_of
select code from institution where id = %s;

-- name: reach_of
-- Institutions seen as a whole (its own and those whose standing grants reach the parties), those whose patients must have consented,
-- and those whose events may be read.
with recursive tree as (
    select id from institution where id = %(institution)s::integer and %(audits)s
    union
    select n.id from institution n join tree t on n.parent_id = t.id)
select array(select id from institution where id = %(institution)s::integer and %(whole)s
             union
             select g.institution_id from access_grant g
             where g.party = any (%(parties)s::bigint[]) and g.scope = 'institution' and g.revoked_at is null
                   and %(purpose)s = any (g.purposes) and g.valid_from <= now() and (g.valid_to is null or g.valid_to > now())
             order by 1),
       array(select n.id from institution n left join consent_policy p on p.institution_id = n.id and p.purpose = %(purpose)s
                    and p.audience = case when n.id = %(institution)s::integer then 'own' else 'others' end
             where coalesce(p.rule, case when %(purpose)s in ('research', 'education') then 'consent' else 'permit' end) <> 'permit'
             order by 1),
       array(select id from tree order by 1);

-- name: roles_at
-- The roles held at an institution, and those of administrators held above it.
with recursive above as (
    select id, parent_id from institution where id = %(institution)s
    union
    select n.id, n.parent_id from institution n join above a on n.id = a.parent_id)
select distinct r.role from account_role r
where r.account_id = %(account)s and (r.institution_id = %(institution)s
      or (r.role = any (%(reaching)s) and r.institution_id in (select id from above)));

-- name: roles_held
select a.login, n.code, r.role, r.origin, r.given_at
from account_role r join account a on a.id = r.account_id join institution n on n.id = r.institution_id
where %(login)s::text is null or lower(a.login) = lower(%(login)s) order by lower(a.login), n.code, r.role;

-- name: administrations
select role from account_role where account_id = %s and role like '%%-administrator' and not (institution_id = %s and role = %s);

-- name: give_role
insert into account_role (account_id, institution_id, role, origin) values (%s, %s, %s, %s) on conflict do nothing;

-- name: take_role
delete from account_role where account_id = %s and institution_id = %s and role = %s;

-- name: bindings
select kind, value from node_certificate where ae_title = %s order by kind, value;

-- name: bind
insert into node_certificate (ae_title, kind, value) values (%s, %s, %s) on conflict do nothing;

-- name: unbind
delete from node_certificate where ae_title = %s and kind = %s and value = %s;

-- name: just_begun
select 1 from session s where s.token_hash = %s and s.account_id = %s and s.authenticated_at > now() - make_interval(secs => %s);

-- name: account_lock
select coalesce(a.locked_until > now(), false) or a.disabled from account a where a.id = %s for update;

-- name: source_failures
select f.failures from source_failure f where f.source = %s and f.since > now() - make_interval(secs => %s);

-- name: note_source
insert into source_failure as f (source) values (%s) on conflict (source) do update set
    failures = case when f.since > now() - make_interval(secs => %s) then f.failures + 1 else 1 end,
    since = case when f.since > now() - make_interval(secs => %s) then f.since else now() end;

-- name: forget_sources
delete from source_failure where since < now() - make_interval(secs => %s);

-- name: start_session
insert into session (token_hash, account_id, institution_id, source, browser, second_factor_at, previous_hash, rotated_at)
values (%s, %s, %s, %s, %s, case when %s then now() end, %s, now());

-- name: rotate_session
update session set previous_hash = token_hash, token_hash = %s, rotated_at = now(), second_factor_at = case when %s then now() else second_factor_at end
where token_hash = %s;

-- name: standing
select s.account_id, exists (select from second_factor f where f.account_id = s.account_id and f.secret is not null) as enrolled,
       coalesce(s.second_factor_at > now() - make_interval(secs => %s), false) as fresh,
       extract(epoch from s.seen_at - now())::float8 + %s as left_s, s.authenticated_at <= now() - make_interval(secs => %s) as over
from open_session(%s, %s, %s, %s, %s) s;

-- name: awake
update session t set seen_at = now(), read_at = case when %s then now() else t.read_at end
from open_session(%s, %s, %s, %s, %s) s where t.token_hash = s.token_hash;

-- name: sessions_of
select s.number, s.created_at, s.seen_at, s.source, s.browser, s.second_factor_at is not null, s.token_hash = %s
from session s where s.account_id = %s and s.seen_at > now() - make_interval(secs => %s) and s.authenticated_at > now() - make_interval(secs => %s::float8 + %s::float8)
order by s.seen_at desc, s.number desc;

-- name: end_one_session
delete from session where account_id = %s and number = %s;

-- name: end_other_sessions
delete from session where account_id = %s and token_hash <> %s;

-- name: second_factor_state
select f.confirmed_at, (select count(*) from recovery_code c where c.account_id = f.account_id and c.used_at is null)
from second_factor f where f.account_id = %s;

-- name: second_factor
select f.secret from second_factor f where f.account_id = %s and f.secret is not null;

-- name: proposed_factor
select f.proposed from second_factor f where f.account_id = %s and f.proposed_at > now() - make_interval(secs => %s) for update;

-- name: propose_factor
insert into second_factor (account_id, proposed, proposed_at) values (%s, %s, now())
on conflict (account_id) do update set proposed = excluded.proposed, proposed_at = excluded.proposed_at;

-- name: accept_factor
update second_factor set secret = proposed, confirmed_at = now(), last_step = %s, proposed = null, proposed_at = null where account_id = %s;

-- name: take_step
update second_factor set last_step = %s where account_id = %s and last_step < %s;

-- name: remove_factor
delete from second_factor where account_id = %s and secret is not null;

-- name: forget_codes_given
update session set second_factor_at = null where account_id = %s;

-- name: add_recovery_code
insert into recovery_code (account_id, digest) values (%s, %s);

-- name: take_recovery_code
update recovery_code set used_at = now() where account_id = %s and digest = %s and used_at is null;

-- name: forget_recovery_codes
delete from recovery_code where account_id = %s;

-- name: add_step
insert into sign_in_step (token_hash, account_id, expires_at) values (%s, %s, now() + make_interval(secs => %s));

-- name: step
select a.id, a.login, a.name, a.institution_id
from sign_in_step p join account a on a.id = p.account_id where p.token_hash = %s and p.expires_at > now() and not a.disabled;

-- name: forget_steps
delete from sign_in_step where account_id = %s or expires_at < now();

-- name: holder_of
select 1 from account_role where role = %s limit 1;

-- name: people
-- Accounts of an institution and those below it, and of others with a role there; of roles those held there.
with recursive tree as (
    select id from institution where id = %(institution)s or %(everything)s
    union
    select n.id from institution n join tree t on n.parent_id = t.id)
select a.login, a.name, n.code, a.disabled, coalesce(a.locked_until > now(), false), n.id in (select id from tree),
       coalesce((select jsonb_agg(jsonb_build_array(m.code, r.role) order by m.code, r.role)
                 from account_role r join institution m on m.id = r.institution_id
                 where r.account_id = a.id and r.institution_id in (select id from tree)), '[]')
from account a join institution n on n.id = a.institution_id
where (a.institution_id in (select id from tree)
       or exists (select from account_role r where r.account_id = a.id and r.institution_id in (select id from tree)))
      and lower(a.login) > lower(%(after)s)
      and (%(text)s = '' or position(lower(%(text)s) in lower(a.login || ' ' || a.name || ' ' || n.code)) > 0)
order by lower(a.login) limit %(limit)s;

-- name: set_disabled
update account set disabled = %s, failures = 0, locked_until = null where id = %s and disabled <> %s;

-- name: places
-- Institutions where an account holds a role, and those below where the role is an administrator's.
with recursive held as (
    select r.institution_id as id, r.role = any (%(reaching)s) as down from account_role r where r.account_id = %(account)s
    union
    select n.id, true from institution n join held h on n.parent_id = h.id and h.down)
select n.id, n.code, n.name, n.name_zh from institution n where n.id in (select id from held) order by n.code;

-- name: account_of_session
select s.account_id, a.login from session s join account a on a.id = s.account_id where s.token_hash = %s;

-- name: act_for
update session set institution_id = %s, purpose = %s where token_hash = %s;
