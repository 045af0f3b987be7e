"""The sharing pages: grants of and to the institution acted for, what its patients permit, and its policy, each with a JSON twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from panorad.access.web.deps import InstitutionLike, WebDeps
from panorad.access.web.errors import sentence, status_for
from panorad.access.web.forms import Draft, see, submitted
from panorad.access.web.session import allowed, session_actor
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.management.sharing import reading
from panorad.management.sharing.consents import (
    AUDIENCES,
    DECISIONS,
    RULES,
    SHARING,
    Consent,
    ConsentInvalid,
    Patient,
    consents,
    policies,
    record_consent,
    set_policy,
    withdraw_consent,
)
from panorad.management.sharing.grants import PAGE, Grant, give, grants, revoke
from panorad.model.actor import Actor
from panorad.model.purpose import PURPOSES
from panorad.model.roles import ROLES, may

TABS = {"grant": "/sharing", "consent": "/sharing/consents", "policy": "/sharing/policy"}
"""What each tab is about and where it is."""
SHOWN_KINDS = {Kind.INVALID, Kind.CONFLICT, Kind.ABSENT}
"""Errors that are told in the form; all others have a page of their own."""
LONGEST = 128


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant in the list; `state` is `current`, `later`, `ended` or `revoked`, `ours` tells whether the institution acted for gave it."""

    grant: Grant
    state: str
    ours: bool


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """A consent in the list; `state` is `current`, `later`, `ended` or `withdrawn`."""

    consent: Consent
    state: str


@dataclass(frozen=True, slots=True)
class GrantsPage:
    """Grants of and to the institution acted for, newest first; `older` is where the next page begins."""

    tabs: Mapping[str, str]
    text: str
    every: bool
    rows: tuple[GrantRow, ...]
    before: int | None
    older: int | None
    gives: bool
    revokes: bool
    institution: str
    issuer: str
    institutions: tuple[InstitutionLike, ...]
    purposes: tuple[str, ...]
    roles: tuple[str, ...]
    done: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class ConsentsPage:
    """What patients of the institution acted for permit and refuse, newest first."""

    tabs: Mapping[str, str]
    text: str
    every: bool
    rows: tuple[ConsentRow, ...]
    before: int | None
    older: int | None
    records: bool
    issuer: str
    institutions: tuple[InstitutionLike, ...]
    purposes: tuple[str, ...]
    usual: tuple[str, ...]
    done: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """What holds for patients who said nothing: a rule for each purpose, for the institution's own people and for others."""

    tabs: Mapping[str, str]
    rules: Mapping[str, Mapping[str, str]]
    choices: tuple[str, ...]
    changes: bool
    done: str
    draft: Draft


def routes(deps: WebDeps) -> APIRouter:
    """The pages of this slice with their JSON twins, and what their forms send."""
    pages = SharingPages(deps)
    router = APIRouter()
    for path, endpoint in (("/sharing", pages.grants), ("/sharing/consents", pages.consents), ("/sharing/policy", pages.policy)):
        router.add_route(path, endpoint, methods=["GET"])
        router.add_route(f"{path}.json", endpoint, methods=["GET"])
    for path, endpoint in (
        ("/sharing", pages.give),
        ("/sharing/grants/{id:int}/revoke", pages.revoke),
        ("/sharing/consents", pages.record),
        ("/sharing/consents/{id:int}/withdraw", pages.withdraw),
        ("/sharing/policy", pages.set_policy),
    ):
        router.add_route(path, endpoint, methods=["POST"])
    return router


class SharingPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps
        self.zone = ZoneInfo(deps.settings.time_zone)

    # -- grants --------------------------------------------------------------------------------------------------------------------

    def grants(self, request: Request) -> Response:
        """GET /sharing?q=&show=all&before=: grants of and to the institution; who may read consents alone is led to them."""
        actor = session_actor(request)
        others = [one for one in self._tabs(actor) if one != "grant"]
        if not may(actor.roles, "grant", "read") and others and not request.url.path.endswith(".json"):
            return RedirectResponse(TABS[others[0]], 303)
        return self._grants(request, allowed(request, "grant", "read", staff=True))

    def _grants(self, request: Request, actor: Actor, draft: Draft | None = None, status: int = 200) -> Response:
        text, every, before = _asked(request)
        with self.deps.begin(actor) as tx:
            found = grants(tx, text=text, current=not every, before=before, limit=PAGE + 1)
            institutions = tuple(self.deps.gate.institutions(tx))
        now = datetime.now(UTC)
        rows = tuple(GrantRow(one, _state(one, now, one.revoked_at, "revoked"), one.institution == actor.institution_code) for one in found)
        context = GrantsPage(
            tabs=self._tabs(actor), text=text, every=every, rows=rows[:PAGE], before=before,
            older=rows[PAGE - 1].grant.id if len(rows) > PAGE else None,
            gives=may(actor.roles, "grant", "give"), revokes=may(actor.roles, "grant", "revoke"), institution=actor.institution_code,
            issuer=actor.issuer, institutions=institutions, purposes=tuple(PURPOSES), roles=tuple(ROLES),
            done=request.query_params.get("done", ""), draft=draft or Draft(),
        )  # fmt: skip
        return self._page(request, "sharing/grants.html", context, actor, status)

    def give(self, request: Request) -> Response:
        """POST /sharing: give a grant of what the institution holds."""
        actor, fields = submitted(request, "grant", "give")

        def change(tx: Transaction) -> None:
            start, until = reading.period(fields, self.zone, datetime.now(UTC))
            scope, grantee = reading.scope(fields, actor.institution_code), reading.grantee(fields)
            reason = fields.get("reason", "").strip()
            give(tx, scope, grantee, reading.purposes(fields), start=start, until=until, reason=reason)

        return self._changed(request, actor, fields, change, "/sharing?done=given", self._grants)

    def revoke(self, request: Request) -> Response:
        """POST /sharing/grants/{id}/revoke: end a grant at once."""
        actor, _fields = submitted(request, "grant", "revoke")
        with self.deps.begin(actor) as tx:
            revoke(tx, _number(request))
        return see("/sharing?done=revoked")

    # -- consents ------------------------------------------------------------------------------------------------------------------

    def consents(self, request: Request) -> Response:
        """GET /sharing/consents?q=&show=all&before=: what patients said, by Patient ID."""
        return self._consents(request, allowed(request, "consent", "read", staff=True))

    def _consents(self, request: Request, actor: Actor, draft: Draft | None = None, status: int = 200) -> Response:
        text, every, before = _asked(request)
        with self.deps.begin(actor) as tx:
            found = consents(tx, patient=text, current=not every, before=before, limit=PAGE + 1)
            institutions = tuple(self.deps.gate.institutions(tx))
        now = datetime.now(UTC)
        rows = tuple(ConsentRow(one, _state(one, now, one.withdrawn_at, "withdrawn")) for one in found)
        context = ConsentsPage(
            tabs=self._tabs(actor), text=text, every=every, rows=rows[:PAGE], before=before,
            older=rows[PAGE - 1].consent.id if len(rows) > PAGE else None, records=may(actor.roles, "consent", "record"),
            issuer=actor.issuer, institutions=institutions, purposes=tuple(PURPOSES), usual=SHARING,
            done=request.query_params.get("done", ""), draft=draft or Draft(),
        )  # fmt: skip
        return self._page(request, "sharing/consents.html", context, actor, status)

    def record(self, request: Request) -> Response:
        """POST /sharing/consents: record what a patient permits or refuses."""
        actor, fields = submitted(request, "consent", "record")

        def change(tx: Transaction) -> None:
            patient = Patient(actor.institution_code, fields.get("issuer", "").strip(), fields.get("patient", "").strip())
            if not patient.patient or not patient.issuer:
                raise reading.PatientMissing
            start, until = reading.period(fields, self.zone, datetime.now(UTC))
            decision, audience = fields.get("decision", ""), fields.get("audience", "")
            if decision not in DECISIONS or audience not in AUDIENCES:
                raise ConsentInvalid
            record_consent(
                tx, patient, decision, reading.purposes(fields), audience=audience, start=start, until=until, proxy=reading.proxy(fields),
                to=fields.get("to-institution") if audience == "institution" else None, note=fields.get("note", "").strip(),
            )  # fmt: skip

        return self._changed(request, actor, fields, change, "/sharing/consents?done=recorded", self._consents)

    def withdraw(self, request: Request) -> Response:
        """POST /sharing/consents/{id}/withdraw: end a consent as if it had not been said."""
        actor, _fields = submitted(request, "consent", "record")
        with self.deps.begin(actor) as tx:
            withdraw_consent(tx, _number(request))
        return see("/sharing/consents?done=withdrawn")

    # -- policy --------------------------------------------------------------------------------------------------------------------

    def policy(self, request: Request) -> Response:
        """GET /sharing/policy: what holds at the institution for patients who said nothing."""
        return self._policy(request, allowed(request, "policy", "read", staff=True))

    def _policy(self, request: Request, actor: Actor, draft: Draft | None = None, status: int = 200) -> Response:
        with self.deps.begin(actor) as tx:
            found = policies(tx, actor.institution_code)
        rules = {purpose: {audience: found[purpose, audience] for audience in ("own", "others")} for purpose in PURPOSES}
        context = PolicyPage(
            self._tabs(actor), rules, RULES, may(actor.roles, "policy", "change"), request.query_params.get("done", ""), draft or Draft()
        )
        return self._page(request, "sharing/policy.html", context, actor, status)

    def set_policy(self, request: Request) -> Response:
        """POST /sharing/policy: change the rules that differ from those in force."""
        actor, fields = submitted(request, "policy", "change")

        def change(tx: Transaction) -> None:
            for (purpose, audience), rule in policies(tx, actor.institution_code).items():
                wanted = fields.get(f"{audience}-{purpose}", rule)
                if wanted != rule:
                    set_policy(tx, actor.institution_code, purpose, audience, wanted)

        return self._changed(request, actor, fields, change, "/sharing/policy?done=set", self._policy)

    # -- all of them ---------------------------------------------------------------------------------------------------------------

    def _changed(
        self,
        request: Request,
        actor: Actor,
        fields: Mapping[str, str],
        change: Callable[[Transaction], None],
        then: str,
        again: Callable[[Request, Actor, Draft, int], Response],
    ) -> Response:
        """Make a change and go on, or show the form again with the reason and what was typed."""
        try:
            with self.deps.begin(actor) as tx:
                change(tx)
        except PanoradError as error:
            if error.kind not in SHOWN_KINDS:
                raise
            draft = Draft.of(fields, sentence(self.deps.shell.language(request), error))
            return again(request, actor, draft, status_for(error.kind))
        return see(then)

    def _tabs(self, actor: Actor) -> dict[str, str]:
        roles = actor.roles - {"patient"}
        return {resource: address for resource, address in TABS.items() if may(roles, resource, "read")}

    def _page(self, request: Request, template: str, context: object, actor: Actor, status: int) -> Response:
        return self.deps.shell.page(request, template, context, self.deps.shell.text(request, _("Sharing")), actor, status=status)


def _asked(request: Request) -> tuple[str, bool, int | None]:
    """The search, whether everything is wanted, and where the page begins."""
    asked = request.query_params
    before = asked.get("before", "")
    at = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    return asked.get("q", "").strip()[:LONGEST], asked.get("show") == "all", at


def _number(request: Request) -> int:
    return min(int(request.path_params["id"]), (1 << 63) - 1)


def _state(one: Grant | Consent, now: datetime, ended: datetime | None, word: str) -> str:
    if ended is not None:
        return word
    if one.valid_to is not None and one.valid_to <= now:
        return "ended"
    return "later" if one.valid_from > now else "current"
