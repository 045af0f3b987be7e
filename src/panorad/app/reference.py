"""The reference pages that are made from the code: settings, addresses, events; and the measured figures in the README."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, get_args

from starlette.routing import Route

from panorad.access.dicomweb.routes import addresses
from panorad.access.dicomweb.target import ROOT
from panorad.app.center import Center
from panorad.app.markdown import NOTE, table
from panorad.app.web import build, dicomweb_deps
from panorad.model.event import KINDS, Outcome
from panorad.model.purpose import PURPOSES
from panorad.model.roles import ACTIONS, RESOURCES, ROLES, actions_of
from panorad.settings import Settings

FIGURES = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)


class Served(NamedTuple):
    """One address of the web server: its method, its path and what is there."""

    method: str
    path: str
    sentence: str


def settings_page() -> str:
    """Every setting with its variable, its default and its sentence."""
    rows = [(f"`{one.name}`", f"`PANORAD_{one.name.upper()}`", _default(one.default), one.metadata["sentence"]) for one in fields(Settings)]
    return (
        f"# Settings\n\n{NOTE}\n\n"
        "The command line wins over the environment, the environment over `panorad.toml` in the home folder, that over\n"
        "the default. `home` itself comes from `--home`, else `PANORAD_HOME`, else the default. A list is written as an\n"
        "array in TOML and with commas in the environment. An unknown name in `panorad.toml`, or a value of the wrong\n"
        "kind, stops the command with one sentence.\n\n"
        + table(("setting", "variable", "default", "meaning"), rows)
        + '\n```toml\n# panorad.toml\nae_title = "REGION"\npublic_origins = ["https://images.example.org"]\n```\n'
    )


def _default(value: Any) -> str:
    if value is True or value is False:
        return str(value).lower()
    return f"`{value}`" if value not in ("", ()) else "empty"


def unopened() -> Center:
    """A center that has never been opened: enough to build the web application, which asks no database before it is served."""
    return Center(Settings(), "")


def _all(routes: Iterable[Any]) -> Iterator[Route]:
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from _all(inner.routes)


def served() -> list[Served]:
    """Every address of the web server, with the first sentence of its endpoint's docstring."""
    center = unopened()
    sentences = {(one.method, ROOT + one.path): one.sentence for one in addresses(dicomweb_deps(center, None))}
    found = []
    for route in _all(build(center).routes):
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
            path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
            sentence = sentences.get((method, route.path)) or _sentence(route.endpoint)
            found.append(Served(method, path, _KNOWN.get(path, sentence)))
    return found


def _sentence(endpoint: Any) -> str:
    first = (endpoint.__doc__ or "").strip().split("\n")[0]
    told = re.sub(r"^(?:GET|POST) [^:]+: ", "", first)
    return told[:1].upper() + told[1:]


_KNOWN: Mapping[str, str] = {
    "/api/openapi.json": "The description of `/api` for programs (OpenAPI).",
    "/dicom-web": "What the DICOMweb service offers; with `requestType=WADO`, WADO-URI.",
    "/wado": "WADO-URI.",
    "/health/live": "Whether the web process answers at all.",
    "/health/ready": "Whether storage and database can be used; 503 with the reasons when not.",
    "/metrics": "Figures in the Prometheus text format.",
    "/": "The study list. `q` searches, `modality`, `institution` and `date` narrow, `order` sorts, `page` turns.",
    "/preferences": "Language and theme.",
    "/studies": "Leads to the study list.",
    "/studies.json": "The study list's data.",
    "/viewer": "Leads to the study list; a study is opened at `/viewer/viewer?StudyInstanceUIDs=UID`.",
    "/viewer/{path}": "The files of the viewer, and its page for every path of its own.",
    "/audit.json": "Its data.",
    "/audit/looked.json": "Its data.",
    "/intake.json": "Its data.",
    "/sharing.json": "Its data.",
    "/people.json": "Its data.",
    "/people/roles.json": "Its data.",
    "/institutions.json": "Its data.",
    "/sharing/consents.json": "Its data.",
    "/sharing/policy.json": "Its data.",
    "/intake": "Input kept aside and conflicts: `show=quarantine` or `show=conflicts`.",
    "/viewer/app-config.js": "The viewer's configuration.",
    "/sign-in": "Signing in.",
    "/welcome": "The first administrator's one-time link.",
    "/account/password": "A new password.",
    "/sign-in/code": "The second step of signing in.",
    "/account/second-factor.json": "Its data.",
    "/account/sessions.json": "Their data.",
    "/static/{version}/{name}": "Style sheets, scripts and pictures of the pages.",
}
"""Sentences for addresses whose docstring is written for their programmer."""

