-- Roles, grants and consent; row-level security by them, and a narrow role that only ingest runs under.

-- ---------------------------------------------------------------------------------------------------------------------- people
create table account_role (
    account_id integer not null references account on delete cascade,
    institution_id integer not null references institution,
    role text not null,
    origin text not null default 'manual' check (origin in ('manual', 'welcome', 'oidc', 'migration')),
    given_at timestamptz not null default now(),
    primary key (account_id, institution_id, role)
);
comment on table account_role is 'What a person is at an institution; the roles and what each may do are in panorad.model.roles.';
create unique index account_role_one_administration on account_role (account_id)
    where role in ('system-administrator', 'security-administrator', 'audit-administrator');
comment on index account_role_one_administration is 'Those who run the center, those who say who may, and those who watch both are different people.';
insert into account_role (account_id, institution_id, role, origin)
select id, institution_id, 'radiologist', 'migration' from account
union all
select id, institution_id, 'system-administrator', 'migration' from account where administrator;

alter table node add column id integer generated always as identity unique;

alter table session add column institution_id integer references institution, add column purpose text;
comment on column session.institution_id is 'The institution that the person acts for at the moment; null is the account''s own.';

-- ---------------------------------------------------------------------------------------------------------------------- grants
create table access_grant (
    id bigint generated always as identity primary key,
    institution_id integer not null references institution,
    scope text not null check (scope in ('institution', 'patient', 'study', 'series')),
    issuer text collate "C",
    patient_id text collate "C",
    study_uid text collate "C",
    series_uid text collate "C",
    grantee_kind text not null check (grantee_kind in ('institution', 'role', 'person', 'link', 'device', 'program')),
    grantee_id integer not null,
    grantee_role text,
    party bigint not null,
    purposes text[] not null check (cardinality(purposes) > 0),
    valid_from timestamptz not null default now(),
    valid_to timestamptz,
    origin text not null check (origin in ('tree', 'referral', 'remote-reading', 'consultation', 'consent', 'recognition', 'break-glass',
                                           'share-link', 'patient', 'manual')),
    reason text not null default '',
    given_by text not null default '',
    given_at timestamptz not null default now(),
    revoked_at timestamptz,
    revoked_by text,
    check ((scope = 'patient') = (patient_id is not null and issuer is not null)),
    check ((scope in ('study', 'series')) = (study_uid is not null)),
    check ((scope = 'series') = (series_uid is not null)),
    check ((grantee_kind = 'role') = (grantee_role is not null))
);
comment on table access_grant is 'An institution lets somebody see something of what it holds, for a purpose and a time. Rows are revoked, never deleted.';
comment on column access_grant.party is 'The grantee as one number (panorad.model.party).';
create index access_grant_patient on access_grant (patient_id, issuer, institution_id) where patient_id is not null and revoked_at is null;
create index access_grant_study on access_grant (study_uid, institution_id) where study_uid is not null and revoked_at is null;
create index access_grant_standing on access_grant (party) where scope = 'institution' and revoked_at is null;
create index access_grant_party on access_grant (party, id);
create index access_grant_institution on access_grant (institution_id, id);

create table reach (
    study_id bigint not null references study on delete cascade,
    party bigint not null,
    grant_id bigint not null references access_grant on delete cascade,
    purposes integer not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    study_date date,
    series_uid text collate "C",
    primary key (study_id, party, grant_id)
);
comment on table reach is 'Grants of patients, studies and series worked out to the studies that are here; kept by triggers, never written by hand.';
create index reach_party on reach (party, study_date desc nulls last, study_id desc);
create index reach_grant on reach (grant_id);

