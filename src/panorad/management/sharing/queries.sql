-- Grants, consents, consent policies, emergency access. Row-level security filters every statement for the actor.

-- name: institution
select id, code from institution where code = %s;

-- name: account
select a.id, n.code from account a join institution n on n.id = a.institution_id where lower(a.login) = lower(%s) and not a.disabled;

-- name: node
select id from node where ae_title = %s;

-- name: client
select number from client where id = %s and revoked_at is null;

-- name: give
insert into access_grant (institution_id, scope, issuer, patient_id, study_uid, series_uid, grantee_kind, grantee_id, grantee_role, party, purposes,
                          valid_from, valid_to, origin, reason, given_by)
values (%(institution)s, %(scope)s, %(issuer)s, %(patient)s, %(study)s, %(series)s, %(kind)s, %(grantee)s, %(role)s, %(party)s, %(purposes)s,
        coalesce(%(start)s::timestamptz, now()), %(until)s::timestamptz, %(origin)s, %(reason)s, %(by)s)
returning id;

-- name: revoke
update access_grant set revoked_at = now(), revoked_by = %(by)s where id = %(id)s and revoked_at is null
      and ((select everything()) or institution_id = (select acting_institution())) -- a grantee sees the row as well
returning institution_id, scope, study_uid, patient_id, issuer;

-- name: grants
select g.id, n.code, g.scope, coalesce(g.issuer, ''), coalesce(g.patient_id, ''), coalesce(g.study_uid, ''), coalesce(g.series_uid, ''),
       g.grantee_kind,
       coalesce(case g.grantee_kind when 'person' then (select a.login from account a where a.id = g.grantee_id)
                               when 'device' then (select d.ae_title from node d where d.id = g.grantee_id)
                               when 'program' then (select c.id from client c where c.number = g.grantee_id)
                               when 'link' then g.grantee_id::text
                               else (select m.code from institution m where m.id = g.grantee_id) end, ''),
       coalesce(g.grantee_role, ''), g.purposes, g.valid_from, g.valid_to, g.origin, g.reason, g.given_by, g.given_at, g.revoked_at,
       coalesce(g.revoked_by, '')
from access_grant g join institution n on n.id = g.institution_id
where (%(before)s::bigint is null or g.id < %(before)s)
      and (%(id)s::bigint is null or g.id = %(id)s)
      and (%(institution)s::text is null or n.code = %(institution)s)
      and (not %(current)s or (g.revoked_at is null and (g.valid_to is null or g.valid_to > now())))
      and (%(text)s = '' or g.study_uid = %(text)s or g.series_uid = %(text)s or g.patient_id = %(text)s)
order by g.id desc limit %(limit)s;

-- name: record_consent
insert into consent (institution_id, issuer, patient_id, decision, purposes, audience, audience_id, valid_from, valid_to, given_by, proxy_name,
                     proxy_relationship, note, recorded_by)
values (%(institution)s, %(issuer)s, %(patient)s, %(decision)s, %(purposes)s, %(audience)s, %(audience_id)s,
        coalesce(%(start)s::timestamptz, now()), %(until)s::timestamptz, %(given_by)s, %(proxy_name)s, %(proxy_relationship)s, %(note)s, %(by)s)
returning id;

-- name: withdraw_consent
update consent set withdrawn_at = now(), withdrawn_by = %(by)s where id = %(id)s and withdrawn_at is null
returning institution_id, issuer, patient_id, decision;

-- name: consents
select c.id, n.code, c.issuer, c.patient_id, c.decision, c.purposes, c.audience, coalesce(m.code, ''), c.valid_from, c.valid_to, c.given_by,
       c.proxy_name, c.proxy_relationship, c.note, c.recorded_by, c.recorded_at, c.withdrawn_at
from consent c join institution n on n.id = c.institution_id left join institution m on m.id = c.audience_id
where (%(before)s::bigint is null or c.id < %(before)s)
      and (%(id)s::bigint is null or c.id = %(id)s)
      and (%(issuer)s::text is null or c.issuer = %(issuer)s) and (%(patient)s = '' or c.patient_id = %(patient)s)
      and (not %(current)s or (c.withdrawn_at is null and (c.valid_to is null or c.valid_to > now())))
order by c.id desc limit %(limit)s;

-- name: policies
select n.code, p.purpose, p.audience, p.rule from consent_policy p join institution n on n.id = p.institution_id
where n.code = %s order by p.purpose, p.audience;

-- name: set_policy
insert into consent_policy (institution_id, purpose, audience, rule) values (%s, %s, %s, %s)
on conflict (institution_id, purpose, audience) do update set rule = excluded.rule;
