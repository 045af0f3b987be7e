# ruff: noqa: E501 - statements read better on long lines
"""Fill the index of a running center by SQL, as a receipt of many studies would have left it, without the images."""

import psycopg
from psycopg.types.numeric import Int8

from panorad.kit.postgres import EmbeddedPostgres

from .rivals import Side

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
_PINYIN = (
    "wang li zhang liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he gao lin luo zheng liang xie song tang xu han feng deng cao "
    "peng zeng xiao tian dong yuan pan yu jiang cai yu du ye cheng su wei lv ding ren shen"
)
_GIVEN = "wei fang na min jing lei jun yang yong jie juan tao ming chao xia ping gang hua hui lan"
_MODALITIES = "{CT,MR,DX,US}"

STATEMENTS = (
    "insert into sop_class (uid) values ('1.2.840.10008.5.1.4.1.1.2') on conflict do nothing",
    "insert into transfer_syntax (uid) values ('1.2.840.10008.1.2.1') on conflict do nothing",
    """create temporary table made as
       select n, 'FILL-' || n as patient, '2.25.1' || lpad(n::text, 37, '0') as uid, (1 + n * 7919 %% %(surnames)s)::integer as family,
              1 + (n / 7) %% %(given)s as first, 1 + (n / 131) %% %(given)s as second, date '2016-01-01' + (n * 7907 %% 3650)::integer as day,
              (%(modalities)s::text[])[1 + n %% 4] as modality,
              (array(select id from institution order by id))[1 + n %% (select count(*) from institution)] as institution
       from generate_series(1, %(studies)s) n""",
    """create temporary table named as
       select m.*, f.pinyin || ' ' || g.word || h.word as latin, f.pinyin as p, g.word as g, h.word as h, substr(%(hanzi)s, m.family, 1) as hanzi
       from made m join unnest(string_to_array(%(pinyin)s, ' ')) with ordinality f(pinyin, k) on f.k = m.family
       join unnest(string_to_array(%(words)s, ' ')) with ordinality g(word, k) on g.k = m.first
       join unnest(string_to_array(%(words)s, ' ')) with ordinality h(word, k) on h.k = m.second""",
    """insert into study (institution_id, issuer, patient_id, study_uid, study_date, study_time, accession_number, study_id, description,
                          referring_physician, patient_name, birth_date, sex, modalities, series_count, instance_count, bytes, attributes)
       select institution, 'FILL', patient, uid, day, time '08:00' + (n %% 600) * interval '1 minute', 'A' || n, n::text, 'Thorax routine',
              'Referring^Doctor', initcap(p) || '^' || initcap(g || h) || '=' || hanzi || '^某某', date '1940-01-01' + (n * 31 %% 25000)::integer,
              (array['M', 'F'])[1 + n %% 2], array[modality], %(series)s, %(series)s * %(instances)s, %(series)s * %(instances)s * 525000,
              jsonb_build_object('00080005', '{"vr": "CS", "Value": ["ISO_IR 192"]}'::jsonb,
                '00080020', jsonb_build_object('vr', 'DA', 'Value', array[to_char(day, 'YYYYMMDD')]),
                '00080030', '{"vr": "TM", "Value": ["080000"]}'::jsonb,
                '00080050', jsonb_build_object('vr', 'SH', 'Value', array['A' || n]),
                '00080090', '{"vr": "PN", "Value": [{"Alphabetic": "Referring^Doctor"}]}'::jsonb,
                '00081030', '{"vr": "LO", "Value": ["Thorax routine"]}'::jsonb,
                '00100010', jsonb_build_object('vr', 'PN', 'Value', jsonb_build_array(jsonb_build_object(
                    'Alphabetic', initcap(p) || '^' || initcap(g || h), 'Ideographic', hanzi || '^某某'))),
                '00100020', jsonb_build_object('vr', 'LO', 'Value', array[patient]),
                '00100030', jsonb_build_object('vr', 'DA', 'Value', array[to_char(date '1940-01-01' + (n * 31 %% 25000)::integer, 'YYYYMMDD')]),
                '00100040', jsonb_build_object('vr', 'CS', 'Value', array[(array['M', 'F'])[1 + n %% 2]]),
                '0020000D', jsonb_build_object('vr', 'UI', 'Value', array[uid]),
                '00200010', jsonb_build_object('vr', 'SH', 'Value', array[n::text]))
       from named order by n""",
    """insert into name_key (key, study_id, institution_id)
       select k, s.id, s.institution_id from named m join study s on s.study_uid = m.uid,
       unnest(array[p || g || h, g || h || p, left(p, 1) || left(g, 1) || left(h, 1), h, hanzi || '某某', '某某' || hanzi]) k on conflict do nothing""",
    """insert into series (study_id, institution_id, series_uid, modality, number, description, body_part, performed_date, performed_time,
                           station_name, instance_count, bytes, version, settled_version, attributes)
       select s.id, s.institution_id, m.uid || '.' || e, m.modality, e, 'Lung 1.0', 'CHEST', m.day, time '08:00', 'CT01', %(instances)s,
              %(instances)s * 525000, 1, 1,
              jsonb_build_object('00080060', jsonb_build_object('vr', 'CS', 'Value', array[m.modality]),
                '0008103E', '{"vr": "LO", "Value": ["Lung 1.0"]}'::jsonb, '00080070', '{"vr": "LO", "Value": ["A maker of scanners"]}'::jsonb,
                '00081090', '{"vr": "LO", "Value": ["Model 64"]}'::jsonb, '00081010', '{"vr": "SH", "Value": ["CT01"]}'::jsonb,
                '00180015', '{"vr": "CS", "Value": ["CHEST"]}'::jsonb, '00181030', '{"vr": "LO", "Value": ["Thorax"]}'::jsonb,
                '00185100', '{"vr": "CS", "Value": ["HFS"]}'::jsonb,
                '00200052', jsonb_build_object('vr', 'UI', 'Value', array[m.uid || '.9']),
                '0020000E', jsonb_build_object('vr', 'UI', 'Value', array[m.uid || '.' || e]),
                '00200011', jsonb_build_object('vr', 'IS', 'Value', array[e]))
       from named m join study s on s.study_uid = m.uid, generate_series(1, %(series)s) e order by s.id, e""",
    """insert into object (key, institution_id, sealed_at, bytes)
       select 'landing/FILL/2026/01/01/' || lpad(o::text, 6, '0') || '-000000000000.tar', (select min(id) from institution), now(), 524288000
       from generate_series(0, (%(studies)s * %(series)s * %(instances)s - 1) / 1000) o on conflict do nothing""",
    """insert into instance (series_id, object_id, at, sop_key, length, institution_id, data_at, pixel_at, number, frames, rows, columns,
                             sop_class_id, transfer_syntax_id, bits_allocated, samples, digest, sop_uid)
       select x.id, o.first + x.k / 1000, 512 + (x.k %% 1000) * 526336, ('x' || substr(md5(x.uid), 1, 16))::bit(64)::bigint, 525824,
              x.institution_id, 352, 1480, x.i, null, 512, 512, 1, 1, 16, 1, sha256(x.uid::bytea), x.uid
       from (select e.id, e.institution_id, i, e.series_uid || '.' || i as uid, row_number() over (order by e.id, i) - 1 as k
             from series e join study s on s.id = e.study_id, generate_series(1, %(instances)s) i where s.issuer = 'FILL') x,
            (select min(id) as first from object where key like 'landing/FILL/%%') o""",
    "analyze",
)
"""In order, each with the parameters of `fill`; UIDs, names, dates and sizes are spread as a region's would be."""