-- --------------------------------------------------------------------------------------------------------------------- consent
create table consent (
    id bigint generated always as identity primary key,
    institution_id integer not null references institution,
    issuer text collate "C" not null,
    patient_id text collate "C" not null,
    decision text not null check (decision in ('permit', 'refuse')),
    purposes text[] not null check (cardinality(purposes) > 0),
    audience text not null default 'others' check (audience in ('everyone', 'others', 'institution')),
    audience_id integer references institution,
    valid_from timestamptz not null default now(),
    valid_to timestamptz,
    given_by text not null default 'patient' check (given_by in ('patient', 'proxy')),
    proxy_name text not null default '',
    proxy_relationship text not null default '',
    note text not null default '',
    recorded_by text not null default '',
    recorded_at timestamptz not null default now(),
    withdrawn_at timestamptz,
    withdrawn_by text,
    check ((audience = 'institution') = (audience_id is not null)),
    check ((given_by = 'proxy') = (proxy_name <> ''))
);
comment on table consent is 'What a patient permits or refuses: for which purposes, to whom, how long. A refusal outranks every grant. Rows are withdrawn, never deleted.';
create index consent_patient on consent (patient_id, issuer, institution_id) where withdrawn_at is null;
create index consent_institution on consent (institution_id, id);

create table consent_policy (
    institution_id integer not null references institution,
    purpose text not null,
    audience text not null check (audience in ('own', 'others')),
    rule text not null check (rule in ('permit', 'consent', 'refuse')),
    primary key (institution_id, purpose, audience)
);
comment on table consent_policy is 'What holds at an institution for patients who said nothing; where there is no row, consent_rule says it.';

create function consent_rule(p_institution integer, p_purpose text, p_own boolean) returns text language sql stable set search_path = public as $$
    select coalesce((select rule from consent_policy where institution_id = p_institution and purpose = p_purpose
                     and audience = case when p_own then 'own' else 'others' end),
                    case when p_purpose in ('research', 'education') then 'consent' else 'permit' end)
$$;

-- ----------------------------------------------------------------------------------- what a transaction says of whom it acts for
create function setting_ids(name text) returns integer[] language sql stable parallel safe
return coalesce(string_to_array(nullif(current_setting(name, true), ''), ',')::integer[], '{}');

create function parties() returns bigint[] language sql stable parallel safe
return coalesce(string_to_array(nullif(current_setting('panorad.parties', true), ''), ',')::bigint[], '{}');

create function everything() returns boolean language sql stable parallel safe
return coalesce(current_setting('panorad.everything', true), 'off') = 'on';

create function acting_institution() returns integer language sql stable parallel safe
return nullif(current_setting('panorad.institution', true), '')::integer;

create function purpose_bits(p_purposes text[]) returns integer language sql immutable strict parallel safe as $$
    select coalesce(bit_or(case p when 'treatment' then 1 when 'remote-reading' then 2 when 'consultation' then 4 when 'quality' then 8
        when 'education' then 16 when 'research' then 32 when 'patient-request' then 64 when 'emergency' then 128 else 0 end), 0)
    from unnest(p_purposes) p
$$;

create function purpose_bit() returns integer language sql stable parallel safe
return coalesce(purpose_bits(array[current_setting('panorad.purpose', true)]), 0);

-- Whether what patients said, and where they said nothing the institution's policy, lets the actor have it for its purpose.
create function consent_allows(p_institution integer, p_issuer text, p_patient text) returns boolean
language plpgsql stable security definer set search_path = public as $$
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

create or replace function visible_institutions() returns integer[] language sql stable parallel safe security definer set search_path = public as $$
    select case when everything() then (select coalesce(array_agg(id), '{}') from institution) else setting_ids('panorad.institutions') end
$$;
comment on function visible_institutions is 'Institutions whose unmarked rows the transaction sees: one list in either case, so that an index on the institution serves both.';

-- ----------------------------------------------------------------------------------------------------------------------- marks
alter table study add column marks smallint not null default 0;
alter table series add column marks smallint not null default 0;
alter table name_key add column marked boolean not null default false;
comment on column study.marks is '1: the patient has said something about consent; 2: a grant reaches the study. Rows without marks need no second look.';
alter table name_key drop constraint name_key_pkey, add primary key (key, study_id) include (institution_id, marked);

