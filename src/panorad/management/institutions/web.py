"""The pages of institutions: the tree of the region with the nodes of each, and one institution to change; with JSON twins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from panorad.access import gate
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import sentence, status_for
from panorad.access.web.forms import Draft, see, submitted
from panorad.access.web.session import allowed, refused
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.transaction import Transaction
from panorad.model.actor import Actor
from panorad.model.roles import may


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


class PortInvalid(PanoradError):
    """A port is a number between 1 and 65535, and goes with a host"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Branch:
    """An institution in the tree; `depth` counts those above it, `ours` tells whether it is in reach of who looks."""

    institution: gate.Institution
    depth: int
    ours: bool
    nodes: tuple[gate.Node, ...]


@dataclass(frozen=True, slots=True)
class InstitutionsPage:
    """The tree of the region, each institution before those below it; `chosen` is the one to change."""

    branches: tuple[Branch, ...]
    chosen: Branch | None
    node: gate.Node | None
    institution: str
    changes: bool
    registers: bool
    done: str
    form: str
    draft: Draft


def routes(deps: WebDeps) -> APIRouter:
    """The pages of this slice with their JSON twins, and what their forms send."""
    pages = InstitutionPages(deps)
    router = APIRouter()
    for path in ("/institutions", "/institutions.json"):
        router.add_route(path, pages.tree, methods=["GET"])
    for path, endpoint in (
        ("/institutions", pages.found),
        ("/institutions/nodes", pages.register),
        ("/institutions/{code}", pages.change),
    ):
        router.add_route(path, endpoint, methods=["POST"])
    return router


class InstitutionPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def tree(self, request: Request) -> Response:
        """GET /institutions?change=CODE&node=AETITLE: the tree of the region; an institution or a node to change."""
        actor = allowed(request, "institution", "read")
        asked = request.query_params
        return self._tree(request, actor, "change" if asked.get("change") else "node" if asked.get("node") else "")

    def _tree(self, request: Request, actor: Actor, form: str = "", draft: Draft | None = None, status: int = 200) -> Response:
        code = request.path_params.get("code") or request.query_params.get("change", "")
        title = request.query_params.get("node", "")
        with self.deps.begin(actor) as tx:
            known, nodes = gate.institutions(tx), gate.nodes(tx)
            reach = {one.id for one in gate.in_reach(tx)}
        branches = tuple(branches_of(known, nodes, reach))
        context = InstitutionsPage(
            branches=branches, chosen=next((one for one in branches if one.institution.code == code and one.ours), None),
            node=next((one for one in nodes if one.ae_title == title), None), institution=actor.institution_code,
            changes=may(actor.roles, "institution", "change"), registers=may(actor.roles, "node", "change"),
            done=request.query_params.get("done", ""), form=form, draft=draft or Draft(),
        )  # fmt: skip
        return self.deps.shell.page(
            request, "institutions/tree.html", context, self.deps.shell.text(request, _("Institutions")), actor, status=status
        )

    def found(self, request: Request) -> Response:
        """POST /institutions: add an institution below another."""
        actor, fields = submitted(request, "institution", "change")
        code, name, chinese, issuer, parent = (fields.get(one, "").strip() for one in ("code", "name", "name-zh", "issuer", "parent"))
        return self._changed(
            request, actor, fields, lambda tx: gate.found_institution(tx, code, name, chinese, issuer, parent), "added", "found"
        )

    def change(self, request: Request) -> Response:
        """POST /institutions/{code}: change an institution's names and the one above it."""
        actor, fields = submitted(request, "institution", "change")
        code = request.path_params["code"]
        name, chinese, parent = (fields.get(one, "").strip() for one in ("name", "name-zh", "parent"))
        return self._changed(
            request, actor, fields, lambda tx: gate.change_institution(tx, code, name, chinese, parent or None), "changed", "change"
        )

    def register(self, request: Request) -> Response:
        """POST /institutions/nodes: register a DICOM node, or change it."""
        actor, fields = submitted(request, "node", "change")

        def change(tx: Transaction) -> None:
            names = ("ae-title", "institution", "host", "port", "description")
            title, at, host, port, words = (fields.get(one, "").strip() for one in names)
            if bool(host) != bool(port) or (port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535)):
                raise PortInvalid
            gate.register_node(tx, title, at, host[:253], int(port) if port else None, words[:200])

        return self._changed(request, actor, fields, change, "registered", "node")

    def _changed(
        self, request: Request, actor: Actor, fields: Mapping[str, str], change: Callable[[Transaction], None], done: str, form: str
    ) -> Response:
        """Make a change and go on, or show the form again with the reason; a refusal leaves an event."""
        try:
            with self.deps.begin(actor) as tx:
                change(tx)
        except PanoradError as error:
            if error.kind is Kind.FORBIDDEN:
                refused(request, actor, "node" if form == "node" else "institution", "change")
            elif error.kind not in {Kind.INVALID, Kind.CONFLICT, Kind.ABSENT}:
                raise
            draft = Draft.of(fields, sentence(self.deps.shell.language(request), error))
            return self._tree(request, actor, form, draft, status_for(error.kind))
        return see(f"/institutions?done={done}")


def branches_of(known: list[gate.Institution], nodes: list[gate.Node], reach: set[int]) -> list[Branch]:
    """The institutions as a tree in reading order: each before those below it, siblings by code."""
    found: list[Branch] = []

    def follow(parent: str | None, depth: int) -> None:
        for one in known:
            if one.parent == parent:
                held = tuple(node for node in nodes if node.institution == one.code)
                found.append(Branch(one, depth, one.id in reach, held))
                follow(one.code, depth + 1)

    follow(None, 0)
    return found