_GROUPS: Sequence[tuple[str, str]] = (
    ("DICOMweb", rf"{ROOT}(/|$)|/wado$"),
    ("FHIR", r"/fhir/"),
    ("Events", r"/api/"),
    ("Operation", r"/health/|/metrics$"),
    ("Viewer", r"/viewer(/|$)"),
    ("Pages", r"/"),
)


def urls_page() -> str:
    """Every address by its group."""
    left = served()
    parts = []
    for heading, pattern in _GROUPS:
        taken = [one for one in left if re.match(pattern, one.path)]
        left = [one for one in left if one not in taken]
        rows = [(one.method, f"`{one.path}`", one.sentence) for one in taken]
        parts.append(f"## {heading}\n\n" + table(("method", "address", "what"), rows))
    return (
        f"# Addresses\n\n{NOTE}\n\n"
        "A page answers its data at its `.json` twin and for `Accept: application/json`. Unless the center runs with\n"
        "`--open`, all but sign-in, static files, health and metrics need a session.\n\n" + "\n".join(parts)
    )


def events_page() -> str:
    """Every kind of event, and the feed's fields."""
    return (
        f"# Events\n\n{NOTE}\n\n"
        "`GET /api/events?after=CURSOR` gives events in an order that never changes, as far as the caller may see them,\n"
        "with the next cursor in `after`. Begin with `after=0`. `kind` narrows to one kind, `limit` is at most 5000. A\n"
        "cursor is made of a transaction number and an event number; treat it as opaque. An event appears once no earlier\n"
        "transaction is still open, so a follower that goes on from its last cursor misses nothing.\n\n"
        "Each event has `cursor`, `id`, `at` (UTC), `kind`, `outcome`, `actor_kind`, `actor`, `institution`, `purpose`,\n"
        "`source`, `objects` (what it is about) and `detail`. The outcome is "
        f"{_choices()}.\n\n" + table(("kind", "meaning"), ((f"`{kind}`", sentence) for kind, sentence in KINDS.items()))
    )


def roles_page() -> str:
    """Every role with its purposes, and who may do what to which resource."""
    purposes = [
        (f"`{name}`", role.label, ", ".join(PURPOSES[one].label.lower() for one in role.purposes) or "sees no patient")
        for name, role in ROLES.items()
    ]
    actions = [
        (label, ACTIONS[action], ", ".join(f"`{name}`" for name, role in ROLES.items() if action in role.may.get(resource, ())))
        for resource, label in RESOURCES.items()
        for action in actions_of(resource)
    ]
    return (
        f"# Roles\n\n{NOTE}\n\n"
        "An account holds roles at institutions and acts for one institution and one purpose at a time. The tables say what it\n"
        "may try; which patients it sees is decided row by row, by grants and consent. Of the three roles of administrators an\n"
        "account holds at most one, and they reach the institutions below the one where they are held. A security administrator\n"
        "gives and takes roles, nobody their own; while the center has no security administrator, or no audit administrator, a\n"
        "system administrator appoints the first one, to another account.\n\n"
        "## What each role reads for\n\n" + table(("role", "name", "purposes of use"), purposes)
        + "\n## Who may do what\n\n" + table(("resource", "action", "roles"), actions)
    )


def _choices() -> str:
    *most, last = (f"`{choice}`" for choice in get_args(Outcome))
    return f"{', '.join(most)} or {last}"


def figures(results: Path) -> str:
    """The newest kept result of the benches as a Markdown table; empty when nothing has been kept."""
    kept = sorted(results.glob("*.kept.json")) if results.is_dir() else []
    if not kept:
        return ""
    told = json.loads(kept[-1].read_text("utf-8"))
    if told["tiny"]:
        return ""
    machine = told["machine"]
    rows = [_figure(one) for one in told["results"]]
    return (
        f"Measured on {told['when'][:10]} with {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB of memory, Python {machine['python']};\n"
        "medians, both servers durable before they answer. `make bench` measures on your machine.\n\n"
        + table(("claim", "unit", "Panorad", "Orthanc", "ratio"), rows)
    )


def _figure(one: Mapping[str, Any]) -> tuple[str, ...]:
    def median(side: str) -> str:
        values = sorted(one["values"].get(side) or [])
        if not values:
            return ""
        middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
        return f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"

    return one["title"], one["unit"], median("panorad"), median("orthanc"), "" if one["ratio"] is None else f"{one['ratio']:.1f}"


def with_figures(readme: str, results: Path, heading: str) -> str:
    """A README with its section of measured figures, which is empty without kept results."""
    text = figures(results)
    section = f"## {heading}\n\n{text}\n" if text else ""
    return FIGURES.sub(lambda found: found[1] + section + found[2], readme)
