"""What the pages need of the layers below, as types: the app builds one `WebDeps` and hands it to every router factory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.gate.open_sessions import Limits, Origin
from panorad.access.gate.open_sessions import Standing as SessionStanding
from panorad.access.oidc.provider import Provider
from panorad.access.programs import Held
from panorad.data.process import Looker, Standing, Trace, Wanted
from panorad.data.process.dicom_audit import AuditSource
from panorad.kit.transaction import Begin, Transaction
from panorad.kit.vault import Vault
from panorad.model.actor import Actor
from panorad.model.study_list import (
    ConflictRow,
    EventRow,
    InstanceRow,
    QuarantineRow,
    StudyDetail,
    StudyFilter,
    StudyPage,
)


class AccountLike(Protocol):
    """A local account."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def login(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102


class InstitutionLike(Protocol):
    """An institution of the region; `name_zh` may be empty."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def name_zh(self) -> str: ...  # noqa: D102


class Gate(Protocol):
    """Who may enter (`panorad.access.gate`)."""

    def sign_in(self, tx: Transaction, login: str, password: str, origin: Origin) -> tuple[AccountLike, str, bool]:
        """The account, a new session token, and whether it is one of a sign-in that still waits for its code.

        Raises an error of kind FORBIDDEN, and locks after repeated failures.
        """

    def finish_sign_in(self, tx: Transaction, token: str, code: str, origin: Origin) -> tuple[AccountLike, str, bool]:
        """The account and a new session token for the code of a pending sign-in; raises an error of kind FORBIDDEN."""

    def awaits_code(self, tx: Transaction, token: str) -> bool:
        """Whether a pending sign-in is still open."""

    def begin_session(self, tx: Transaction, account_id: int, origin: Origin) -> str:
        """A session token for a person who has been recognised."""

    def session(self, tx: Transaction, token: str, *, reading: bool = False, unattended: bool = False) -> Actor | None:
        """Who a session token stands for; None when it is unknown or over."""

    def standing(self, tx: Transaction, token: str, *, reading: bool = False) -> SessionStanding | None:
        """How a session stands: whether a code was just given, how long it is still good; None when it is over."""

    def sign_out(self, tx: Transaction, token: str) -> None:
        """End a session."""

    def welcome_open(self, tx: Transaction, token: str) -> bool:
        """Whether a one-time link for the first administrator is still good."""

    def redeem_welcome(self, tx: Transaction, token: str, login: str, name: str, password: str) -> AccountLike:
        """Make the first administrator and close the link."""

    def set_password(self, tx: Transaction, account_id: int, old: str, new: str) -> None:
        """Change a password; raises an error of kind FORBIDDEN when `old` is wrong."""

    def institutions(self, tx: Transaction) -> Sequence[InstitutionLike]:
        """The institutions of the region."""

    def places(self, tx: Transaction, account: int) -> Sequence[InstitutionLike]:
        """The institutions that an account may act for."""

    def act_for(self, tx: Transaction, token: str, institution: str, purpose: str = "") -> None:
        """Have a session act for an institution and a purpose; raises an error of kind FORBIDDEN for what is not held."""


class Imaging(Protocol):
    """What the image archive answers to pages (`panorad.data.imaging.service`)."""

    def watermark(self, tx: Transaction) -> str:
        """A short token that changes whenever the study list of anyone may have changed."""

    def studies(self, tx: Transaction, wanted: StudyFilter) -> StudyPage:
        """One page of studies with its facets."""

    def study(self, tx: Transaction, uid: str, language: str = "en") -> StudyDetail | None:
        """One study, its institution named in a language; None when there is none or the actor may not see it."""

    def instances(
        self, tx: Transaction, study_uid: str, series_uid: str, limit: int, offset: int
    ) -> tuple[Sequence[InstanceRow], int]:
        """One page of a series' instances by Instance Number, and how many there are."""

    def metadata(self, tx: Transaction, study_uid: str, series_uid: str, sop_uid: str) -> Mapping[str, Any] | None:
        """The attributes of one instance in the DICOM JSON model (PS3.18 Annex F); None when there is none."""

    def quarantined(self, tx: Transaction, limit: int, offset: int, text: str = "") -> tuple[Sequence[QuarantineRow], int]:
        """Input kept aside, newest first; `text` searches source, reason, UID and institution code."""

    def quarantined_file(self, tx: Transaction, row_id: int) -> Path | None:
        """The file with the bytes of one quarantined input as they came."""

    def conflicts(self, tx: Transaction, limit: int, offset: int, text: str = "") -> tuple[Sequence[ConflictRow], int]:
        """Instances that came with UIDs already here and other content, newest first."""