def fill_database(dsn: str, studies: int, *, series: int, instances: int) -> None:
    """Run the statements on a database as its owner."""
    parameters = {
        "studies": Int8(studies),
        "series": Int8(series),
        "instances": Int8(instances),
        "modalities": _MODALITIES,
        "hanzi": _SURNAMES,
        "pinyin": _PINYIN,
        "words": _GIVEN,
        "surnames": len(_SURNAMES),
        "given": len(_GIVEN.split()),
    }
    with psycopg.connect(dsn) as connection:
        for statement in STATEMENTS:
            connection.execute(statement, parameters)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")


GRANTS = (
    """insert into institution (code, name, issuer)
       select 'I' || lpad(n::text, 3, '0'), 'Institution ' || n, 'FILL' from generate_series(1, %(institutions)s) n""",
    """insert into access_grant (institution_id, scope, issuer, patient_id, study_uid, grantee_kind, grantee_id, party, purposes, origin)
       select s.institution_id, x.scope, case x.scope when 'patient' then s.issuer end, case x.scope when 'patient' then s.patient_id end,
              case x.scope when 'study' then s.study_uid end, 'institution', x.grantee, (1::bigint << 40) + x.grantee,
              '{treatment,remote-reading}', 'remote-reading'
       from (select n, case when n %% 3 = 0 then 'patient' else 'study' end as scope,
                    (select min(id) from institution where code like 'I%%') + (n * 7919 %% %(institutions)s)::integer as grantee,
                    1 + n * 9973 %% %(studies)s as study
             from generate_series(1, %(grants)s) n) x join study s on s.patient_id = 'FILL-' || x.study""",
    """insert into consent (institution_id, issuer, patient_id, decision, purposes)
       select institution_id, issuer, patient_id, 'refuse', '{treatment,remote-reading}' from study where id %% 50 = 0 and issuer = 'FILL'""",
)
"""Institutions (before the studies), then grants spread over them, and one patient in fifty who refuses."""


def fill_region(dsn: str, studies: int, institutions: int, grants: int) -> None:
    """A region: institutions, the studies of `fill_database` spread over them, grants between them, and refusals."""
    numbers = {"institutions": Int8(institutions), "grants": Int8(grants), "studies": Int8(studies)}
    with psycopg.connect(dsn) as connection:
        connection.execute(GRANTS[0], numbers)
    fill_database(dsn, studies, series=1, instances=1)
    with psycopg.connect(dsn) as connection:
        for statement in GRANTS[1:]:
            connection.execute(statement, numbers)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")


def fill(side: Side, studies: int, *, series: int, instances: int) -> list[str]:
    """Add ``studies`` studies of ``series`` series of ``instances`` instances and return some hundred of their Patient IDs."""
    fill_database(EmbeddedPostgres(side.home / "postgres").dsn, studies, series=series, instances=instances)
    step = max(1, studies // 300)
    return [f"FILL-{number}" for number in range(1, studies + 1, step)]