create index study_institution_received on study (institution_id, last_received desc nulls last, id desc);

-- Modalities and counts of a study as far as the actor sees its series.
create function seen_of(p_study bigint, p_marks smallint, p_institution integer, p_modalities text[], p_series integer, p_instances integer)
returns table (modalities text[], series integer, instances integer) language sql stable as $$
    select case when w.whole then p_modalities else array(select distinct e.modality from series e where e.study_id = p_study
                                                          and e.modality <> '' order by 1) end,
           case when w.whole then p_series else (select count(*)::integer from series e where e.study_id = p_study) end,
           case when w.whole then p_instances
                else (select coalesce(sum(e.instance_count), 0)::integer from series e where e.study_id = p_study) end
    from (select p_marks & 2 = 0 or everything() or p_institution = any (setting_ids('panorad.home')) as whole) w
$$;

-- Bring the marks of a study, its series and its names in line with consents and grants.
create function mark_study(p_study bigint) returns void language plpgsql security definer set search_path = public as $$
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

-- A study that arrives in the moment in which a grant or consent is made would see nothing of it, and be unseen by it: whoever makes one
-- waits until studies on their way into the institution are there, and those that come then wait for it.
create function wait_for_changes(p_institution integer) returns void language sql as $$
    select pg_advisory_xact_lock_shared(1735550318, p_institution)
$$;
create function change_alone(p_institution integer) returns void language sql as $$
    select pg_advisory_xact_lock(1735550318, p_institution)
$$;

create function work_out_grant() returns trigger language plpgsql security definer set search_path = public as $$
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
create trigger work_out after insert or update on access_grant for each row execute function work_out_grant();

create function work_out_consent() returns trigger language plpgsql security definer set search_path = public as $$
begin
    perform change_alone(new.institution_id);
    perform mark_study(s.id) from study s
    where s.institution_id = new.institution_id and s.issuer = new.issuer and s.patient_id = new.patient_id;
    return null;
end $$;
create trigger work_out after insert or update on consent for each row execute function work_out_consent();

create function receive_study() returns trigger language plpgsql security definer set search_path = public as $$
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
create trigger receive after insert on study for each row execute function receive_study();

create function receive_series() returns trigger language plpgsql security definer set search_path = public as $$
begin
    select s.marks into new.marks from study s where s.id = new.study_id;
    return new;
end $$;
create trigger receive before insert on series for each row execute function receive_series();

create function receive_name() returns trigger language plpgsql security definer set search_path = public as $$
begin
    select s.marks <> 0 into new.marked from study s where s.id = new.study_id;
    return new;
end $$;
create trigger receive before insert on name_key for each row execute function receive_name();

-- ------------------------------------------------------------------------------------------------------------------- the tree
-- An institution lets those above it see what it holds, until it says otherwise: one grant for each pair, kept in line with the tree.
create function work_out_tree() returns trigger language plpgsql security definer set search_path = public as $$
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
create trigger work_out after insert or update of parent_id on institution for each statement execute function work_out_tree();
update institution set parent_id = parent_id where parent_id is not null;

-- ------------------------------------------------------------------------------------------------------------ row-level security
do $$
begin
    if not exists (select from pg_roles where rolname = 'panorad_ingest') then
        create role panorad_ingest nologin;
    end if;
end $$;
grant usage on schema public to panorad_ingest;
grant select, insert on sop_class, transfer_syntax to panorad_ingest;
grant select, insert, update on object, study, series, quarantine to panorad_ingest;
grant select, insert on instance, name_key, conflict to panorad_ingest;
grant insert on event to panorad_ingest;
grant select on event_clock to panorad_ingest;
grant usage on all sequences in schema public to panorad_ingest;

