-- Institutions, nodes and accounts; the image archive's index; the process archive's events; row-level security over all of it.


-- ---------------------------------------------------------------------------------------------------------------------- gate
create table institution (
    id integer generated always as identity primary key,
    code text not null unique check (code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'),
    name text not null,
    name_zh text not null default '',
    issuer text not null,          -- Issuer of Patient ID (0010,0021) assumed for images that carry none
    parent_id integer references institution,
    created_at timestamptz not null default now()
);
comment on table institution is 'A member of the region; the tree under parent_id says who stands above whom.';

create table node (
    ae_title text primary key check (length(ae_title) between 1 and 16),
    institution_id integer not null references institution,
    host text,
    port integer check (port between 1 and 65535),
    description text not null default '',
    created_at timestamptz not null default now()
);
comment on table node is 'A DICOM application entity and the institution it belongs to; host and port when we may send to it.';

create table account (
    id integer generated always as identity primary key,
    login text not null,
    name text not null,
    password_hash text not null,
    institution_id integer not null references institution,
    administrator boolean not null default false,
    disabled boolean not null default false,
    failures integer not null default 0,
    locked_until timestamptz,
    created_at timestamptz not null default now()
);
create unique index account_login on account (lower(login));

create table session (
    token_hash bytea primary key,
    account_id integer not null references account on delete cascade,
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
);
create index session_account on session (account_id);

create table welcome (
    token_hash bytea primary key,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    redeemed_at timestamptz
);
comment on table welcome is 'One-time links by which the first administrator comes in.';

-- ------------------------------------------------------------------------------------------------------------------- imaging
create table sop_class (id smallint generated always as identity primary key, uid text not null unique);
create table transfer_syntax (id smallint generated always as identity primary key, uid text not null unique);

create table object (
    id bigint generated always as identity primary key,
    key text not null unique,
    institution_id integer not null references institution,
    sealed_at timestamptz,
    bytes bigint not null default 0,
    created_at timestamptz not null default now()
);
comment on table object is 'One stored object: an uncompressed tar of Part 10 files. The object is the truth, the index can be rebuilt from it.';

create table study (
    id bigint generated always as identity primary key,
    institution_id integer not null references institution,
    issuer text collate "C" not null,
    patient_id text collate "C" not null,
    study_uid text collate "C" not null,
    study_date date,
    study_time time,
    accession_number text collate "C" not null default '',
    study_id text collate "C" not null default '',
    description text collate "C" not null default '',
    referring_physician text collate "C" not null default '',
    patient_name text collate "C" not null default '',
    birth_date date,
    sex text collate "C" not null default '',
    modalities text[] not null default '{}',
    series_count integer not null default 0,
    instance_count integer not null default 0,
    bytes bigint not null default 0,
    conflict_count integer not null default 0,
    attributes jsonb not null default '{}',
    first_received timestamptz not null default now(),
    last_received timestamptz not null default now(),
    unique (study_uid, institution_id, issuer, patient_id)
);
create index study_patient on study (patient_id, issuer);
create index study_accession on study (accession_number) where accession_number <> '';
create index study_date on study (study_date desc nulls last, id desc);
create index study_received on study (last_received desc nulls last, id desc);
create index study_institution_date on study (institution_id, study_date desc nulls last, id desc);

create table name_key (
    key text collate "C" not null,
    study_id bigint not null references study on delete cascade,
    institution_id integer not null,
    primary key (key, study_id) include (institution_id) -- row-level security then needs no look at the table
);
create index name_key_study on name_key (study_id);
comment on table name_key is 'Folded patient names (words, pinyin, initials, ideographs), each found by prefix.';

create table series (
    id bigint generated always as identity primary key,
    study_id bigint not null references study on delete cascade,
    institution_id integer not null,
    series_uid text collate "C" not null,
    modality text collate "C" not null default '',
    number integer,
    description text collate "C" not null default '',
    body_part text collate "C" not null default '',
    performed_date date,
    performed_time time,
    station_name text collate "C" not null default '',
    instance_count integer not null default 0,
    bytes bigint not null default 0,
    version integer not null default 0,
    settled_version integer,
    attributes jsonb not null default '{}',
    first_received timestamptz not null default now(),
    last_received timestamptz not null default now(),
    unique (study_id, series_uid)
);
create index series_uid on series (series_uid);
create index series_unsettled on series (last_received) where settled_version is distinct from version;

create table instance (
    id bigint generated always as identity primary key,
    series_id bigint not null references series on delete cascade,
    object_id bigint not null references object,
    at bigint not null,
    sop_key bigint not null,
    length bigint not null,
    institution_id integer not null,
    data_at integer not null,
    pixel_at integer,
    number integer,
    frames integer,
    rows integer,
    columns integer,
    sop_class_id smallint not null references sop_class,
    transfer_syntax_id smallint not null references transfer_syntax,
    bits_allocated smallint,
    samples smallint,
    variant smallint not null default 0,
    digest bytea not null,
    sop_uid text collate "C" not null
);
create unique index instance_sop on instance (sop_key, series_id, variant);
create index instance_series on instance (series_id, number);
comment on column instance.sop_key is 'First eight bytes of the SOP Instance UID''s BLAKE2b digest: a short key to find it by.';
comment on column instance.variant is '0 for the first content received under this UID in this series; further contents are kept, flagged and counted up.';
comment on column instance.digest is 'BLAKE3 of the data set exactly as it was sent.';

create table conflict (
    id bigint generated always as identity primary key,
    institution_id integer not null references institution,
    instance_id bigint not null references instance on delete cascade,
    other_id bigint not null references instance on delete cascade,
    reason text not null,
    found_at timestamptz not null default now()
);
create index conflict_instance on conflict (instance_id);
comment on table conflict is 'The same SOP Instance UID with other content, at one institution: both are kept.';

create table quarantine (
    id bigint generated always as identity primary key,
    institution_id integer not null references institution,
    source text not null,
    kind text not null,
    reason text not null,
    sop_uid text not null default '',
    key text not null unique,
    bytes bigint not null,
    received_at timestamptz not null default now()
);
create index quarantine_received on quarantine (received_at desc, id desc);
comment on table quarantine is 'Input that could not be indexed, kept as it came with the reason.';

-- ------------------------------------------------------------------------------------------------------------------- process
create table event (
    id bigint not null,
    at timestamptz not null default clock_timestamp(),
    kind text not null,
    outcome text not null default 'success',
    actor_kind text not null,
    actor text not null,
    account_id integer,
    institution_id integer,
    purpose text not null,
    source text not null default '',
    objects jsonb not null default '{}',
    detail jsonb not null default '{}',
    study text collate "C" generated always as (objects ->> 'study') stored, -- a column, since row-level security keeps `->>` from an index
    primary key (id, at)
) partition by range (at);
create index event_study on event (study, id) where study is not null;
comment on table event is 'Everything that happened, append-only: the process archive, the outbox, the audit trail and the change feed.';
comment on column event.id is 'Number of the transaction in the event clock, times 4096, plus the place within it: grows in the order of transactions.';
create table event_rest partition of event default;

create table event_clock (ahead bigint not null);
comment on table event_clock is 'How far event numbers run ahead of this cluster''s transaction ids (the largest row): more than 0 once a dump came from another cluster.';

-- The number of the n-th event of this transaction.
create function event_number(n integer) returns bigint language sql volatile
return ((pg_current_xact_id()::text::bigint + (select coalesce(max(ahead), 0) from event_clock)) << 12) + n;

-- Every event below this number is final: each older transaction has ended, so that nothing can appear before it any more.
create function events_final() returns bigint language sql stable
return (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (select coalesce(max(ahead), 0) from event_clock)) << 12;

-- Let new events come after all there are, also when those were written in another cluster and restored here.
create function wind_event_clock() returns void language sql security definer set search_path = public as $$
    insert into event_clock (ahead)
    select (max(id) >> 12) - pg_current_xact_id()::text::bigint + 1 from event having max(id) >= event_number(0)
$$;

create function ensure_event_partitions(months integer) returns void language plpgsql security definer set search_path = public as $$
declare
    first date := date_trunc('month', now());
    name text;
begin
    for n in 0..months loop
        name := 'event_' || to_char(first + make_interval(months => n), 'YYYYMM');
        if to_regclass(name) is null then
            execute format('create table %I partition of event for values from (%L) to (%L)', name,
                           first + make_interval(months => n), first + make_interval(months => n + 1));
        end if;
    end loop;
end $$;

-- -------------------------------------------------------------------------------------------------------------------- ingest
create function ensure_series(p_institution integer, p_study jsonb, p_series jsonb, p_names text[])
returns table (study_id bigint, series_id bigint, new_study boolean, new_series boolean) language plpgsql as $$
declare
    s study;
    inserted boolean := false;
begin
    select * into s from study t where t.study_uid = p_study ->> 'study_uid' and t.institution_id = p_institution
        and t.issuer = p_study ->> 'issuer' and t.patient_id = p_study ->> 'patient_id';
    if s.id is null then
        insert into study (institution_id, issuer, patient_id, study_uid, study_date, study_time, accession_number, study_id, description,
                           referring_physician, patient_name, birth_date, sex, attributes)
        values (p_institution, p_study ->> 'issuer', p_study ->> 'patient_id', p_study ->> 'study_uid', (p_study ->> 'study_date')::date,
                (p_study ->> 'study_time')::time, p_study ->> 'accession_number', p_study ->> 'study_id', p_study ->> 'description',
                p_study ->> 'referring_physician', p_study ->> 'patient_name', (p_study ->> 'birth_date')::date, p_study ->> 'sex',
                p_study -> 'attributes')
        on conflict do nothing returning * into s;
        if s.id is null then
            select * into s from study t where t.study_uid = p_study ->> 'study_uid' and t.institution_id = p_institution
                and t.issuer = p_study ->> 'issuer' and t.patient_id = p_study ->> 'patient_id';
        else
            inserted := true;
            insert into name_key (key, study_id, institution_id) select distinct k, s.id, p_institution from unnest(p_names) k
            on conflict do nothing;
        end if;
    end if;
    insert into series as e (study_id, institution_id, series_uid, modality, number, description, body_part, performed_date, performed_time,
                             station_name, attributes)
    values (s.id, p_institution, p_series ->> 'series_uid', p_series ->> 'modality', (p_series ->> 'number')::integer,
            p_series ->> 'description', p_series ->> 'body_part', (p_series ->> 'performed_date')::date,
            (p_series ->> 'performed_time')::time, p_series ->> 'station_name', p_series -> 'attributes')
    on conflict on constraint series_study_id_series_uid_key do nothing returning e.id into series_id;
    new_series := series_id is not null;
    if series_id is null then
        select e.id into series_id from series e where e.study_id = s.id and e.series_uid = p_series ->> 'series_uid';
    else
        update study t set series_count = t.series_count + 1,
            modalities = (select array(select distinct m from unnest(t.modalities || (p_series ->> 'modality')) m where m <> '' order by m))
        where t.id = s.id;
    end if;
    study_id := s.id;
    new_study := inserted;
    return next;
end $$;

create function add_instances(p_institution integer, p_study bigint, p_series bigint, p_object bigint, p jsonb)
returns table (ordinal integer, fate text) language plpgsql as $$
declare
    r record;
    other record;
    fresh bigint;
    added integer := 0;
    size bigint := 0;
    clashes integer := 0;
    next_variant smallint;
begin
    for r in select x.*, i.n from jsonb_array_elements(p) with ordinality i(v, n),
             jsonb_to_record(i.v) as x(uid text, sop_key bigint, at bigint, length bigint, data_at integer, pixel_at integer, number integer,
             frames integer, rows integer, columns integer, sop_class smallint, syntax smallint, bits smallint, samples smallint, digest bytea)
    loop
        ordinal := r.n;
        loop
            fate := 'stored';
            next_variant := 0;
            fresh := null;
            -- the same UID at this institution, in this series first
            for other in select t.id, t.series_id, t.variant, t.digest, t.sop_uid from instance t
                         where t.sop_key = r.sop_key and t.institution_id = p_institution
                         order by (t.series_id = p_series) desc, t.variant
            loop
                if other.series_id = p_series then
                    if other.digest = r.digest and other.sop_uid = r.uid then
                        fate := 'duplicate';
                        exit;
                    end if;
                    next_variant := greatest(next_variant, other.variant + 1); -- also past another UID of the same key
                end if;
                fate := 'conflict';
            end loop;
            exit when fate = 'duplicate';
            insert into instance (series_id, object_id, at, sop_key, length, institution_id, data_at, pixel_at, number, frames, rows, columns,
                                  sop_class_id, transfer_syntax_id, bits_allocated, samples, variant, digest, sop_uid)
            values (p_series, p_object, r.at, r.sop_key, r.length, p_institution, r.data_at, r.pixel_at, r.number, r.frames, r.rows, r.columns,
                    r.sop_class, r.syntax, r.bits, r.samples, next_variant, r.digest, r.uid)
            on conflict do nothing returning id into fresh;
            exit when fresh is not null;
        end loop;
        if fresh is not null then
            size := size + r.length;
            if next_variant = 0 then added := added + 1; end if;
            if fate = 'conflict' then
                clashes := clashes + 1;
                insert into conflict (institution_id, instance_id, other_id, reason)
                select p_institution, fresh, t.id,
                    case when t.sop_uid <> r.uid then 'another SOP Instance UID of the same key'
                         when t.series_id <> p_series then 'same SOP Instance UID in another series or study'
                         when t.transfer_syntax_id <> r.syntax then 'same UIDs in another transfer syntax'
                         else 'same UIDs, other content' end
                from instance t where t.sop_key = r.sop_key and t.institution_id = p_institution and t.id <> fresh
                order by t.id limit 1;
            end if;
        end if;
        return next;
    end loop;
    if size > 0 then
        update study t set instance_count = t.instance_count + added, bytes = t.bytes + size, conflict_count = t.conflict_count + clashes,
            last_received = clock_timestamp() where t.id = p_study;
        update series t set instance_count = t.instance_count + added, bytes = t.bytes + size, version = t.version + 1,
            last_received = clock_timestamp() where t.id = p_series;
        update object t set bytes = greatest(t.bytes, (select max((v ->> 'at')::bigint + (v ->> 'length')::bigint) from jsonb_array_elements(p) v))
        where t.id = p_object;
    end if;
end $$;

-- ------------------------------------------------------------------------------------------------------------ row-level security
do $$
begin
    if not exists (select from pg_roles where rolname = 'panorad_app') then
        create role panorad_app nologin;
    end if;
end $$;
grant usage on schema public to panorad_app;
grant select, insert, update on all tables in schema public to panorad_app;
grant usage on all sequences in schema public to panorad_app;
grant delete on session, welcome to panorad_app;
revoke update on event from panorad_app;
revoke insert, update on event_clock from panorad_app;
revoke all on event_rest from panorad_app; -- row-level security is on the table above it
grant execute on function ensure_event_partitions(integer), wind_event_clock() to panorad_app;

create function visible_institutions() returns integer[] language sql stable parallel safe security definer set search_path = public as $$
    select case when coalesce(current_setting('panorad.everything', true), 'off') = 'on' then (select coalesce(array_agg(id), '{}') from institution)
                else coalesce(string_to_array(nullif(current_setting('panorad.institutions', true), ''), ',')::integer[], '{}') end
$$;
comment on function visible_institutions is 'Whose rows the transaction sees: one list in either case, so that an index on the institution serves both.';

do $$
declare
    t text;
begin
    foreach t in array array['object', 'study', 'name_key', 'series', 'instance', 'conflict', 'quarantine'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy own on %I to panorad_app using (institution_id = any ((select visible_institutions())::integer[]))', t);
    end loop;
end $$;
alter table event enable row level security;
create policy see on event for select to panorad_app using (
    (select coalesce(current_setting('panorad.everything', true), 'off') = 'on')
    or institution_id = any ((select visible_institutions())::integer[])); -- some events are of no institution
create policy add on event for insert to panorad_app with check (true);

select ensure_event_partitions(3);
