-- The image archive. Row-level security filters every statement for the actor; conditions that a query adds are fragments of `matching`.

-- name: find_sop_class
select id from sop_class where uid = %s;

-- name: add_sop_class
insert into sop_class (uid) values (%s) on conflict do nothing returning id;

-- name: find_transfer_syntax
select id from transfer_syntax where uid = %s;

-- name: add_transfer_syntax
insert into transfer_syntax (uid) values (%s) on conflict do nothing returning id;

-- name: find_object
select id from object where key = %s;

-- name: add_object
insert into object (key, institution_id) values (%s, %s) on conflict do nothing returning id;

-- name: ensure_series
select study_id, series_id, new_study from ensure_series(%s, %s::jsonb, %s::jsonb, %s);

-- name: add_instances
select ordinal, fate from add_instances(%s, %s, %s, %s, %s::jsonb);

-- name: add_quarantined
insert into quarantine (institution_id, source, kind, reason, sop_uid, key, bytes) values (%s, %s, %s, %s, %s, %s, %s)
on conflict (key) do update set received_at = now(), source = excluded.source;

-- name: restore_quarantined
insert into quarantine (institution_id, source, kind, reason, sop_uid, key, bytes, received_at)
values (%s, %s, %s, %s, %s, %s, %s, to_timestamp(%s))
on conflict (key) do nothing;

-- name: set_received
update series e set first_received = least(e.first_received, to_timestamp(r.first)),
    last_received = case when e.last_received < %(began)s::timestamptz then greatest(e.last_received, to_timestamp(r.last))
                         else to_timestamp(r.last) end
from jsonb_to_recordset(%(rows)s::jsonb) as r(institution integer, issuer text, patient text, study text, series text, first bigint, last bigint)
     join study s on s.study_uid = r.study and s.institution_id = r.institution and s.issuer = r.issuer and s.patient_id = r.patient
where e.study_id = s.id and e.series_uid = r.series;

-- name: set_received_of_studies
update study s set first_received = least(s.first_received, to_timestamp(r.first)),
    last_received = case when s.last_received < %(began)s::timestamptz then greatest(s.last_received, to_timestamp(r.last))
                         else to_timestamp(r.last) end
from (select institution, issuer, patient, study, min(first) as first, max(last) as last
      from jsonb_to_recordset(%(rows)s::jsonb) as x(institution integer, issuer text, patient text, study text, first bigint, last bigint)
      group by institution, issuer, patient, study) r
where s.study_uid = r.study and s.institution_id = r.institution and s.issuer = r.issuer and s.patient_id = r.patient;

-- name: seal_objects
update object set sealed_at = now() where key = any (%s);

-- name: indexed_offsets
select i.at from instance i join object o on o.id = i.object_id where o.key = %s;

-- name: stored_of_study
select i.id, i.sop_uid, e.series_uid, s.study_uid, c.uid, t.uid, s.patient_id, s.issuer, i.number, i.rows, i.columns, i.frames, i.bits_allocated,
       i.samples, i.pixel_at, o.key, i.at, i.length, i.data_at, i.digest, i.institution_id, i.variant
from study s join series e on e.study_id = s.id join instance i on i.series_id = e.id join object o on o.id = i.object_id
     join sop_class c on c.id = i.sop_class_id join transfer_syntax t on t.id = i.transfer_syntax_id
where s.study_uid = %(study)s and i.variant = 0
order by e.number nulls last, e.series_uid, i.number nulls last, i.sop_uid, i.id;

-- name: stored_of_series
select i.id, i.sop_uid, e.series_uid, s.study_uid, c.uid, t.uid, s.patient_id, s.issuer, i.number, i.rows, i.columns, i.frames, i.bits_allocated,
       i.samples, i.pixel_at, o.key, i.at, i.length, i.data_at, i.digest, i.institution_id, i.variant
from study s join series e on e.study_id = s.id join instance i on i.series_id = e.id join object o on o.id = i.object_id
     join sop_class c on c.id = i.sop_class_id join transfer_syntax t on t.id = i.transfer_syntax_id
where s.study_uid = %(study)s and e.series_uid = %(series)s and i.variant = 0
order by i.number nulls last, i.sop_uid, i.id;

-- name: stored_of_sop
select i.id, i.sop_uid, e.series_uid, s.study_uid, c.uid, t.uid, s.patient_id, s.issuer, i.number, i.rows, i.columns, i.frames, i.bits_allocated,
       i.samples, i.pixel_at, o.key, i.at, i.length, i.data_at, i.digest, i.institution_id, i.variant
from instance i join series e on e.id = i.series_id join study s on s.id = e.study_id join object o on o.id = i.object_id
     join sop_class c on c.id = i.sop_class_id join transfer_syntax t on t.id = i.transfer_syntax_id
where i.sop_key = %(key)s and i.sop_uid = %(sop)s and s.study_uid = %(study)s
      and (%(series)s::text is null or e.series_uid = %(series)s) and i.variant = 0
order by i.id;

