-- The event log as an audit trail: found by patient, person, kind and institution; followed to the collector; who has looked at a study.

alter table event add column patient text collate "C" generated always as (objects ->> 'patient') stored;
create index event_patient on event (patient, id) where patient is not null;
create index event_actor on event (actor, id);
create index event_kind on event (kind, id);
create index event_institution on event (institution_id, id);

create table follower (
    name text primary key,
    last_id bigint not null default 0,
    moved_at timestamptz not null default now(),
    fault text not null default ''
);
comment on table follower is 'Who follows the event log to its end: up to which event all has been handed over, and why it does not go on.';
grant select, insert, update on follower to panorad_app;

-- Who has looked at the studies of these UIDs, whichever institution they acted for; for those who see the holder of a study as a whole.
create function who_looked(studies text[])
returns table (actor_kind text, actor text, institution text, first_at timestamptz, last_at timestamptz, times bigint, purposes text[], kinds text[])
language sql stable security definer set search_path = public as $$
    select e.actor_kind, e.actor, coalesce(n.code, ''), min(e.at), max(e.at), count(*), array_agg(distinct e.purpose), array_agg(distinct e.kind)
    from event e left join institution n on n.id = e.institution_id
    where e.study = any (array(select s.study_uid from study s where s.study_uid = any (studies)
                               and (everything() or s.institution_id = any (setting_ids('panorad.home')))))
      and e.kind in ('instances.retrieved', 'instances.sent', 'instances.exported', 'transfer.begun', 'study.opened', 'query')
      and e.outcome = 'success'
    group by 1, 2, 3 order by 5 desc limit 1000
$$;
revoke execute on function who_looked(text[]) from public;
grant execute on function who_looked(text[]) to panorad_app;
