"""What a request's path names, and the stored instances behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from starlette.requests import Request

from panorad.access.dicomweb.deps import DicomWebDeps
from panorad.access.dicomweb.errors import NotFound
from panorad.data.process.recorder import Retrieval
from panorad.model.actor import Actor
from panorad.model.instance import Stored

ROOT = "/dicom-web"
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?P<port>:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """The study, series or instance of a path (PS3.18 section 10.1); empty UIDs were not named."""

    study: str
    series: str = ""
    instance: str = ""


def target_of(request: Request) -> Target:
    """The target of a request."""
    path = request.path_params
    return Target(path["study"], path.get("series", ""), path.get("instance", ""))


def stored(deps: DicomWebDeps, actor: Actor, target: Target) -> list[Stored]:
    """The instances of a target that the actor may see, in order; raises NotFound when there are none."""
    with deps.begin(actor) as tx:
        found = deps.imaging.stored(tx, target.study, target.series or None, target.instance or None)
    if not found:
        kind, uid = next(
            (kind, uid)
            for kind, uid in (("instance", target.instance), ("series", target.series), ("study", target.study))
            if uid
        )
        raise NotFound(f"{kind} {uid[:64]}")
    return found


def record(deps: DicomWebDeps, actor: Actor, instances: Sequence[Stored], frames: int = 0) -> None:
    """Record that these instances are about to leave, series by series. Raises what keeps them from leaving."""
    groups = groupby(instances, key=lambda one: (one.header.study_uid, one.header.series_uid))
    deps.retrieved(actor, [Retrieval(study, series, sum(1 for _ in group), frames) for (study, series), group in groups])


def base_url(request: Request) -> str:
    """The address under which this client sees the DICOMweb root.

    Some clients (dicomweb-client is one) leave the port out of the Host header; where they name the address we listen on, it
    is put back. A name without a port is left alone: that is a reverse proxy.
    """
    scope = request.scope
    server = scope.get("server") or ("localhost", None)
    named = _HOST.fullmatch(request.headers.get("host", ""))
    if named is None:  # no host that could stand in an address
        host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
    elif named["port"] or server[1] in (None, _DEFAULT_PORTS.get(scope["scheme"])) or named["name"] not in (server[0], "localhost"):
        host = named[0]
    else:
        host = f"{named[0]}:{server[1]}"
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}{ROOT}"


def url_of(base: str, study: str, series: str = "", instance: str = "") -> str:
    """The address of a study, series or instance."""
    return f"{base}/studies/{study}{series and f'/series/{series}'}{instance and f'/instances/{instance}'}"
