-- The process archive.

-- name: append
insert into event (id, kind, outcome, actor_kind, actor, account_id, institution_id, purpose, source, objects, detail)
values (event_number(%(event)s), %(event_kind)s, %(event_outcome)s, %(actor_kind)s, %(actor)s, %(actor_account)s, %(event_institution)s,
        %(actor_purpose)s, %(actor_source)s, %(event_objects)s::jsonb, %(event_detail)s::jsonb);

-- name: tell
-- A search and the event that tells of it, with the number of `matches`, in one statement.
with found as materialized (/*found*/),
told as (
    insert into event (id, kind, outcome, actor_kind, actor, account_id, institution_id, purpose, source, objects, detail)
    values (event_number(%(event)s), %(event_kind)s, %(event_outcome)s, %(actor_kind)s, %(actor)s, %(actor_account)s, %(event_institution)s,
            %(actor_purpose)s, %(actor_source)s, %(event_objects)s::jsonb,
            %(event_detail)s::jsonb || jsonb_build_object('matches', (select count(*) from found)))
)
select * from found;

-- name: feed
-- Only final events: those of transactions that can no longer be overtaken, so that a follower never misses one.
select id, at, kind, outcome, actor_kind, actor, institution_id, purpose, source, objects, detail from event
where id > %(after)s and id < (select events_final()) and (%(kind)s::text is null or kind = %(kind)s)
order by id limit %(limit)s;

-- name: about_study
select e.at, e.kind, e.actor, e.actor_kind, coalesce(n.code, ''), e.outcome, e.detail
from event e left join institution n on n.id = e.institution_id
where e.study = %s order by e.id desc limit %s;

-- name: wind_clock
select wind_event_clock();

-- name: ensure_partitions
select ensure_event_partitions(%s);

-- name: may_seal
select pg_try_advisory_xact_lock(%s);

-- name: last_seal
select number, first_id, last_id, rows, chain from event_seal order by number desc limit 1;

-- name: seals
select number, first_id, last_id, rows, chain from event_seal where number > %s order by number limit %s;

-- name: add_seal
insert into event_seal (number, first_id, last_id, rows, chain) values (%s, %s, %s, %s, %s);

-- name: digests
-- The whole row as canonical JSON, times in microseconds since 1970; as far as events are final, where no end is given.
select id, substr(sha256(convert_to(jsonb_build_array(id, (extract(epoch from at) * 1000000)::bigint, kind, outcome, actor_kind, actor,
    account_id, institution_id, purpose, source, objects, detail)::text, 'UTF8')), 1, 16)
from event where id > %(after)s and id <= coalesce(%(upto)s::bigint, (select events_final()) - 1) order by id, at limit %(limit)s;

-- name: trail
-- The conditions stand in store.py; patients are those of the event's study that the actor may see.
select e.id, e.at, e.kind, e.outcome, e.actor_kind, e.actor, coalesce(n.code, ''), coalesce(n.name, ''), e.purpose, e.source, e.objects,
    e.detail, (select jsonb_agg(p.pair) from (select distinct jsonb_build_array(s.patient_id, s.issuer) as pair from study s
               where s.study_uid = e.study limit 5) p)
from event e left join institution n on n.id = e.institution_id
where /*where*/ order by e.id /*order*/ limit %(limit)s;

-- name: studies_of
select distinct study_uid from study where patient_id = %s limit %s;

-- name: who_looked
select actor_kind, actor, institution, first_at, last_at, times, purposes, kinds from who_looked(%s);

-- name: may_follow
select pg_try_advisory_xact_lock(%s, hashtext(%s));

-- name: follower
select last_id, moved_at, fault from follower where name = %s;

-- name: follow
insert into follower (name, last_id, fault) values (%(name)s, %(last_id)s, %(fault)s)
on conflict (name) do update set last_id = excluded.last_id, fault = excluded.fault,
    moved_at = case when excluded.last_id > follower.last_id then now() else follower.moved_at end;

-- name: behind
-- How many final events above a number there are, at most so many, and when the first of them happened.
select count(*), min(at) from (select at from event where id > %s and id < (select events_final()) order by id limit %s) waiting;

-- name: last_verified
select at, outcome, detail from event where kind = 'audit.verified' order by id desc limit 1;
