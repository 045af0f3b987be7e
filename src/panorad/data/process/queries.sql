-- The process archive.

-- name: append
insert into event (kind, outcome, actor_kind, actor, account_id, institution_id, purpose, source, objects, detail)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb);

-- name: feed
-- Only events of transactions that can no longer be overtaken: every older transaction has ended, so that a follower never misses one.
select xid::text, id, at, kind, outcome, actor_kind, actor, institution_id, purpose, source, objects, detail from event
where (xid, id) > (%(xid)s::xid8, %(id)s) and xid < pg_snapshot_xmin(pg_current_snapshot())
      and (%(kind)s::text is null or kind = %(kind)s)
order by xid, id limit %(limit)s;

-- name: about_study
select e.at, e.kind, e.actor, e.actor_kind, coalesce(n.code, ''), e.outcome, e.detail
from event e left join institution n on n.id = e.institution_id
where e.study = %s order by e.id desc limit %s;

-- name: ensure_partitions
select ensure_event_partitions(%s);
