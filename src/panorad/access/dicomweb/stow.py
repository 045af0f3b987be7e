"""STOW-RS (PS3.18 section 10.5): instances go to the archive as their bytes arrive, and the answer tells what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from starlette.requests import Request
from starlette.responses import Response

from panorad.access.dicomweb.arrivals import Arrivals
from panorad.access.dicomweb.assemble import METADATA, Assembly
from panorad.access.dicomweb.deps import DicomWebDeps, Intake
from panorad.access.dicomweb.errors import BodyTooLarge, MalformedBody, NotAcceptable, UnsupportedMedia, problem
from panorad.access.dicomweb.feed import Feed
from panorad.access.dicomweb.ledger import CutShort, Ledger, NothingSent
from panorad.access.dicomweb.media import DICOM, DICOM_JSON, DICOM_XML, RELATED, Wanted, accept_of, parse_parameters, wanted
from panorad.access.dicomweb.metadata import json_response, xml_response
from panorad.access.dicomweb.multipart import Parser, PartBegin, PartData, PartEnd
from panorad.access.dicomweb.native import to_xml
from panorad.access.dicomweb.query import warning
from panorad.access.dicomweb.target import base_url
from panorad.access.gate.roles import require
from panorad.kit.errors import PanoradError, fault_of
from panorad.model.actor import Actor

log = structlog.get_logger()
WORKERS = 16
"""Store requests that one process works on at a time; further ones wait, and their senders with them."""


class Store:
    """Answers store requests."""

    def __init__(self, deps: DicomWebDeps) -> None:
        self._deps = deps
        self._workers = ThreadPoolExecutor(WORKERS, "stow")
        self._doors = ThreadPoolExecutor(2, "stow-door")  # so that who may not come in hears it also while all workers are busy

    async def store(self, request: Request) -> Response:
        """POST of instances to the root, or to a study that all of them must belong to."""
        loop = asyncio.get_running_loop()
        feed = Feed(loop)
        try:
            actor = await loop.run_in_executor(self._doors, self._deps.actor, request)
            if actor.kind == "person":
                require(actor, "study", "store")
            form = report_form(accept_of(request))
            kind, parameters = _body_type(request)
        except PanoradError as error:
            return problem(error)
        work = loop.run_in_executor(self._workers, self._work, feed, request, actor, kind, parameters)
        await feed.pump(request)
        ledger = await work
        return _answer(request, ledger, form)

    def _work(self, feed: Feed, request: Request, actor: Actor, kind: str, parameters: dict[str, str]) -> Ledger:
        ledger = Ledger()
        study = request.path_params.get("study", "")
        try:
            intake = self._deps.intakes.open(actor, f"stow {actor.name}@{request.client.host if request.client else ''}")
        except Exception as error:
            feed.stop()
            ledger.broken = _told(error)
            return ledger
        unflushed: PanoradError | None = None
        try:
            arrivals = Arrivals(intake, ledger, study, self._deps.limits.part_bytes)
            try:
                self._take(iter(feed), kind, parameters, arrivals)
            except Exception as error:
                ledger.broken = _told(error)
                arrivals.abort()
        finally:
            feed.stop()
            unflushed = _flushed(intake)
        ledger.settle(intake.receipts, unflushed)
        return ledger

    def _take(self, chunks: Iterator[bytes], kind: str, parameters: dict[str, str], arrivals: Arrivals) -> None:
        limits = self._deps.limits
        if kind == DICOM:
            arrivals.begin()
            for chunk in chunks:
                arrivals.write(memoryview(chunk))
            arrivals.end()
            return
        with Assembly(self._deps.cache_dir / "stow", limits.metadata_bytes) as assembly:
            if kind in METADATA:
                assembly.begin({"content-type": kind})
                for chunk in chunks:
                    assembly.write(memoryview(chunk))
                assembly.end()
            else:
                self._take_parts(chunks, parameters, arrivals, assembly)
            assembly.hand_over(arrivals)

    def _take_parts(self, chunks: Iterator[bytes], parameters: dict[str, str], arrivals: Arrivals, assembly: Assembly) -> None:
        parser = Parser(parameters.get("boundary", ""))
        top = parameters.get("type", "").lower()
        whole = False  # the current part is a whole instance
        for chunk in chunks:
            for event in parser.feed(chunk):
                if isinstance(event, PartData):
                    arrivals.write(event.data) if whole else assembly.write(event.data)
                elif isinstance(event, PartBegin):
                    if parser.parts > self._deps.limits.parts:
                        raise BodyTooLarge(f"more than {self._deps.limits.parts} parts")
                    whole = _is_instance(event, top)
                    arrivals.begin() if whole else assembly.begin(event.headers)
                elif isinstance(event, PartEnd):
                    arrivals.end() if whole else assembly.end()
        parser.close()


def report_form(accept: str) -> Wanted:
    """How the report on a store request is wanted: JSON, XML, or XML in an envelope. Raises NotAcceptable."""
    for want in wanted(accept, [DICOM_XML], bare=[DICOM_JSON, DICOM_XML], envelope=False):
        return want
    raise NotAcceptable(f"the report can be had as {DICOM_JSON} or {DICOM_XML}")


def _is_instance(part: PartBegin, top: str) -> bool:
    kind = parse_parameters(part.headers.get("content-type", ""))[0]
    return kind == DICOM or (top in ("", DICOM) and kind in ("", "application/octet-stream"))


def _body_type(request: Request) -> tuple[str, dict[str, str]]:
    if (coding := request.headers.get("content-encoding", "identity").strip().lower()) not in ("identity", ""):
        raise UnsupportedMedia(f"a body in the content coding {coding[:40]}")
    kind, parameters = parse_parameters(request.headers.get("content-type", ""))
    if kind == RELATED:
        top = parameters.get("type", "").lower()
        if top and top != DICOM and top not in METADATA:
            raise UnsupportedMedia(f"multipart/related of {top[:64]}")
        if not parameters.get("boundary"):
            raise MalformedBody("multipart/related without a boundary")
    elif kind != DICOM and kind not in METADATA:
        raise UnsupportedMedia(kind[:64] or "no Content-Type")
    return kind, parameters


def _told(error: Exception) -> PanoradError:
    """What the sender is told of an error; of one that nobody foresaw, the log is told where it came from."""
    if isinstance(error, PanoradError):
        return error
    log.error("a store request was cut short", fault=fault_of(error))
    return CutShort()


def _flushed(intake: Intake) -> PanoradError | None:
    """Flush and close an intake; the error by which some of its instances may not be stored."""
    try:
        intake.flush()
    except PanoradError as error:
        return error
    finally:
        with suppress(PanoradError):  # flush told the same, or nothing is left to lose
            intake.close()
    return None


def _answer(request: Request, ledger: Ledger, form: Wanted) -> Response:
    if ledger.broken is not None and not ledger.receipts and not ledger.failures:
        return problem(ledger.broken)
    if not ledger.receipts and not ledger.failures:
        return problem(NothingSent())
    base = base_url(request)
    headers = {"Warning": warning(base, texts)} if (texts := ledger.texts()) else {}
    dataset = ledger.dataset(base, request.path_params.get("study", ""))
    if form.multipart:
        answer = xml_response([dataset], headers)
    elif form.media_type == DICOM_XML:
        answer = Response(to_xml(dataset), 200, headers, DICOM_XML)
    else:
        answer = json_response(request, dataset, headers)
    answer.status_code = ledger.status
    return answer