-- name: stored_after
select i.id, i.sop_uid, e.series_uid, s.study_uid, c.uid, t.uid, s.patient_id, s.issuer, i.number, i.rows, i.columns, i.frames, i.bits_allocated,
       i.samples, i.pixel_at, o.key, i.at, i.length, i.data_at, i.digest, i.institution_id, i.variant
from instance i join series e on e.id = i.series_id join study s on s.id = e.study_id join object o on o.id = i.object_id
     join sop_class c on c.id = i.sop_class_id join transfer_syntax t on t.id = i.transfer_syntax_id
where i.id > %s order by i.id limit %s;

-- name: series_versions
select e.series_uid, e.id, e.version, e.settled_version, e.instance_count from study s join series e on e.study_id = s.id
where s.study_uid = %s order by e.number nulls last, e.series_uid, e.id;

-- name: unsettled
select e.id, s.study_uid, e.series_uid, e.version, e.institution_id from series e join study s on s.id = e.study_id
where e.settled_version is distinct from e.version and e.last_received < now() - make_interval(secs => %s)
order by e.last_received limit %s for update of e skip locked;

-- name: settle
update series set settled_version = %s where id = %s;

-- name: statistics
select (select count(*) from study), (select count(*) from series), (select coalesce(sum(instance_count), 0) from study),
       (select coalesce(sum(bytes), 0) from study), (select count(*) from quarantine), (select count(*) from conflict),
       (select count(*) from series where settled_version is distinct from version);

-- name: clear_index
-- Ids are never used again: files of the cache and the memory of running processes go by them.
truncate conflict, instance, series, name_key, study, object cascade;

-- name: find_patients
select distinct on (s.institution_id, s.issuer, s.patient_id) s.attributes, s.issuer, s.patient_id,
       count(*) over w, sum(k.series) over w, sum(k.instances) over w
from study s cross join lateral seen_of(s.id, s.marks, s.institution_id, s.modalities, s.series_count, s.instance_count) k where /*where*/
window w as (partition by s.institution_id, s.issuer, s.patient_id)
order by s.institution_id, s.issuer, s.patient_id, s.id desc limit %(limit)s offset %(offset)s;

-- name: find_studies
select s.attributes, s.issuer, s.patient_id, s.study_uid, k.modalities, k.series, k.instances
from /*studies*/ s cross join lateral seen_of(s.id, s.marks, s.institution_id, s.modalities, s.series_count, s.instance_count) k
where /*where*/ order by s.study_date desc nulls last, s.id desc limit %(limit)s offset %(offset)s;

-- name: find_series
select s.attributes, s.issuer, s.patient_id, s.study_uid, k.modalities, k.series, k.instances, e.attributes, e.series_uid, e.instance_count
from series e join study s on s.id = e.study_id
     cross join lateral seen_of(s.id, s.marks, s.institution_id, s.modalities, s.series_count, s.instance_count) k
where /*where*/
order by s.study_date desc nulls last, s.id desc, e.number nulls last, e.id limit %(limit)s offset %(offset)s;

-- name: find_instances
select s.attributes, s.issuer, s.patient_id, s.study_uid, k.modalities, k.series, k.instances, e.attributes, e.series_uid, e.instance_count,
       i.sop_uid, c.uid, t.uid, i.number, i.frames, i.rows, i.columns, i.bits_allocated, i.samples, o.key, i.at, i.length, i.data_at
from instance i join series e on e.id = i.series_id join study s on s.id = e.study_id join object o on o.id = i.object_id
     join sop_class c on c.id = i.sop_class_id join transfer_syntax t on t.id = i.transfer_syntax_id
     cross join lateral seen_of(s.id, s.marks, s.institution_id, s.modalities, s.series_count, s.instance_count) k
where i.variant = 0 and /*where*/
order by s.study_date desc nulls last, s.id desc, e.number nulls last, e.id, i.number nulls last, i.id limit %(limit)s offset %(offset)s;

-- name: count_patients
select count(*) from (select distinct s.institution_id, s.issuer, s.patient_id from study s where /*where*/ limit %(cap)s) x;

-- name: count_studies
select count(*) from (select from /*studies*/ s where /*where*/ limit %(cap)s) x;

-- name: count_series
select count(*) from (select from series e join study s on s.id = e.study_id where /*where*/ limit %(cap)s) x;

-- name: count_instances
select count(*) from (select from instance i join series e on e.id = i.series_id join study s on s.id = e.study_id
                      join sop_class c on c.id = i.sop_class_id join transfer_syntax t on t.id = i.transfer_syntax_id
                      where i.variant = 0 and /*where*/ limit %(cap)s) x;

-- name: list_studies
select s.study_uid, n.code, n.name, n.name_zh, s.patient_name, s.patient_id, s.issuer, s.birth_date, s.sex, s.study_date, s.study_time,
       s.accession_number, s.description, k.modalities, k.series, k.instances, s.first_received, s.last_received, s.conflict_count, s.id
from /*studies*/ s join institution n on n.id = s.institution_id
     cross join lateral seen_of(s.id, s.marks, s.institution_id, s.modalities, s.series_count, s.instance_count) k
where /*where*/ order by /*order*/ limit %(limit)s offset %(offset)s;

