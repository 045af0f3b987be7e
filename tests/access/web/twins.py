"""In-memory twins of what the pages stand on: a region of three institutions, an account, and as many studies as asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from panorad.access.gate.open_sessions import Origin, Standing
from panorad.access.web.deps import WebDeps, WebSettings
from panorad.access.web.mount import mount
from panorad.access.web.shell import Shell
from panorad.application import studies, viewer
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Party, Transaction
from panorad.management import intake
from panorad.model import person_name
from panorad.model.actor import Actor
from panorad.model.study_list import (
    ConflictRow,
    EventRow,
    Facet,
    InstanceRow,
    QuarantineRow,
    SeriesRow,
    StudyDetail,
    StudyFilter,
    StudyPage,
    StudyRow,
)

NOW = datetime(2026, 3, 11, 6, 30, tzinfo=UTC)
PASSWORD = "blue heron reads film"


class Refused(PanoradError):
    """The sign-in name or the password is wrong"""

    kind = Kind.FORBIDDEN
    keeps = True


@dataclass(frozen=True)
class Institution:
    id: int
    code: str
    name: str
    name_zh: str


ADMIN = frozenset({"radiologist", "department-head", "system-administrator"})


@dataclass(frozen=True)
class Account:
    id: int
    login: str
    name: str
    institution: int
    roles: frozenset[str] = ADMIN


INSTITUTIONS = (
    Institution(1, "CENTER", "City imaging center", "市影像中心"),
    Institution(2, "COUNTY", "County hospital", "县人民医院"),
    Institution(3, "YUNLING", "Yunling township clinic", "云岭卫生院"),
)


@dataclass
class GateTwin:
    accounts: dict[str, tuple[Account, str]] = field(
        default_factory=lambda: {"wanglei": (Account(1, "wanglei", "Wang Lei", 1), PASSWORD)}
    )
    sessions: dict[str, Actor] = field(default_factory=dict)
    welcome: str = ""

    def sign_in(self, tx: Transaction, login: str, password: str, origin: Origin) -> tuple[Account, str, bool]:
        account, right = self.accounts.get(login, (None, None))
        if account is None or password != right:
            raise Refused
        return account, self.begin_session(tx, account.id, origin), False

    def finish_sign_in(self, tx: Transaction, token: str, code: str, origin: Origin) -> tuple[Account, str, bool]:
        raise Refused

    def awaits_code(self, tx: Transaction, token: str) -> bool:
        return False

    def begin_session(self, tx: Transaction, account_id: int, origin: Origin) -> str:
        login, account = next((login, account) for login, (account, _) in self.accounts.items() if account.id == account_id)
        token = f"token-{len(self.sessions)}-{login}"
        self.sessions[token] = Actor(
            "person", account.login, account.institution, (1, 2, 3), "CENTER", account=account.id, roles=account.roles
        )
        return token

    def session(self, tx: Transaction, token: str, *, reading: bool = False, unattended: bool = False) -> Actor | None:
        return self.sessions.get(token)

    def standing(self, tx: Transaction, token: str, *, reading: bool = False) -> Standing | None:
        """A code was given just now by everybody; what happens without one is tested on a real center."""
        actor = self.sessions.get(token)
        return Standing(actor.account or 0, True, True, 1800.0, False) if actor else None

    def sign_out(self, tx: Transaction, token: str) -> None:
        self.sessions.pop(token, None)

    def welcome_open(self, tx: Transaction, token: str) -> bool:
        return bool(self.welcome) and token == self.welcome

    def redeem_welcome(self, tx: Transaction, token: str, login: str, name: str, password: str) -> Account:
        if not self.welcome_open(tx, token):
            raise Refused
        self.welcome = ""
        account = Account(len(self.accounts) + 1, login, name, 1)
        self.accounts[login] = (account, password)
        return account

    def set_password(self, tx: Transaction, account_id: int, old: str, new: str) -> None:
        login = next(login for login, (account, _right) in self.accounts.items() if account.id == account_id)
        account, right = self.accounts[login]
        if old != right:
            raise Refused
        self.accounts[login] = (account, new)
        self.sessions.clear()

    def institutions(self, tx: Transaction) -> Sequence[Institution]:
        return INSTITUTIONS

    def places(self, tx: Transaction, account: int) -> Sequence[Institution]:
        return INSTITUTIONS

    def act_for(self, tx: Transaction, token: str, institution: str, purpose: str = "") -> None:
        actor = self.sessions[token]
        at = next(one.id for one in INSTITUTIONS if one.code == institution)
        self.sessions[token] = replace(actor, institution=at, institution_code=institution, purpose=purpose or "treatment")


NAMES = (
    ("ZHANG^San=张^三", "F"),
    ("LI^Si=李^四", "M"),
    ("WANG^Wu=王^五", "M"),
    ("DOE^Anna", "F"),
    ("ZHAO^Liu=赵^六", "M"),
    ("SUN^Qi=孙^七", "F"),
    ("DOE^Peter", "M"),
    ("ZHOU^Ba=周^八", "F"),
    ("WU^Jiu=吴^九", "M"),
    ("ZHENG^Shi=郑^十", "F"),
    ("DOE^Maria", "F"),
    ("FENG^Yi=冯^一", "M"),
)
EXAMS = (
    ("CT", "CT 胸部平扫", 3),
    ("CT", "CT head", 2),
    ("DX", "Chest PA", 1),
    ("MR", "MR 膝关节", 6),
    ("US", "Thyroid", 1),
    ("MG", "乳腺筛查", 4),
)


@dataclass
class ImagingTwin:
    """The image archive; `rows` are its studies."""

    rows: list[StudyRow]
    asked: int = 0
    aside: list[QuarantineRow] = field(default_factory=list)
    twice: list[ConflictRow] = field(default_factory=list)
    original: Path | None = None

    def watermark(self, tx: Transaction) -> str:
        return f"{len(self.rows)}-{max((row.last_received for row in self.rows), default='')}"

    def studies(self, tx: Transaction, wanted: StudyFilter) -> StudyPage:
        self.asked += 1
        words = person_name.query_keys(wanted.text)
        oldest = {"today": wanted.today, "7": wanted.today - timedelta(6), "30": wanted.today - timedelta(29)}

        def fits(row: StudyRow, skip: str = "") -> bool:
            exact = wanted.text in (row.patient_id, row.accession, row.study_uid)
            return (
                (not wanted.text or exact or person_name.found(person_name.keys(row.patient_name), words))
                and (skip == "modality" or not wanted.modality or wanted.modality in row.modalities)
                and (skip == "institution" or wanted.institution in ("", row.institution_code))
                and (skip == "date" or not wanted.recency or row.study_date >= oldest[wanted.recency].strftime("%Y%m%d"))
            )

        key = {"patient": "patient_name", "institution": "institution_code", "received": "last_received"}
        column = wanted.order.removeprefix("-")
        found = [row for row in self.rows if fits(row)]
        found.sort(key=lambda row: getattr(row, key.get(column, column)), reverse=wanted.order.startswith("-"))
        by = {
            "modality": [
                Facet(one, one, sum(one in row.modalities for row in self.rows if fits(row, "modality")))
                for one in ("CT", "DX", "MR", "US", "MG")
            ],
            "institution": [
                Facet(
                    one.code,
                    self._name(one, wanted.language),
                    sum(row.institution_code == one.code for row in self.rows if fits(row, "institution")),
                )
                for one in INSTITUTIONS
            ],
            "date": [
                Facet(one, one, sum(row.study_date >= first.strftime("%Y%m%d") for row in self.rows if fits(row, "date")))
                for one, first in oldest.items()
            ],
        }
        page = [self._in(row, wanted.language) for row in found[wanted.offset : wanted.offset + wanted.limit]]
        return StudyPage(
            tuple(page),
            len(found),
            True,
            {name: tuple(one for one in values if one.count or name == "date") for name, values in by.items()},
        )

    @staticmethod
    def _name(one: Institution, language: str) -> str:
        return one.name_zh if language == "zh-CN" else one.name

    def _in(self, row: StudyRow, language: str) -> StudyRow:
        return replace(
            row, institution_name=next(self._name(one, language) for one in INSTITUTIONS if one.code == row.institution_code)
        )

    def study(self, tx: Transaction, uid: str, language: str = "en") -> StudyDetail | None:
        row = next((row for row in self.rows if row.study_uid == uid), None)
        if row is None:
            return None
        size, modality = max(1, row.instances // row.series), row.modalities[0]
        series = tuple(
            SeriesRow(
                f"{uid}.{number}", number, modality, f"{modality} series {number}", "CHEST", size, number > 1, f"{uid}.{number}.1"
            )
            for number in range(1, row.series + 1)
        )
        return StudyDetail(self._in(row, language), series)

    def instances(
        self, tx: Transaction, study_uid: str, series_uid: str, limit: int, offset: int
    ) -> tuple[Sequence[InstanceRow], int]:
        detail = self.study(tx, study_uid)
        assert detail is not None
        total = next(one.instances for one in detail.series if one.series_uid == series_uid)
        numbers = range(offset + 1, min(total, offset + limit) + 1)
        return [
            InstanceRow(
                f"{series_uid}.{number}", "1.2.840.10008.5.1.4.1.1.2", number, "1.2.840.10008.1.2.1", 512, 512, 1, 525_312
            )
            for number in numbers
        ], total

    def metadata(self, tx: Transaction, study_uid: str, series_uid: str, sop_uid: str) -> Mapping[str, Any] | None:
        if self.study(tx, study_uid) is None:
            return None
        return {
            "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
            "00080018": {"vr": "UI", "Value": [sop_uid]},
            "00080060": {"vr": "CS", "Value": ["CT"]},
            "00081140": {
                "vr": "SQ",
                "Value": [
                    {"00081155": {"vr": "UI", "Value": [f"{sop_uid}.9"]}},
                    {"00081155": {"vr": "UI", "Value": [f"{sop_uid}.8"]}},
                ],
            },
            "00090010": {"vr": "LO", "Value": ["ACME 1.0"]},
            "00091001": {"vr": "OB", "InlineBinary": "AAAAAAAA"},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "ZHANG^San", "Ideographic": "张^三"}]},
            "00181151": {"vr": "IS", "Value": [210]},
            "00280030": {"vr": "DS", "Value": [0.703125, 0.703125]},
            "7FE00010": {"vr": "OW", "BulkDataURI": "bulkdata/7FE00010"},
        }

    def quarantined(self, tx: Transaction, limit: int, offset: int, text: str = "") -> tuple[Sequence[QuarantineRow], int]:
        found = [
            row for row in self.aside if text.lower() in f"{row.source} {row.reason} {row.sop_uid} {row.institution_code}".lower()
        ]
        return found[offset : offset + limit], len(found)

    def quarantined_file(self, tx: Transaction, row_id: int) -> Path | None:
        return self.original if any(row.id == row_id for row in self.aside) else None

    def conflicts(self, tx: Transaction, limit: int, offset: int, text: str = "") -> tuple[Sequence[ConflictRow], int]:
        found = [
            row
            for row in self.twice
            if text.lower() in f"{row.reason} {row.sop_uid} {row.study_uid} {row.institution_code}".lower()
        ]
        return found[offset : offset + limit], len(found)


class ProcessTwin:
    def about(self, tx: Transaction, study_uid: str, limit: int) -> Sequence[EventRow]:
        return [
            EventRow(NOW, "instances.retrieved", "wanglei", "person", "CENTER", "success", {"instances": 275}),
            EventRow(
                NOW - timedelta(minutes=9), "access.refused", "guest", "person", "COUNTY", "refused", {"reason": "no grant"}
            ),
            EventRow(
                NOW - timedelta(minutes=20),
                "instances.received",
                "YL_CT1",
                "node",
                "YUNLING",
                "success",
                {"instances": 275, "bytes": 144_460_800},
            ),
            EventRow(NOW - timedelta(minutes=21), "study.stored", "YL_CT1", "node", "YUNLING", "success", {}),
        ][:limit]


@contextmanager
def begin(actor: Party) -> Iterator[Transaction]:
    """A transaction that keeps nothing: the twins hold their own state."""
    yield Transaction(actor, None)


TODAY = NOW.date()


def study_rows(count: int, today: date = TODAY) -> list[StudyRow]:
    """Plausible studies, newest first; the same for the same count."""
    chance = random.Random(count)
    rows = []
    for number in range(count):
        (name, sex), (modality, description, series) = NAMES[number % len(NAMES)], EXAMS[chance.randrange(len(EXAMS))]
        institution = INSTITUTIONS[chance.randrange(3)]
        day, received = today - timedelta(number // 4), NOW - timedelta(minutes=37 * number)
        images = series if modality in ("DX", "MG") else series * chance.randrange(20, 140)
        rows.append(
            StudyRow(
                study_uid=f"1.2.826.0.1.3680043.8.498.{1000 + number}",
                institution_code=institution.code,
                institution_name=institution.name,
                patient_name=name,
                patient_id=f"{institution.code[0]}{20260000 + number}",
                issuer=institution.code,
                birth_date=f"{1942 + chance.randrange(80)}0{chance.randrange(1, 9)}15",
                sex=sex,
                study_date=day.strftime("%Y%m%d"),
                study_time=f"{chance.randrange(7, 19):02}{chance.randrange(60):02}12",
                accession=f"A{600000 + number}",
                description=description,
                modalities=(modality, "SR") if number % 9 == 4 else (modality,),
                series=series,
                instances=images,
                first_received=received - timedelta(minutes=4),
                last_received=received,
                conflicts=int(number == 2),
            )
        )
    return rows


def aside_rows(count: int) -> list[QuarantineRow]:
    """Input kept aside for various reasons."""
    reasons = (
        ("data-set-invalid", "pixel data of 524288 bytes are cut after 131072"),
        ("data-set-invalid", "SOP Instance UID (0008,0018) is missing"),
        ("uid-mismatch", "the command names SOP Instance 1.2.3.4, the data set 1.2.3.5"),
    )
    return [
        QuarantineRow(
            id=number,
            at=NOW - timedelta(hours=number),
            institution_code=INSTITUTIONS[number % 3].code,
            source=f"dimse YL_CT{number % 2 + 1}@10.20.{number % 9}.31",
            sop_uid=f"1.2.826.0.1.3680043.8.498.77.{number}" if number % 3 else "",
            kind=reasons[number % 3][0],
            reason=reasons[number % 3][1],
            bytes=131_072 + 977 * number,
            key=f"X/{number}.dcm",
        )
        for number in range(1, count + 1)
    ]


def twice_rows(count: int, study_uid: str) -> list[ConflictRow]:
    """Instances that came twice with other content."""
    return [
        ConflictRow(
            number,
            NOW - timedelta(hours=number),
            "COUNTY",
            f"{study_uid}.1.{number}",
            study_uid,
            "version 2",
            "the pixel data differ",
        )
        for number in range(1, count + 1)
    ]


@dataclass
class Region:
    """A whole application on twins."""

    app: FastAPI
    gate: GateTwin
    imaging: ImagingTwin
    deps: WebDeps


def region(studies_count: int = 120, open_center: bool = False, viewer_folder: Path | None = None, **more: Any) -> Region:
    """The shell and its slices on twins, wired as the center wires them."""
    slices = (studies.slice, viewer.slice, intake.slice)
    rows = study_rows(studies_count, **more)
    gate, imaging = (
        GateTwin(),
        ImagingTwin(rows, aside=aside_rows(7), twice=twice_rows(3, rows[2].study_uid if len(rows) > 2 else "1.2.3")),
    )
    shell = Shell({one.name: one.root for one in slices}, [entry for one in slices for entry in one.nav], "Asia/Shanghai")
    anyone = Actor("person", "anyone", 1, None, "CENTER", roles=ADMIN) if open_center else None
    deps = WebDeps(
        begin, gate, imaging, ProcessTwin(), shell, WebSettings(time_zone="Asia/Shanghai", viewer=viewer_folder), anyone
    )
    app = FastAPI(openapi_url=None)
    mount(app, deps, shell)
    for one in slices:
        app.include_router(one.routes(deps))
    return Region(app, gate, imaging, deps)