class Process(Protocol):
    """What the process archive answers to pages (`panorad.data.process.service`)."""

    def about(self, tx: Transaction, study_uid: str, limit: int) -> Sequence[EventRow]:
        """The latest events about a study, newest first."""

    def trail(
        self, tx: Transaction, wanted: Wanted, *, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> Sequence[Trace]:
        """Events as far as the actor may see: newest first below `before`, or oldest first above `after`."""

    def walk(self, begin: Begin, actor: Actor, wanted: Wanted, most: int | None = None) -> Iterator[Trace]:
        """All events that are wanted, oldest first."""

    def studies_of(self, tx: Transaction, patient_id: str) -> Sequence[str]:
        """Study Instance UIDs of a patient ID, as far as the actor may see."""

    def looked(self, tx: Transaction, studies: Sequence[str]) -> Sequence[Looker]:
        """Who has looked at studies that the actor's own institutions hold."""

    def sealed(self, tx: Transaction) -> tuple[str, datetime | None, str]:
        """The head of the seals, when they were last read against the log, and what was wrong then."""

    def standing(self, tx: Transaction) -> Standing:
        """How far the trail has come on its way to the collector."""


class Pages(Protocol):
    """The shell around pages (`panorad.access.web.shell.Shell`)."""

    def page(
        self, request: Request, template: str, context: Any, title: str, actor: Actor | None, etag: str = "", status: int = 200
    ) -> Response:
        """A page for its typed context, or the same data as JSON when that is asked for."""

    def render(
        self,
        request: Request,
        template: str,
        context: Any,
        title: str,
        actor: Actor | None = None,
        institution: str = "",
        status: int = 200,
    ) -> Response:
        """A page, without asking the database for anything."""

    def home(self, actor: Actor) -> str:
        """Where somebody with these roles begins."""

    def text(self, request: Request, text: str) -> str:
        """A text in the visitor's language."""

    def asset(self, name: str) -> str:
        """The address of a static file, e.g. `web/shell.css`."""

    def language(self, request: Request) -> str:
        """The visitor's language."""

    def today(self) -> date:
        """The date at the site."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the pages need of the settings."""

    time_zone: str = "UTC"
    """IANA name of the site's time zone, in which every time is shown."""
    language: str = "en"
    """Language for visitors whose browser asks for none that we speak."""
    public_origins: tuple[str, ...] = ()
    """Further origins (https://host) under which a reverse proxy serves this center."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies that are believed when they say for whom they ask."""
    viewer: Path | None = None
    """Folder of the prepared OHIF build; None where the viewer is not installed."""
    address: str = "http://127.0.0.1:8080"
    """Origin at which this center listens itself."""


@dataclass(frozen=True, slots=True)
class WebDeps:
    """Everything that the web shell and its slices stand on. `open_actor` is set when the center runs without sign-in.

    `held` are the tokens of programs, `provider` is where persons may sign in by OpenID Connect; None where there is no such way in.
    """

    begin: Begin
    gate: Gate
    imaging: Imaging
    process: Process
    shell: Pages
    settings: WebSettings = field(default_factory=WebSettings)
    open_actor: Actor | None = None
    audit_source: AuditSource = field(default_factory=lambda: AuditSource("PANORAD", "CENTER"))
    limits: Limits = field(default_factory=Limits)
    vault: Vault = field(default_factory=lambda: Vault(Path("secret.key")))
    breached: Callable[[str], None] = lambda password: None
    """Raises an error of kind INVALID for a password of the operator's list."""
    held: Held | None = None
    provider: Provider | None = None