revoke insert, update on object, study, series, instance, name_key, conflict, quarantine from panorad_app;
grant update (settled_version) on series to panorad_app;
grant update (sealed_at) on object to panorad_app;
grant select, insert, update on access_grant, consent to panorad_app;
grant select on reach to panorad_app;
grant select, insert, update, delete on consent_policy, account_role to panorad_app;
grant usage on all sequences in schema public to panorad_app;
revoke execute on function mark_study(bigint) from public;

do $$
declare
    t text;
begin
    foreach t in array array['object', 'study', 'name_key', 'series', 'instance', 'conflict', 'quarantine'] loop
        execute format('drop policy own on %I', t);
        execute format('create policy ingest on %I to panorad_ingest using (institution_id = (select acting_institution()))', t);
    end loop;
end $$;

create policy see on object for select to panorad_app using (true); -- names of files of mixed content; they tell of no patient
create policy seal on object for update to panorad_app using ((select everything())) with check ((select everything()));
create policy see on study for select to panorad_app using (
    (marks = 0 and institution_id = any ((select visible_institutions())::integer[]))
    or (marks <> 0 and ((select everything()) or (
        (institution_id = any ((select setting_ids('panorad.home'))::integer[])
         or exists (select from reach r where r.study_id = study.id and r.party = any ((select parties())::bigint[])
                    and r.purposes & (select purpose_bit()) <> 0
                    and r.valid_from <= statement_timestamp() and r.valid_to > statement_timestamp()))
        and ((marks & 1 = 0 and institution_id <> all ((select setting_ids('panorad.strict'))::integer[]))
             or consent_allows(institution_id, issuer, patient_id))))));
create policy see on series for select to panorad_app using (
    (marks = 0 and institution_id = any ((select visible_institutions())::integer[]))
    or (marks <> 0 and ((select everything()) or (
        exists (select from study s where s.id = series.study_id)
        and (institution_id = any ((select setting_ids('panorad.home'))::integer[])
             or exists (select from reach r where r.study_id = series.study_id and r.party = any ((select parties())::bigint[])
                        and (r.series_uid is null or r.series_uid = series.series_uid) and r.purposes & (select purpose_bit()) <> 0
                        and r.valid_from <= statement_timestamp() and r.valid_to > statement_timestamp()))))));
create policy settle on series for update to panorad_app using ((select everything())) with check ((select everything()));
create policy see on instance for select to panorad_app using (
    (select everything()) or exists (select from series e where e.id = instance.series_id));
create policy see on name_key for select to panorad_app using (
    (not marked and institution_id = any ((select visible_institutions())::integer[]))
    or (marked and ((select everything()) or exists (select from study s where s.id = name_key.study_id))));
create policy see on conflict for select to panorad_app using (
    (select everything()) or exists (select from instance i where i.id = conflict.instance_id));
create policy see on quarantine for select to panorad_app using (institution_id = any ((select visible_institutions())::integer[]));

alter table reach enable row level security;
create policy see on reach for select to panorad_app using ((select everything()) or party = any ((select parties())::bigint[]));

alter table access_grant enable row level security;
create policy see on access_grant to panorad_app using (
    (select everything()) or institution_id = (select acting_institution())
    or institution_id = any ((select setting_ids('panorad.audits'))::integer[]) or party = any ((select parties())::bigint[]))
    with check ((select everything()) or institution_id = (select acting_institution()));

alter table consent enable row level security;
create policy see on consent to panorad_app using ((select everything()) or institution_id = (select acting_institution()));

drop policy see on event;
create policy see on event for select to panorad_app using (
    (select everything()) -- some events are of no institution
    or institution_id = any ((select setting_ids('panorad.audits'))::integer[])
    or account_id = (select nullif(current_setting('panorad.account', true), '')::integer)
    or (study is not null and exists (select from study s where s.study_uid = event.study
                                      and s.institution_id = any ((select setting_ids('panorad.home'))::integer[]))));
create policy add_ingest on event for insert to panorad_ingest with check (true);