-- name: facet_modality
select m, count(*) from (select k.modalities from /*studies*/ s
      cross join lateral seen_of(s.id, s.marks, s.institution_id, s.modalities, s.series_count, s.instance_count) k where /*where*/ limit %(cap)s) x, unnest(x.modalities) m group by m order by 2 desc, 1;

-- name: facet_institution
select n.code, n.name, n.name_zh, count(*) from (select s.institution_id from /*studies*/ s where /*where*/ limit %(cap)s) x
join institution n on n.id = x.institution_id group by n.code, n.name, n.name_zh order by 4 desc, 1;

-- name: facet_date
select count(*) filter (where x.study_date = %(today)s), count(*) filter (where x.study_date > %(today)s::date - 7 and x.study_date <= %(today)s),
       count(*) filter (where x.study_date > %(today)s::date - 30 and x.study_date <= %(today)s), count(*)
from (select s.study_date from /*studies*/ s where /*where*/ limit %(cap)s) x;

-- name: series_of_study
select e.series_uid, e.number, e.modality, e.description, e.body_part, e.instance_count, e.settled_version is not distinct from e.version,
       (select i.sop_uid from instance i where i.series_id = e.id and i.variant = 0 order by i.number nulls last, i.id limit 1)
from series e where e.study_id = %s order by e.number nulls last, e.series_uid;

-- name: instances_of_series
select i.sop_uid, c.uid, i.number, t.uid, i.rows, i.columns, i.frames, i.length
from study s join series e on e.study_id = s.id join instance i on i.series_id = e.id
     join sop_class c on c.id = i.sop_class_id join transfer_syntax t on t.id = i.transfer_syntax_id
where s.study_uid = %s and e.series_uid = %s and i.variant = 0 order by i.number nulls last, i.id limit %s offset %s;

-- name: count_instances_of_series
select coalesce(sum(e.instance_count), 0) from study s join series e on e.study_id = s.id where s.study_uid = %s and e.series_uid = %s;

-- name: list_conflicts
select f.id, f.found_at, n.code, i.sop_uid, s.study_uid, e.series_uid, i.variant, f.reason
from conflict f join instance i on i.id = f.instance_id join series e on e.id = i.series_id join study s on s.id = e.study_id
     join institution n on n.id = f.institution_id
where concat_ws(' ', n.code, i.sop_uid, s.study_uid, f.reason) ilike %(pattern)s
order by f.found_at desc, f.id desc limit %(limit)s offset %(offset)s;

-- name: count_conflicts
select count(*) from conflict f join instance i on i.id = f.instance_id join series e on e.id = i.series_id join study s on s.id = e.study_id
     join institution n on n.id = f.institution_id
where concat_ws(' ', n.code, i.sop_uid, s.study_uid, f.reason) ilike %(pattern)s;

-- name: list_quarantined
select q.id, q.received_at, n.code, q.source, q.sop_uid, q.kind, q.reason, q.bytes, q.key
from quarantine q join institution n on n.id = q.institution_id
where concat_ws(' ', n.code, q.source, q.reason, q.sop_uid, q.kind) ilike %(pattern)s
order by q.received_at desc, q.id desc limit %(limit)s offset %(offset)s;

-- name: count_quarantined
select count(*) from quarantine q join institution n on n.id = q.institution_id
where concat_ws(' ', n.code, q.source, q.reason, q.sop_uid, q.kind) ilike %(pattern)s;

-- name: quarantined_key
select key from quarantine where id = %s;

-- name: watermark
select (select extract(epoch from max(last_received)) from study), (select count(*) from quarantine), (select max(id) from conflict);

-- name: ids_by_patient_id
select x.id from study x where x.patient_id >= /*low*/ and x.patient_id < /*high*/;

-- name: ids_by_accession_number
select x.id from study x where x.accession_number >= /*low*/ and x.accession_number < /*high*/;

-- name: ids_by_study_uid
select x.id from study x where x.study_uid >= /*low*/ and x.study_uid < /*high*/;

-- name: ids_by_series_uid
select e.study_id from series e where e.series_uid = /*low*/;

-- name: ids_by_sop_key
select e.study_id from instance i join series e on e.id = i.series_id where i.sop_key = /*low*/;

-- name: ids_by_name_key
select k.study_id from name_key k where k.key >= /*low*/ and k.key < /*high*/;

-- name: within_reach
-- What an actor may see of the newest studies that match, read institution by institution and party by party: a walk through all studies
-- in the order of the list would take the longer the less an actor sees.
(select s.* from unnest((select setting_ids('panorad.home'))) v(id)
 cross join lateral (select * from study s where s.institution_id = v.id and /*where*/ order by /*order*/ limit /*most*/) s
 union all
 select s.* from study s where s.id = any (array(
     select c.study_id from unnest((select parties())) p(id)
     cross join lateral (select r.study_id from reach r join study s on s.id = r.study_id
                         where r.party = p.id and s.institution_id <> all ((select setting_ids('panorad.home'))::integer[]) and /*where*/
                         order by /*reach*/ limit /*most*/) c)))
