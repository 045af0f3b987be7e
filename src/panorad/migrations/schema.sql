-- The whole database as the numbered migrations make it: written by `python -m panorad.app.schema`, kept right by a test.
-- The role panorad_app exists beside the database. The monthly partitions of the event table are left out.

SET check_function_bodies = false;

CREATE FUNCTION public.acting_institution() RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('panorad.institution'::text, true), ''::text))::integer;

CREATE FUNCTION public.add_instances(p_institution integer, p_study bigint, p_series bigint, p_object bigint, p jsonb) RETURNS TABLE(ordinal integer, fate text)
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.change_alone(p_institution integer) RETURNS void
    LANGUAGE sql
    AS $$
    select pg_advisory_xact_lock(1735550318, p_institution)
$$;

CREATE FUNCTION public.consent_allows(p_institution integer, p_issuer text, p_patient text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v_purpose text := current_setting('panorad.purpose', true);
    v_actor integer := acting_institution();
    v_own boolean := coalesce(v_actor = p_institution, false);
    v_refused boolean;
    v_permitted boolean;
    v_rule text;
begin
    select coalesce(bool_or(c.decision = 'refuse'), false), coalesce(bool_or(c.decision = 'permit'), false) into v_refused, v_permitted
    from consent c where c.patient_id = p_patient and c.issuer = p_issuer and c.institution_id = p_institution and c.withdrawn_at is null
        and v_purpose = any (c.purposes) and c.valid_from <= statement_timestamp()
        and (c.valid_to is null or c.valid_to > statement_timestamp())
        and (c.audience = 'everyone' or (c.audience = 'others' and not v_own) or (c.audience = 'institution' and c.audience_id = v_actor));
    if v_refused then
        return false;
    end if;
    v_rule := consent_rule(p_institution, v_purpose, v_own);
    return v_rule = 'permit' or (v_rule = 'consent' and v_permitted);
end $$;

CREATE FUNCTION public.consent_rule(p_institution integer, p_purpose text, p_own boolean) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'public'
    AS $$
    select coalesce((select rule from consent_policy where institution_id = p_institution and purpose = p_purpose
                     and audience = case when p_own then 'own' else 'others' end),
                    case when p_purpose in ('research', 'education') then 'consent' else 'permit' end)
$$;

CREATE FUNCTION public.ensure_event_partitions(months integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
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

CREATE FUNCTION public.ensure_series(p_institution integer, p_study jsonb, p_series jsonb, p_names text[]) RETURNS TABLE(study_id bigint, series_id bigint, new_study boolean, new_series boolean)
    LANGUAGE plpgsql
    AS $$
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

CREATE TABLE public.event_clock (
    ahead bigint NOT NULL
);

COMMENT ON TABLE public.event_clock IS 'How far event numbers run ahead of this cluster''s transaction ids (the largest row): more than 0 once a dump came from another cluster.';

CREATE FUNCTION public.event_number(n integer) RETURNS bigint
    LANGUAGE sql
    RETURN (((((pg_current_xact_id())::text)::bigint + (SELECT COALESCE(max(event_clock.ahead), (0)::bigint) AS "coalesce" FROM public.event_clock)) << 12) + n);

CREATE FUNCTION public.events_final() RETURNS bigint
    LANGUAGE sql STABLE
    RETURN ((((pg_snapshot_xmin(pg_current_snapshot()))::text)::bigint + (SELECT COALESCE(max(event_clock.ahead), (0)::bigint) AS "coalesce" FROM public.event_clock)) << 12);

CREATE FUNCTION public.everything() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (COALESCE(current_setting('panorad.everything'::text, true), 'off'::text) = 'on'::text);

CREATE FUNCTION public.mark_study(p_study bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v_marks smallint;
begin
    select (case when exists (select from consent c where c.patient_id = s.patient_id and c.issuer = s.issuer
                              and c.institution_id = s.institution_id and c.withdrawn_at is null) then 1 else 0 end)
         + (case when exists (select from reach r where r.study_id = s.id) then 2 else 0 end)
    into v_marks from study s where s.id = p_study;
    update study set marks = v_marks where id = p_study and marks <> v_marks;
    if found then
        update series set marks = v_marks where study_id = p_study;
        update name_key set marked = v_marks <> 0 where study_id = p_study and marked <> (v_marks <> 0);
    end if;
end $$;

CREATE FUNCTION public.parties() RETURNS bigint[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((string_to_array(NULLIF(current_setting('panorad.parties'::text, true), ''::text), ','::text))::bigint[], '{}'::bigint[]);

CREATE FUNCTION public.purpose_bits(p_purposes text[]) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    select coalesce(bit_or(case p when 'treatment' then 1 when 'remote-reading' then 2 when 'consultation' then 4 when 'quality' then 8
        when 'education' then 16 when 'research' then 32 when 'patient-request' then 64 when 'emergency' then 128 else 0 end), 0)
    from unnest(p_purposes) p
$$;

CREATE FUNCTION public.purpose_bit() RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE(public.purpose_bits(ARRAY[current_setting('panorad.purpose'::text, true)]), 0);

CREATE FUNCTION public.receive_name() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    select s.marks <> 0 into new.marked from study s where s.id = new.study_id;
    return new;
end $$;

CREATE FUNCTION public.receive_series() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    select s.marks into new.marks from study s where s.id = new.study_id;
    return new;
end $$;

CREATE FUNCTION public.receive_study() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    perform wait_for_changes(new.institution_id);
    insert into reach (study_id, party, grant_id, purposes, valid_from, valid_to, study_date, series_uid)
    select new.id, g.party, g.id, purpose_bits(g.purposes), g.valid_from, coalesce(g.valid_to, 'infinity'), new.study_date, g.series_uid
    from (select * from access_grant where study_uid = new.study_uid and institution_id = new.institution_id and revoked_at is null
          union all
          select * from access_grant where patient_id = new.patient_id and issuer = new.issuer and institution_id = new.institution_id
              and revoked_at is null) g;
    perform mark_study(new.id);
    return null;
end $$;

CREATE FUNCTION public.seen_of(p_study bigint, p_marks smallint, p_institution integer, p_modalities text[], p_series integer, p_instances integer) RETURNS TABLE(modalities text[], series integer, instances integer)
    LANGUAGE sql STABLE
    AS $$
    select case when w.whole then p_modalities else array(select distinct e.modality from series e where e.study_id = p_study
                                                          and e.modality <> '' order by 1) end,
           case when w.whole then p_series else (select count(*)::integer from series e where e.study_id = p_study) end,
           case when w.whole then p_instances
                else (select coalesce(sum(e.instance_count), 0)::integer from series e where e.study_id = p_study) end
    from (select p_marks & 2 = 0 or everything() or p_institution = any (setting_ids('panorad.home')) as whole) w
$$;

CREATE FUNCTION public.setting_ids(name text) RETURNS integer[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((string_to_array(NULLIF(current_setting(name, true), ''::text), ','::text))::integer[], '{}'::integer[]);

CREATE FUNCTION public.visible_institutions() RETURNS integer[]
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'public'
    AS $$
    select case when everything() then (select coalesce(array_agg(id), '{}') from institution) else setting_ids('panorad.institutions') end
$$;

COMMENT ON FUNCTION public.visible_institutions() IS 'Institutions whose unmarked rows the transaction sees: one list in either case, so that an index on the institution serves both.';

CREATE FUNCTION public.wait_for_changes(p_institution integer) RETURNS void
    LANGUAGE sql
    AS $$
    select pg_advisory_xact_lock_shared(1735550318, p_institution)
$$;

CREATE FUNCTION public.who_looked(studies text[]) RETURNS TABLE(actor_kind text, actor text, institution text, first_at timestamp with time zone, last_at timestamp with time zone, times bigint, purposes text[], kinds text[])
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    select e.actor_kind, e.actor, coalesce(n.code, ''), min(e.at), max(e.at), count(*), array_agg(distinct e.purpose), array_agg(distinct e.kind)
    from event e left join institution n on n.id = e.institution_id
    where e.study = any (array(select s.study_uid from study s where s.study_uid = any (studies)
                               and (everything() or s.institution_id = any (setting_ids('panorad.home')))))
      and e.kind in ('instances.retrieved', 'instances.sent', 'instances.exported', 'transfer.begun', 'study.opened', 'query')
      and e.outcome = 'success'
    group by 1, 2, 3 order by 5 desc limit 1000
$$;

CREATE FUNCTION public.wind_event_clock() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
    insert into event_clock (ahead)
    select (max(id) >> 12) - pg_current_xact_id()::text::bigint + 1 from event having max(id) >= event_number(0)
$$;

CREATE FUNCTION public.work_out_consent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    perform change_alone(new.institution_id);
    perform mark_study(s.id) from study s
    where s.institution_id = new.institution_id and s.issuer = new.issuer and s.patient_id = new.patient_id;
    return null;
end $$;

CREATE FUNCTION public.work_out_grant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
declare
    v_study bigint;
    v_before bigint[];
begin
    if new.scope = 'institution' then
        return null;
    end if;
    perform change_alone(new.institution_id);
    with gone as (delete from reach where grant_id = new.id returning study_id) select array_agg(study_id) into v_before from gone;
    if new.revoked_at is null then
        insert into reach (study_id, party, grant_id, purposes, valid_from, valid_to, study_date, series_uid)
        select s.id, new.party, new.id, purpose_bits(new.purposes), new.valid_from, coalesce(new.valid_to, 'infinity'), s.study_date, new.series_uid
        from (select * from study t where new.scope = 'patient' and t.patient_id = new.patient_id and t.issuer = new.issuer
              union all
              select * from study t where new.scope <> 'patient' and t.study_uid = new.study_uid) s
        where s.institution_id = new.institution_id;
    end if;
    for v_study in select unnest(v_before) union select study_id from reach where grant_id = new.id loop
        perform mark_study(v_study);
    end loop;
    return null;
end $$;

CREATE FUNCTION public.work_out_tree() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
begin
    create temporary table if not exists above (below_id integer, above_id integer) on commit drop;
    truncate above;
    insert into above
    with recursive up as (
        select id as below_id, parent_id as above_id from institution where parent_id is not null
        union
        select u.below_id, i.parent_id from up u join institution i on i.id = u.above_id where i.parent_id is not null)
    select below_id, above_id from up where below_id <> above_id;
    update access_grant g set revoked_at = now() where g.origin = 'tree' and g.revoked_at is null
        and not exists (select from above a where a.below_id = g.institution_id and a.above_id = g.grantee_id);
    insert into access_grant (institution_id, scope, grantee_kind, grantee_id, party, purposes, origin)
    select a.below_id, 'institution', 'institution', a.above_id, (1::bigint << 40) + a.above_id,
           '{treatment,remote-reading,consultation,quality,education,research}', 'tree'
    from above a where not exists (select from access_grant g where g.origin = 'tree' and g.institution_id = a.below_id
        and g.grantee_id = a.above_id and (g.revoked_at is null or g.revoked_by is not null));
    return null;
end $$;

CREATE TABLE public.access_grant (
    id bigint NOT NULL,
    institution_id integer NOT NULL,
    scope text NOT NULL,
    issuer text COLLATE pg_catalog."C",
    patient_id text COLLATE pg_catalog."C",
    study_uid text COLLATE pg_catalog."C",
    series_uid text COLLATE pg_catalog."C",
    grantee_kind text NOT NULL,
    grantee_id integer NOT NULL,
    grantee_role text,
    party bigint NOT NULL,
    purposes text[] NOT NULL,
    valid_from timestamp with time zone DEFAULT now() NOT NULL,
    valid_to timestamp with time zone,
    origin text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    given_by text DEFAULT ''::text NOT NULL,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    revoked_by text,
    CONSTRAINT access_grant_check CHECK (((scope = 'patient'::text) = ((patient_id IS NOT NULL) AND (issuer IS NOT NULL)))),
    CONSTRAINT access_grant_check1 CHECK (((scope = ANY (ARRAY['study'::text, 'series'::text])) = (study_uid IS NOT NULL))),
    CONSTRAINT access_grant_check2 CHECK (((scope = 'series'::text) = (series_uid IS NOT NULL))),
    CONSTRAINT access_grant_check3 CHECK (((grantee_kind = 'role'::text) = (grantee_role IS NOT NULL))),
    CONSTRAINT access_grant_grantee_kind_check CHECK ((grantee_kind = ANY (ARRAY['institution'::text, 'role'::text, 'person'::text, 'link'::text, 'device'::text, 'program'::text]))),
    CONSTRAINT access_grant_origin_check CHECK ((origin = ANY (ARRAY['tree'::text, 'referral'::text, 'remote-reading'::text, 'consultation'::text, 'consent'::text, 'recognition'::text, 'break-glass'::text, 'share-link'::text, 'patient'::text, 'manual'::text]))),
    CONSTRAINT access_grant_purposes_check CHECK ((cardinality(purposes) > 0)),
    CONSTRAINT access_grant_scope_check CHECK ((scope = ANY (ARRAY['institution'::text, 'patient'::text, 'study'::text, 'series'::text])))
);

COMMENT ON TABLE public.access_grant IS 'An institution lets somebody see something of what it holds, for a purpose and a time. Rows are revoked, never deleted.';

COMMENT ON COLUMN public.access_grant.party IS 'The grantee as one number (panorad.model.party).';

ALTER TABLE public.access_grant ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.access_grant_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.account (
    id integer NOT NULL,
    login text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    institution_id integer NOT NULL,
    administrator boolean DEFAULT false NOT NULL,
    disabled boolean DEFAULT false NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    locked_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.account_role (
    account_id integer NOT NULL,
    institution_id integer NOT NULL,
    role text NOT NULL,
    origin text DEFAULT 'manual'::text NOT NULL,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT account_role_origin_check CHECK ((origin = ANY (ARRAY['manual'::text, 'welcome'::text, 'oidc'::text, 'migration'::text])))
);

COMMENT ON TABLE public.account_role IS 'What a person is at an institution; the roles and what each may do are in panorad.model.roles.';

CREATE TABLE public.conflict (
    id bigint NOT NULL,
    institution_id integer NOT NULL,
    instance_id bigint NOT NULL,
    other_id bigint NOT NULL,
    reason text NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.conflict IS 'The same SOP Instance UID with other content, at one institution: both are kept.';

ALTER TABLE public.conflict ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.conflict_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.consent (
    id bigint NOT NULL,
    institution_id integer NOT NULL,
    issuer text NOT NULL COLLATE pg_catalog."C",
    patient_id text NOT NULL COLLATE pg_catalog."C",
    decision text NOT NULL,
    purposes text[] NOT NULL,
    audience text DEFAULT 'others'::text NOT NULL,
    audience_id integer,
    valid_from timestamp with time zone DEFAULT now() NOT NULL,
    valid_to timestamp with time zone,
    given_by text DEFAULT 'patient'::text NOT NULL,
    proxy_name text DEFAULT ''::text NOT NULL,
    proxy_relationship text DEFAULT ''::text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    recorded_by text DEFAULT ''::text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    withdrawn_at timestamp with time zone,
    withdrawn_by text,
    CONSTRAINT consent_audience_check CHECK ((audience = ANY (ARRAY['everyone'::text, 'others'::text, 'institution'::text]))),
    CONSTRAINT consent_check CHECK (((audience = 'institution'::text) = (audience_id IS NOT NULL))),
    CONSTRAINT consent_check1 CHECK (((given_by = 'proxy'::text) = (proxy_name <> ''::text))),
    CONSTRAINT consent_decision_check CHECK ((decision = ANY (ARRAY['permit'::text, 'refuse'::text]))),
    CONSTRAINT consent_given_by_check CHECK ((given_by = ANY (ARRAY['patient'::text, 'proxy'::text]))),
    CONSTRAINT consent_purposes_check CHECK ((cardinality(purposes) > 0))
);

COMMENT ON TABLE public.consent IS 'What a patient permits or refuses: for which purposes, to whom, how long. A refusal outranks every grant. Rows are withdrawn, never deleted.';

ALTER TABLE public.consent ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.consent_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.consent_policy (
    institution_id integer NOT NULL,
    purpose text NOT NULL,
    audience text NOT NULL,
    rule text NOT NULL,
    CONSTRAINT consent_policy_audience_check CHECK ((audience = ANY (ARRAY['own'::text, 'others'::text]))),
    CONSTRAINT consent_policy_rule_check CHECK ((rule = ANY (ARRAY['permit'::text, 'consent'::text, 'refuse'::text])))
);

COMMENT ON TABLE public.consent_policy IS 'What holds at an institution for patients who said nothing; where there is no row, consent_rule says it.';

CREATE TABLE public.event (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    outcome text DEFAULT 'success'::text NOT NULL,
    actor_kind text NOT NULL,
    actor text NOT NULL,
    account_id integer,
    institution_id integer,
    purpose text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    objects jsonb DEFAULT '{}'::jsonb NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    study text GENERATED ALWAYS AS ((objects ->> 'study'::text)) STORED COLLATE pg_catalog."C",
    patient text GENERATED ALWAYS AS ((objects ->> 'patient'::text)) STORED COLLATE pg_catalog."C"
)
PARTITION BY RANGE (at);

COMMENT ON TABLE public.event IS 'Everything that happened, append-only: the process archive, the outbox, the audit trail and the change feed.';

COMMENT ON COLUMN public.event.id IS 'Number of the transaction in the event clock, times 4096, plus the place within it: grows in the order of transactions.';

CREATE TABLE public.event_rest (
    id bigint CONSTRAINT event_id_not_null NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT event_at_not_null NOT NULL,
    kind text CONSTRAINT event_kind_not_null NOT NULL,
    outcome text DEFAULT 'success'::text CONSTRAINT event_outcome_not_null NOT NULL,
    actor_kind text CONSTRAINT event_actor_kind_not_null NOT NULL,
    actor text CONSTRAINT event_actor_not_null NOT NULL,
    account_id integer,
    institution_id integer,
    purpose text CONSTRAINT event_purpose_not_null NOT NULL,
    source text DEFAULT ''::text CONSTRAINT event_source_not_null NOT NULL,
    objects jsonb DEFAULT '{}'::jsonb CONSTRAINT event_objects_not_null NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb CONSTRAINT event_detail_not_null NOT NULL,
    study text GENERATED ALWAYS AS ((objects ->> 'study'::text)) STORED COLLATE pg_catalog."C",
    patient text GENERATED ALWAYS AS ((objects ->> 'patient'::text)) STORED COLLATE pg_catalog."C"
);

CREATE TABLE public.event_seal (
    number bigint NOT NULL,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL,
    sealed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    rows bytea NOT NULL,
    chain bytea NOT NULL,
    CONSTRAINT event_seal_check CHECK (((last_id >= first_id) AND (length(rows) > 0) AND ((length(rows) % 16) = 0) AND (length(chain) = 32)))
);

COMMENT ON TABLE public.event_seal IS 'What events were when they were sealed: appended to, never changed.';

CREATE TABLE public.follower (
    name text NOT NULL,
    last_id bigint DEFAULT 0 NOT NULL,
    moved_at timestamp with time zone DEFAULT now() NOT NULL,
    fault text DEFAULT ''::text NOT NULL
);

COMMENT ON TABLE public.follower IS 'Who follows the event log to its end: up to which event all has been handed over, and why it does not go on.';

CREATE TABLE public.instance (
    id bigint NOT NULL,
    series_id bigint NOT NULL,
    object_id bigint NOT NULL,
    at bigint NOT NULL,
    sop_key bigint NOT NULL,
    length bigint NOT NULL,
    institution_id integer NOT NULL,
    data_at integer NOT NULL,
    pixel_at integer,
    number integer,
    frames integer,
    rows integer,
    columns integer,
    sop_class_id smallint NOT NULL,
    transfer_syntax_id smallint NOT NULL,
    bits_allocated smallint,
    samples smallint,
    variant smallint DEFAULT 0 NOT NULL,
    digest bytea NOT NULL,
    sop_uid text NOT NULL COLLATE pg_catalog."C"
);

COMMENT ON COLUMN public.instance.sop_key IS 'First eight bytes of the SOP Instance UID''s BLAKE2b digest: a short key to find it by.';

COMMENT ON COLUMN public.instance.variant IS '0 for the first content received under this UID in this series; further contents are kept, flagged and counted up.';

COMMENT ON COLUMN public.instance.digest IS 'BLAKE3 of the data set exactly as it was sent.';

ALTER TABLE public.instance ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.instance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.institution (
    id integer NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    name_zh text DEFAULT ''::text NOT NULL,
    issuer text NOT NULL,
    parent_id integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT institution_code_check CHECK ((code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'::text))
);

COMMENT ON TABLE public.institution IS 'A member of the region; the tree under parent_id says who stands above whom.';

ALTER TABLE public.institution ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.institution_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.name_key (
    key text NOT NULL COLLATE pg_catalog."C",
    study_id bigint NOT NULL,
    institution_id integer NOT NULL,
    marked boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE public.name_key IS 'Folded patient names (words, pinyin, initials, ideographs), each found by prefix.';

CREATE TABLE public.node (
    ae_title text NOT NULL,
    institution_id integer NOT NULL,
    host text,
    port integer,
    description text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    id integer NOT NULL,
    tls boolean DEFAULT false NOT NULL,
    CONSTRAINT node_ae_title_check CHECK (((length(ae_title) >= 1) AND (length(ae_title) <= 16))),
    CONSTRAINT node_port_check CHECK (((port >= 1) AND (port <= 65535)))
);

COMMENT ON TABLE public.node IS 'A DICOM application entity and the institution it belongs to; host and port when we may send to it.';

CREATE TABLE public.node_certificate (
    ae_title text NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT node_certificate_check CHECK (((kind = 'any'::text) = (value = ''::text))),
    CONSTRAINT node_certificate_check1 CHECK (((kind <> 'sha256'::text) OR (value ~ '^[0-9a-f]{64}$'::text))),
    CONSTRAINT node_certificate_kind_check CHECK ((kind = ANY (ARRAY['sha256'::text, 'name'::text, 'any'::text])))
);

COMMENT ON TABLE public.node_certificate IS 'What a node''s certificate must be; a node with a row here calls over TLS only, one without calls plainly only.';

ALTER TABLE public.node ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.node_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.object (
    id bigint NOT NULL,
    key text NOT NULL,
    institution_id integer NOT NULL,
    sealed_at timestamp with time zone,
    bytes bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.object IS 'One stored object: an uncompressed tar of Part 10 files. The object is the truth, the index can be rebuilt from it.';

ALTER TABLE public.object ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.object_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.quarantine (
    id bigint NOT NULL,
    institution_id integer NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    sop_uid text DEFAULT ''::text NOT NULL,
    key text NOT NULL,
    bytes bigint NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.quarantine IS 'Input that could not be indexed, kept as it came with the reason.';

ALTER TABLE public.quarantine ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.reach (
    study_id bigint NOT NULL,
    party bigint NOT NULL,
    grant_id bigint NOT NULL,
    purposes integer NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone NOT NULL,
    study_date date,
    series_uid text COLLATE pg_catalog."C"
);

COMMENT ON TABLE public.reach IS 'Grants of patients, studies and series worked out to the studies that are here; kept by triggers, never written by hand.';

CREATE TABLE public.schema_version (
    number integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.series (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    institution_id integer NOT NULL,
    series_uid text NOT NULL COLLATE pg_catalog."C",
    modality text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    number integer,
    description text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    body_part text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    performed_date date,
    performed_time time without time zone,
    station_name text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    instance_count integer DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    settled_version integer,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    first_received timestamp with time zone DEFAULT now() NOT NULL,
    last_received timestamp with time zone DEFAULT now() NOT NULL,
    marks smallint DEFAULT 0 NOT NULL
);

ALTER TABLE public.series ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.series_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.session (
    token_hash bytea NOT NULL,
    account_id integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    institution_id integer,
    purpose text
);

COMMENT ON COLUMN public.session.institution_id IS 'The institution that the person acts for at the moment; null is the account''s own.';

CREATE TABLE public.sop_class (
    id smallint NOT NULL,
    uid text NOT NULL
);

ALTER TABLE public.sop_class ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sop_class_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.study (
    id bigint NOT NULL,
    institution_id integer NOT NULL,
    issuer text NOT NULL COLLATE pg_catalog."C",
    patient_id text NOT NULL COLLATE pg_catalog."C",
    study_uid text NOT NULL COLLATE pg_catalog."C",
    study_date date,
    study_time time without time zone,
    accession_number text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    study_id text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    description text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    referring_physician text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    patient_name text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    birth_date date,
    sex text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    modalities text[] DEFAULT '{}'::text[] NOT NULL,
    series_count integer DEFAULT 0 NOT NULL,
    instance_count integer DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    conflict_count integer DEFAULT 0 NOT NULL,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    first_received timestamp with time zone DEFAULT now() NOT NULL,
    last_received timestamp with time zone DEFAULT now() NOT NULL,
    marks smallint DEFAULT 0 NOT NULL
);

COMMENT ON COLUMN public.study.marks IS '1: the patient has said something about consent; 2: a grant reaches the study. Rows without marks need no second look.';

ALTER TABLE public.study ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.study_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.transfer_syntax (
    id smallint NOT NULL,
    uid text NOT NULL
);

ALTER TABLE public.transfer_syntax ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.transfer_syntax_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.welcome (
    token_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    redeemed_at timestamp with time zone
);

COMMENT ON TABLE public.welcome IS 'One-time links by which the first administrator comes in.';

ALTER TABLE ONLY public.event ATTACH PARTITION public.event_rest DEFAULT;

ALTER TABLE ONLY public.access_grant
    ADD CONSTRAINT access_grant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account_role
    ADD CONSTRAINT account_role_pkey PRIMARY KEY (account_id, institution_id, role);

ALTER TABLE ONLY public.conflict
    ADD CONSTRAINT conflict_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.consent
    ADD CONSTRAINT consent_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.consent_policy
    ADD CONSTRAINT consent_policy_pkey PRIMARY KEY (institution_id, purpose, audience);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id, at);

ALTER TABLE ONLY public.event_rest
    ADD CONSTRAINT event_rest_pkey PRIMARY KEY (id, at);

ALTER TABLE ONLY public.event_seal
    ADD CONSTRAINT event_seal_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.follower
    ADD CONSTRAINT follower_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.institution
    ADD CONSTRAINT institution_code_key UNIQUE (code);

ALTER TABLE ONLY public.institution
    ADD CONSTRAINT institution_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.name_key
    ADD CONSTRAINT name_key_pkey PRIMARY KEY (key, study_id) INCLUDE (institution_id, marked);

ALTER TABLE ONLY public.node_certificate
    ADD CONSTRAINT node_certificate_pkey PRIMARY KEY (ae_title, kind, value);

ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_id_key UNIQUE (id);

ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_pkey PRIMARY KEY (ae_title);

ALTER TABLE ONLY public.object
    ADD CONSTRAINT object_key_key UNIQUE (key);

ALTER TABLE ONLY public.object
    ADD CONSTRAINT object_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_key_key UNIQUE (key);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.reach
    ADD CONSTRAINT reach_pkey PRIMARY KEY (study_id, party, grant_id);

ALTER TABLE ONLY public.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_study_id_series_uid_key UNIQUE (study_id, series_uid);

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.sop_class
    ADD CONSTRAINT sop_class_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sop_class
    ADD CONSTRAINT sop_class_uid_key UNIQUE (uid);

ALTER TABLE ONLY public.study
    ADD CONSTRAINT study_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.study
    ADD CONSTRAINT study_study_uid_institution_id_issuer_patient_id_key UNIQUE (study_uid, institution_id, issuer, patient_id);

ALTER TABLE ONLY public.transfer_syntax
    ADD CONSTRAINT transfer_syntax_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.transfer_syntax
    ADD CONSTRAINT transfer_syntax_uid_key UNIQUE (uid);

ALTER TABLE ONLY public.welcome
    ADD CONSTRAINT welcome_pkey PRIMARY KEY (token_hash);

CREATE INDEX access_grant_institution ON public.access_grant USING btree (institution_id, id);

CREATE INDEX access_grant_party ON public.access_grant USING btree (party, id);

CREATE INDEX access_grant_patient ON public.access_grant USING btree (patient_id, issuer, institution_id) WHERE ((patient_id IS NOT NULL) AND (revoked_at IS NULL));

CREATE INDEX access_grant_standing ON public.access_grant USING btree (party) WHERE ((scope = 'institution'::text) AND (revoked_at IS NULL));

CREATE INDEX access_grant_study ON public.access_grant USING btree (study_uid, institution_id) WHERE ((study_uid IS NOT NULL) AND (revoked_at IS NULL));

CREATE UNIQUE INDEX account_login ON public.account USING btree (lower(login));

CREATE UNIQUE INDEX account_role_one_administration ON public.account_role USING btree (account_id) WHERE (role = ANY (ARRAY['system-administrator'::text, 'security-administrator'::text, 'audit-administrator'::text]));

COMMENT ON INDEX public.account_role_one_administration IS 'Those who run the center, those who say who may, and those who watch both are different people.';

CREATE INDEX conflict_instance ON public.conflict USING btree (instance_id);

CREATE INDEX consent_institution ON public.consent USING btree (institution_id, id);

CREATE INDEX consent_patient ON public.consent USING btree (patient_id, issuer, institution_id) WHERE (withdrawn_at IS NULL);

CREATE INDEX event_actor ON ONLY public.event USING btree (actor, id);

CREATE INDEX event_institution ON ONLY public.event USING btree (institution_id, id);

CREATE INDEX event_kind ON ONLY public.event USING btree (kind, id);

CREATE INDEX event_patient ON ONLY public.event USING btree (patient, id) WHERE (patient IS NOT NULL);

CREATE INDEX event_rest_actor_id_idx ON public.event_rest USING btree (actor, id);

CREATE INDEX event_rest_institution_id_id_idx ON public.event_rest USING btree (institution_id, id);

CREATE INDEX event_rest_kind_id_idx ON public.event_rest USING btree (kind, id);

CREATE INDEX event_rest_patient_id_idx ON public.event_rest USING btree (patient, id) WHERE (patient IS NOT NULL);

CREATE INDEX event_study ON ONLY public.event USING btree (study, id) WHERE (study IS NOT NULL);

CREATE INDEX event_rest_study_id_idx ON public.event_rest USING btree (study, id) WHERE (study IS NOT NULL);

CREATE INDEX instance_series ON public.instance USING btree (series_id, number);

CREATE UNIQUE INDEX instance_sop ON public.instance USING btree (sop_key, series_id, variant);

CREATE INDEX name_key_study ON public.name_key USING btree (study_id);

CREATE INDEX quarantine_received ON public.quarantine USING btree (received_at DESC, id DESC);

CREATE INDEX reach_grant ON public.reach USING btree (grant_id);

CREATE INDEX reach_party ON public.reach USING btree (party, study_date DESC NULLS LAST, study_id DESC);

CREATE INDEX series_uid ON public.series USING btree (series_uid);

CREATE INDEX series_unsettled ON public.series USING btree (last_received) WHERE (settled_version IS DISTINCT FROM version);

CREATE INDEX session_account ON public.session USING btree (account_id);

CREATE INDEX study_accession ON public.study USING btree (accession_number) WHERE (accession_number <> ''::text);

CREATE INDEX study_date ON public.study USING btree (study_date DESC NULLS LAST, id DESC);

CREATE INDEX study_institution_date ON public.study USING btree (institution_id, study_date DESC NULLS LAST, id DESC);

CREATE INDEX study_institution_received ON public.study USING btree (institution_id, last_received DESC NULLS LAST, id DESC);

CREATE INDEX study_patient ON public.study USING btree (patient_id, issuer);

CREATE INDEX study_received ON public.study USING btree (last_received DESC NULLS LAST, id DESC);

ALTER INDEX public.event_actor ATTACH PARTITION public.event_rest_actor_id_idx;

ALTER INDEX public.event_institution ATTACH PARTITION public.event_rest_institution_id_id_idx;

ALTER INDEX public.event_kind ATTACH PARTITION public.event_rest_kind_id_idx;

ALTER INDEX public.event_patient ATTACH PARTITION public.event_rest_patient_id_idx;

ALTER INDEX public.event_pkey ATTACH PARTITION public.event_rest_pkey;

ALTER INDEX public.event_study ATTACH PARTITION public.event_rest_study_id_idx;

CREATE TRIGGER receive BEFORE INSERT ON public.name_key FOR EACH ROW EXECUTE FUNCTION public.receive_name();

CREATE TRIGGER receive BEFORE INSERT ON public.series FOR EACH ROW EXECUTE FUNCTION public.receive_series();

CREATE TRIGGER receive AFTER INSERT ON public.study FOR EACH ROW EXECUTE FUNCTION public.receive_study();

CREATE TRIGGER work_out AFTER INSERT OR UPDATE ON public.access_grant FOR EACH ROW EXECUTE FUNCTION public.work_out_grant();

CREATE TRIGGER work_out AFTER INSERT OR UPDATE ON public.consent FOR EACH ROW EXECUTE FUNCTION public.work_out_consent();

CREATE TRIGGER work_out AFTER INSERT OR UPDATE OF parent_id ON public.institution FOR EACH STATEMENT EXECUTE FUNCTION public.work_out_tree();

ALTER TABLE ONLY public.access_grant
    ADD CONSTRAINT access_grant_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.account_role
    ADD CONSTRAINT account_role_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_role
    ADD CONSTRAINT account_role_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.conflict
    ADD CONSTRAINT conflict_instance_id_fkey FOREIGN KEY (instance_id) REFERENCES public.instance(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.conflict
    ADD CONSTRAINT conflict_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.conflict
    ADD CONSTRAINT conflict_other_id_fkey FOREIGN KEY (other_id) REFERENCES public.instance(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.consent
    ADD CONSTRAINT consent_audience_id_fkey FOREIGN KEY (audience_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.consent
    ADD CONSTRAINT consent_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.consent_policy
    ADD CONSTRAINT consent_policy_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_object_id_fkey FOREIGN KEY (object_id) REFERENCES public.object(id);

ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_series_id_fkey FOREIGN KEY (series_id) REFERENCES public.series(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_sop_class_id_fkey FOREIGN KEY (sop_class_id) REFERENCES public.sop_class(id);

ALTER TABLE ONLY public.instance
    ADD CONSTRAINT instance_transfer_syntax_id_fkey FOREIGN KEY (transfer_syntax_id) REFERENCES public.transfer_syntax(id);

ALTER TABLE ONLY public.institution
    ADD CONSTRAINT institution_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.name_key
    ADD CONSTRAINT name_key_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.study(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.node_certificate
    ADD CONSTRAINT node_certificate_ae_title_fkey FOREIGN KEY (ae_title) REFERENCES public.node(ae_title) ON DELETE CASCADE;

ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.object
    ADD CONSTRAINT object_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.reach
    ADD CONSTRAINT reach_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES public.access_grant(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.reach
    ADD CONSTRAINT reach_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.study(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.study(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE ONLY public.study
    ADD CONSTRAINT study_institution_id_fkey FOREIGN KEY (institution_id) REFERENCES public.institution(id);

ALTER TABLE public.access_grant ENABLE ROW LEVEL SECURITY;

CREATE POLICY add ON public.event FOR INSERT TO panorad_app WITH CHECK (true);

CREATE POLICY add_ingest ON public.event FOR INSERT TO panorad_ingest WITH CHECK (true);

ALTER TABLE public.conflict ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.consent ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.event ENABLE ROW LEVEL SECURITY;

CREATE POLICY ingest ON public.conflict TO panorad_ingest USING ((institution_id = ( SELECT public.acting_institution() AS acting_institution)));

CREATE POLICY ingest ON public.instance TO panorad_ingest USING ((institution_id = ( SELECT public.acting_institution() AS acting_institution)));

CREATE POLICY ingest ON public.name_key TO panorad_ingest USING ((institution_id = ( SELECT public.acting_institution() AS acting_institution)));

CREATE POLICY ingest ON public.object TO panorad_ingest USING ((institution_id = ( SELECT public.acting_institution() AS acting_institution)));

CREATE POLICY ingest ON public.quarantine TO panorad_ingest USING ((institution_id = ( SELECT public.acting_institution() AS acting_institution)));

CREATE POLICY ingest ON public.series TO panorad_ingest USING ((institution_id = ( SELECT public.acting_institution() AS acting_institution)));

CREATE POLICY ingest ON public.study TO panorad_ingest USING ((institution_id = ( SELECT public.acting_institution() AS acting_institution)));

ALTER TABLE public.instance ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.name_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.object ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.quarantine ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.reach ENABLE ROW LEVEL SECURITY;

CREATE POLICY seal ON public.object FOR UPDATE TO panorad_app USING (( SELECT public.everything() AS everything)) WITH CHECK (( SELECT public.everything() AS everything));

CREATE POLICY see ON public.access_grant TO panorad_app USING ((( SELECT public.everything() AS everything) OR (institution_id = ( SELECT public.acting_institution() AS acting_institution)) OR (institution_id = ANY (( SELECT public.setting_ids('panorad.audits'::text) AS setting_ids)::integer[])) OR (party = ANY (( SELECT public.parties() AS parties)::bigint[])))) WITH CHECK ((( SELECT public.everything() AS everything) OR (institution_id = ( SELECT public.acting_institution() AS acting_institution))));

CREATE POLICY see ON public.conflict FOR SELECT TO panorad_app USING ((( SELECT public.everything() AS everything) OR (EXISTS ( SELECT
   FROM public.instance i
  WHERE (i.id = conflict.instance_id)))));

CREATE POLICY see ON public.consent TO panorad_app USING ((( SELECT public.everything() AS everything) OR (institution_id = ( SELECT public.acting_institution() AS acting_institution))));

CREATE POLICY see ON public.event FOR SELECT TO panorad_app USING ((( SELECT public.everything() AS everything) OR (institution_id = ANY (( SELECT public.setting_ids('panorad.audits'::text) AS setting_ids)::integer[])) OR (account_id = ( SELECT (NULLIF(current_setting('panorad.account'::text, true), ''::text))::integer AS "nullif")) OR ((study IS NOT NULL) AND (EXISTS ( SELECT
   FROM public.study s
  WHERE ((s.study_uid = event.study) AND (s.institution_id = ANY (( SELECT public.setting_ids('panorad.home'::text) AS setting_ids)::integer[]))))))));

CREATE POLICY see ON public.instance FOR SELECT TO panorad_app USING ((( SELECT public.everything() AS everything) OR (EXISTS ( SELECT
   FROM public.series e
  WHERE (e.id = instance.series_id)))));

CREATE POLICY see ON public.name_key FOR SELECT TO panorad_app USING ((((NOT marked) AND (institution_id = ANY (( SELECT public.visible_institutions() AS visible_institutions)::integer[]))) OR (marked AND (( SELECT public.everything() AS everything) OR (EXISTS ( SELECT
   FROM public.study s
  WHERE (s.id = name_key.study_id)))))));

CREATE POLICY see ON public.object FOR SELECT TO panorad_app USING (true);

CREATE POLICY see ON public.quarantine FOR SELECT TO panorad_app USING ((institution_id = ANY (( SELECT public.visible_institutions() AS visible_institutions)::integer[])));

CREATE POLICY see ON public.reach FOR SELECT TO panorad_app USING ((( SELECT public.everything() AS everything) OR (party = ANY (( SELECT public.parties() AS parties)::bigint[]))));

CREATE POLICY see ON public.series FOR SELECT TO panorad_app USING ((((marks = 0) AND (institution_id = ANY (( SELECT public.visible_institutions() AS visible_institutions)::integer[]))) OR ((marks <> 0) AND (( SELECT public.everything() AS everything) OR ((EXISTS ( SELECT
   FROM public.study s
  WHERE (s.id = series.study_id))) AND ((institution_id = ANY (( SELECT public.setting_ids('panorad.home'::text) AS setting_ids)::integer[])) OR (EXISTS ( SELECT
   FROM public.reach r
  WHERE ((r.study_id = series.study_id) AND (r.party = ANY (( SELECT public.parties() AS parties)::bigint[])) AND ((r.series_uid IS NULL) OR (r.series_uid = series.series_uid)) AND ((r.purposes & ( SELECT public.purpose_bit() AS purpose_bit)) <> 0) AND (r.valid_from <= statement_timestamp()) AND (r.valid_to > statement_timestamp()))))))))));

CREATE POLICY see ON public.study FOR SELECT TO panorad_app USING ((((marks = 0) AND (institution_id = ANY (( SELECT public.visible_institutions() AS visible_institutions)::integer[]))) OR ((marks <> 0) AND (( SELECT public.everything() AS everything) OR (((institution_id = ANY (( SELECT public.setting_ids('panorad.home'::text) AS setting_ids)::integer[])) OR (EXISTS ( SELECT
   FROM public.reach r
  WHERE ((r.study_id = study.id) AND (r.party = ANY (( SELECT public.parties() AS parties)::bigint[])) AND ((r.purposes & ( SELECT public.purpose_bit() AS purpose_bit)) <> 0) AND (r.valid_from <= statement_timestamp()) AND (r.valid_to > statement_timestamp()))))) AND (((((marks)::integer & 1) = 0) AND (institution_id <> ALL (( SELECT public.setting_ids('panorad.strict'::text) AS setting_ids)::integer[]))) OR public.consent_allows(institution_id, issuer, patient_id)))))));

ALTER TABLE public.series ENABLE ROW LEVEL SECURITY;

CREATE POLICY settle ON public.series FOR UPDATE TO panorad_app USING (( SELECT public.everything() AS everything)) WITH CHECK (( SELECT public.everything() AS everything));

ALTER TABLE public.study ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA public TO panorad_app;
GRANT USAGE ON SCHEMA public TO panorad_ingest;

GRANT ALL ON FUNCTION public.ensure_event_partitions(months integer) TO panorad_app;

GRANT SELECT ON TABLE public.event_clock TO panorad_app;
GRANT SELECT ON TABLE public.event_clock TO panorad_ingest;

REVOKE ALL ON FUNCTION public.mark_study(p_study bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.who_looked(studies text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.who_looked(studies text[]) TO panorad_app;

GRANT ALL ON FUNCTION public.wind_event_clock() TO panorad_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.access_grant TO panorad_app;

GRANT USAGE ON SEQUENCE public.access_grant_id_seq TO panorad_ingest;
GRANT USAGE ON SEQUENCE public.access_grant_id_seq TO panorad_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.account TO panorad_app;

GRANT USAGE ON SEQUENCE public.account_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.account_id_seq TO panorad_ingest;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account_role TO panorad_app;

GRANT SELECT ON TABLE public.conflict TO panorad_app;
GRANT SELECT,INSERT ON TABLE public.conflict TO panorad_ingest;

GRANT USAGE ON SEQUENCE public.conflict_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.conflict_id_seq TO panorad_ingest;

GRANT SELECT,INSERT,UPDATE ON TABLE public.consent TO panorad_app;

GRANT USAGE ON SEQUENCE public.consent_id_seq TO panorad_ingest;
GRANT USAGE ON SEQUENCE public.consent_id_seq TO panorad_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.consent_policy TO panorad_app;

GRANT SELECT,INSERT ON TABLE public.event TO panorad_app;
GRANT INSERT ON TABLE public.event TO panorad_ingest;

GRANT SELECT,INSERT ON TABLE public.event_seal TO panorad_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.follower TO panorad_app;

GRANT SELECT ON TABLE public.instance TO panorad_app;
GRANT SELECT,INSERT ON TABLE public.instance TO panorad_ingest;

GRANT USAGE ON SEQUENCE public.instance_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.instance_id_seq TO panorad_ingest;

GRANT SELECT,INSERT,UPDATE ON TABLE public.institution TO panorad_app;

GRANT USAGE ON SEQUENCE public.institution_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.institution_id_seq TO panorad_ingest;

GRANT SELECT ON TABLE public.name_key TO panorad_app;
GRANT SELECT,INSERT ON TABLE public.name_key TO panorad_ingest;

GRANT SELECT,INSERT,UPDATE ON TABLE public.node TO panorad_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.node_certificate TO panorad_app;

GRANT USAGE ON SEQUENCE public.node_id_seq TO panorad_ingest;
GRANT USAGE ON SEQUENCE public.node_id_seq TO panorad_app;

GRANT SELECT ON TABLE public.object TO panorad_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.object TO panorad_ingest;

GRANT UPDATE(sealed_at) ON TABLE public.object TO panorad_app;

GRANT USAGE ON SEQUENCE public.object_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.object_id_seq TO panorad_ingest;

GRANT SELECT ON TABLE public.quarantine TO panorad_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.quarantine TO panorad_ingest;

GRANT USAGE ON SEQUENCE public.quarantine_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.quarantine_id_seq TO panorad_ingest;

GRANT SELECT ON TABLE public.reach TO panorad_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.schema_version TO panorad_app;

GRANT SELECT ON TABLE public.series TO panorad_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.series TO panorad_ingest;

GRANT UPDATE(settled_version) ON TABLE public.series TO panorad_app;

GRANT USAGE ON SEQUENCE public.series_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.series_id_seq TO panorad_ingest;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.session TO panorad_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sop_class TO panorad_app;
GRANT SELECT,INSERT ON TABLE public.sop_class TO panorad_ingest;

GRANT USAGE ON SEQUENCE public.sop_class_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.sop_class_id_seq TO panorad_ingest;

GRANT SELECT ON TABLE public.study TO panorad_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.study TO panorad_ingest;

GRANT USAGE ON SEQUENCE public.study_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.study_id_seq TO panorad_ingest;

GRANT SELECT,INSERT,UPDATE ON TABLE public.transfer_syntax TO panorad_app;
GRANT SELECT,INSERT ON TABLE public.transfer_syntax TO panorad_ingest;

GRANT USAGE ON SEQUENCE public.transfer_syntax_id_seq TO panorad_app;
GRANT USAGE ON SEQUENCE public.transfer_syntax_id_seq TO panorad_ingest;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.welcome TO panorad_app;
