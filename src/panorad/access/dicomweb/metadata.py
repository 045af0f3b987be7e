"""WADO-RS of metadata (PS3.18 section 10.4.1.1.2): JSON or XML of studies, series and instances, with strong entity tags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from panorad.access.dicomweb import ranges
from panorad.access.dicomweb.deflate import Piece, join
from panorad.access.dicomweb.deps import DicomWebDeps
from panorad.access.dicomweb.documents import Documents, elements, inflate
from panorad.access.dicomweb.errors import NotAcceptable, NotFound
from panorad.access.dicomweb.media import DICOM_JSON, DICOM_XML, accept_of, related, wanted
from panorad.access.dicomweb.multipart import closing, part_head, write_boundary
from panorad.access.dicomweb.native import to_xml
from panorad.access.dicomweb.target import Target, base_url, record, stored, target_of
from panorad.access.dicomweb.visible import version_of
from panorad.data.process.recorder import Retrieval
from panorad.kit.jsontext import dumps
from panorad.model.actor import Actor
from panorad.model.instance import Stored

SMALL = 1400
"""Answers below this size, in bytes, are not compressed: they fit one packet."""


class Metadata:
    """Answers for metadata."""

    def __init__(self, deps: DicomWebDeps) -> None:
        self._deps = deps
        self._documents = Documents(deps.cache_dir, deps.blobs)

    def metadata(self, request: Request) -> Response:
        """The metadata of a study, a series or one instance."""
        actor, target, xml = self._deps.actor(request), target_of(request), wants_xml(accept_of(request))
        base = base_url(request)
        if target.instance:
            return self._instance(request, actor, target, base, xml)
        with self._deps.begin(actor) as tx:
            versions = self._deps.imaging.series_versions(tx, target.study)
        uids = [uid for uid in dict.fromkeys(v.series_uid for v in versions) if target.series in ("", uid)]
        if not uids:
            raise NotFound(f"{'series' if target.series else 'study'} {(target.series or target.study)[:64]}")
        identity = [(uid, version_of(versions, uid)) for uid in uids]
        etag = f'W/"{blake2b(repr((identity, base, xml)).encode(), digest_size=16).hexdigest()}"'
        counts = {uid: sum(v.instances for v in versions if v.series_uid == uid) for uid in uids}
        self._deps.retrieved(actor, [Retrieval(target.study, uid, count, 0) for uid, count in counts.items()])
        if ranges.not_modified(request, etag):
            return ranges.unchanged(etag, {"Vary": "Accept, Accept-Encoding"})

        def load(series_uid: str) -> Sequence[Stored]:
            with self._deps.begin(actor) as tx:
                return self._deps.imaging.stored(tx, target.study, series_uid)

        if len(uids) == 1:
            document = self._documents.document(*identity[0], base, partial(load, uids[0]))
        else:
            document = join(self._documents.series(uid, version, base, partial(load, uid)) for uid, version in identity)
        return negotiated(request, document, etag, xml)

    def _instance(self, request: Request, actor: Actor, target: Target, base: str, xml: bool) -> Response:
        found = stored(self._deps, actor, target)[:1]
        etag = f'W/"{blake2b(repr((found[0].digest, base, xml)).encode(), digest_size=16).hexdigest()}"'
        record(self._deps, actor, found)
        if ranges.not_modified(request, etag):
            return ranges.unchanged(etag, {"Vary": "Accept, Accept-Encoding"})
        return negotiated(request, join((Piece.of(elements(self._deps.blobs, found, base), 1),)), etag, xml)


def negotiated(request: Request, document: bytes, etag: str, xml: bool) -> Response:
    """A gzip document of a JSON array as the client takes it: gzip or plain, JSON or XML."""
    headers = {"ETag": etag, "Cache-Control": ranges.PRIVATE, "Vary": "Accept, Accept-Encoding"}
    if xml:
        return xml_response(json.loads(inflate(document)), headers)
    headers["Content-Type"] = DICOM_JSON
    if takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
    else:
        document = inflate(document)
    return Response(document, 200, headers)


def wants_xml(accept: str) -> bool:
    """Whether XML is wanted before JSON. Raises NotAcceptable when the client takes neither."""
    for want in wanted(accept, [DICOM_XML], bare=[DICOM_JSON], envelope=False):
        return want.multipart
    raise NotAcceptable(f'it can be had as {DICOM_JSON} or multipart/related; type="{DICOM_XML}"')


def xml_response(datasets: Sequence[Mapping[str, Any]], headers: Mapping[str, str]) -> Response:
    """Data sets as multipart/related with one Native DICOM Model document each."""
    boundary = write_boundary()
    head = part_head(boundary, DICOM_XML)
    body = b"".join(head + to_xml(dataset) for dataset in datasets) + closing(boundary)
    return Response(body, 200, {**headers, "Content-Type": related(DICOM_XML, boundary)})


def json_response(request: Request, value: Any, headers: Mapping[str, str], status: int = 200) -> Response:
    """A value in the DICOM JSON Model, compressed when that is worth it."""
    body = dumps(value)
    told = {**headers, "Content-Type": DICOM_JSON}
    if len(body) > SMALL and isinstance(value, list) and takes_gzip(request):
        body, told["Content-Encoding"] = join((Piece.of(body[1:-1], 1),)), "gzip"
    return Response(body, status, told)


def takes_gzip(request: Request) -> bool:
    """Whether the client takes gzip (RFC 9110 section 12.5.3)."""
    for coding in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() in ("gzip", "x-gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
