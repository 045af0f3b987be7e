"""The shell around every page: templates in each language, navigation, static files, the answer as a page or its JSON twin."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from panorad import __version__
from panorad.access.web import forms, words
from panorad.access.web.deps import InstitutionLike
from panorad.access.web.errors import wants_json
from panorad.access.web.language import Preferences, preferences
from panorad.access.web.paging import link
from panorad.access.web.session import deps_of
from panorad.access.web.static import Assets
from panorad.kit.i18n import LANGUAGES, catalogue, translate
from panorad.kit.slice import Nav
from panorad.model import person_name
from panorad.model.actor import Actor
from panorad.model.roles import may, purposes_of

HERE = Path(__file__).resolve().parent
INSTITUTIONS_KEPT = 60.0
"""Seconds that the names of institutions are kept for the top bar."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the layout shows around a page."""

    title: str
    preferences: Preferences
    person: str
    institution: str
    purpose: str
    signed_in: bool
    open: bool
    here: str
    form_token: str
    account: int | None = None
    idle_s: float = 0.0
    nav: tuple[Nav, ...] = ()
    acting: str = ""
    places: tuple[tuple[str, str], ...] = ()
    purposes: tuple[str, ...] = ()


class Shell:
    """Renders pages. `roots` names the folders of the slices with `templates/` and `static/`; `nav` is the rail in order."""

    def __init__(self, roots: Mapping[str, Path], nav: Sequence[Nav], time_zone: str = "UTC") -> None:
        folders = {"web": HERE, **roots}
        self.nav = tuple(nav)
        self.zone = ZoneInfo(time_zone)
        self.assets = Assets(folders)
        self.environments = {language: self._environment(language, folders) for language in LANGUAGES}
        self._institutions: dict[int, InstitutionLike] = {}
        self._asked = float("-inf")

    def _environment(self, language: str, folders: Mapping[str, Path]) -> Environment:
        loader = PrefixLoader({name: ChoiceLoader([FileSystemLoader(folder / "templates")]) for name, folder in folders.items()})
        env = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
        )
        env.add_extension("jinja2.ext.i18n")
        env.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
        env.globals.update(asset=self.assets.url, languages=LANGUAGES, version=__version__)
        env.filters.update(
            person=lambda name: person_name.display(name, language) or translate(language, "No name"),
            date=words.dicom_date,
            time=words.dicom_time,
            moment=lambda at: words.moment(at, self.zone),
            brief=lambda at: words.brief(at, self.zone),
            second=lambda at: words.second(at, self.zone),
            size=words.size,
            initials=words.initials,
            uid_name=words.uid_name,
            sex=lambda value: words.sex(language, value),
            happened=lambda kind: words.happened(language, kind),
            said=lambda detail: words.said(language, detail),
            tr=lambda text: translate(language, text),
            purpose=lambda name: words.purpose(language, name),
            role=lambda name: words.role(language, name),
        )
        env.globals["age"] = lambda birth_date, at: words.age(language, birth_date, at)
        return env

    def today(self) -> date:
        """The date at the site."""
        return datetime.now(self.zone).date()

    def page(
        self, request: Request, template: str, context: Any, title: str, actor: Actor | None, etag: str = "", status: int = 200
    ) -> Response:
        """A page for its typed context, or the same data as JSON when that is asked for."""
        if wants_json(request):
            response: Response = JSONResponse(plain(context), status)
        else:
            institution, places = self._institution(request, actor), self._places(request, actor)
            response = self.render(request, template, context, title, actor, institution, status, places)
        if etag:
            response.headers["etag"] = etag
            response.headers["cache-control"] = "private, no-cache"
            response.headers["vary"] = "accept, cookie"
        return response

    def render(
        self,
        request: Request,
        template: str,
        context: Any,
        title: str,
        actor: Actor | None = None,
        institution: str = "",
        status: int = 200,
        places: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        """A page without asking the database for anything: what `page` ends in, and what errors use directly."""
        chosen = self.preferences(request)
        known = actor or getattr(request.state, "actor", None)
        frame = Frame(
            title=title,
            preferences=chosen,
            person=known.name if known else "",
            institution=institution,
            purpose=known.purpose if known else "",
            signed_in=known is not None,
            open=bool(known and known.account is None),
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            form_token=forms.token_of(getattr(request.state, "form_secret", "")),
            account=known.account if known else None,
            idle_s=deps_of(request).limits.idle_s,
            nav=self._nav(known),
            acting=known.institution_code if known else "",
            places=places,
            purposes=purposes_of(known.roles) if known and known.account is not None else (),
        )
        env = self.environments[chosen.language]
        body = env.get_template(template).render(
            page=context, frame=frame, link=lambda path=None, **changes: link(request, path, **changes)
        )
        return HTMLResponse(body, status, headers={"content-language": chosen.language})

    def home(self, actor: Actor) -> str:
        """Where somebody with these roles begins: the first entry of their rail, the study list where there is none."""
        return next((one.path for one in self._nav(actor)), "/")

    def _nav(self, actor: Actor | None) -> tuple[Nav, ...]:
        """The entries of the rail that the actor's roles may use."""
        if actor is None:
            return ()
        staff = actor.roles - {"patient"}
        return tuple(one for one in self.nav if not one.needs or any(may(staff if one.staff else actor.roles, *need) for need in one.needs))

    def preferences(self, request: Request) -> Preferences:
        """The visitor's language and theme."""
        return preferences(request, deps_of(request).settings.language)

    def asset(self, name: str) -> str:
        """The address of a static file, e.g. `web/shell.css`."""
        return self.assets.url(name)

    def language(self, request: Request) -> str:
        """The visitor's language."""
        return self.preferences(request).language

    def text(self, request: Request, text: str) -> str:
        """A text in the visitor's language."""
        return translate(self.preferences(request).language, text)

    def _institution(self, request: Request, actor: Actor | None) -> str:
        if actor is None or actor.institution is None:
            return ""
        if actor.institution not in self._institutions or time.monotonic() - self._asked > INSTITUTIONS_KEPT:
            deps = deps_of(request)
            with deps.begin(actor) as tx:
                self._institutions = {one.id: one for one in deps.gate.institutions(tx)}
            self._asked = time.monotonic()
        found = self._institutions.get(actor.institution)
        return self._named(request, found) if found else ""

    def _places(self, request: Request, actor: Actor | None) -> tuple[tuple[str, str], ...]:
        """Code and name of the institutions that a person may act for."""
        if actor is None or actor.account is None:
            return ()
        deps = deps_of(request)
        with deps.begin(actor) as tx:
            return tuple((one.code, self._named(request, one)) for one in deps.gate.places(tx, actor.account))

    def _named(self, request: Request, one: InstitutionLike) -> str:
        return one.name_zh if one.name_zh and self.preferences(request).language == "zh-CN" else one.name


def plain(value: Any) -> Any:
    """A context as JSON takes it: dataclasses become objects, dates ISO text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, (date, datetime)) else value
