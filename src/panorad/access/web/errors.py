"""One table from an error's kind to HTTP's answer: a page for people, problem details (RFC 9457) for programs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from panorad.access.web.bearer import challenge
from panorad.access.web.language import preferences
from panorad.access.web.session import SignInNeeded, StepUpNeeded, deps_of
from panorad.kit.errors import Kind, PanoradError
from panorad.kit.i18n import translate


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class Answer:
    """What HTTP says to one kind of error: status, heading, and what the person can do."""

    status: int
    title: str
    advice: str


KEPT = _("Nothing that was stored has been changed.")

ANSWERS: dict[Kind, Answer] = {
    Kind.INVALID: Answer(400, _("This cannot be done as asked"), _("Go back, correct it and send it again.")),
    Kind.ABSENT: Answer(
        404,
        _("There is nothing here"),
        _("It may have moved, or you may not be allowed to see it. Look for it in the study list."),
    ),
    Kind.CONFLICT: Answer(409, _("This does not fit what is stored"), _("Reload the page to see how it stands now.")),
    Kind.FORBIDDEN: Answer(
        403, _("You may not do this"), _("If you need it for your work, ask an administrator of your institution.")
    ),
    Kind.UNAVAILABLE: Answer(
        503,
        _("The center cannot do this right now"),
        _("Wait a minute and try again. If it stays so, tell the people who run the center."),
    ),
    Kind.UNSUPPORTED: Answer(406, _("This form is not offered"), _("Ask for it in another form.")),
    Kind.INTERNAL: Answer(
        500, _("Something went wrong in the center"), _("Try again. If it happens again, report the number below.")
    ),
}

_KIND_OF_STATUS = {
    400: Kind.INVALID,
    403: Kind.FORBIDDEN,
    404: Kind.ABSENT,
    406: Kind.UNSUPPORTED,
    409: Kind.CONFLICT,
    503: Kind.UNAVAILABLE,
}


class NoSuchPage(PanoradError):
    """No page has this address"""

    kind = Kind.ABSENT


class FormRefused(PanoradError):
    """This form is too old or came from another site"""

    kind = Kind.FORBIDDEN


class BodyTooLarge(PanoradError):
    """More was sent than this address takes"""

    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem details (RFC 9457); `request` is the number by which the log finds the request."""

    type: str
    title: str
    status: int
    detail: str
    kept: str
    advice: str
    request: str


def status_for(kind: Kind) -> int:
    """The HTTP status of a kind of error."""
    return ANSWERS[kind].status


def wants_json(request: Request) -> bool:
    """Whether the answer goes to a program: the address ends in .json, or Accept names JSON and not HTML."""
    accept = request.headers.get("accept", "")
    return request.url.path.endswith(".json") or ("json" in accept and "text/html" not in accept)


def sentence(language: str, error: PanoradError) -> str:
    """An error's own sentence in a language, and its detail as it is."""
    first = next(iter((error.__doc__ or "").strip().splitlines()), "").rstrip(".")
    return translate(language, first) + (f": {error.detail}" if error.detail else "")


def problem(request: Request, error: PanoradError, status: int | None = None) -> Problem:
    """The problem details of an error in the visitor's language: its own sentence, none for an internal error."""
    answer = ANSWERS[error.kind]
    language = preferences(request, deps_of(request).settings.language).language
    return Problem(
        type="about:blank",
        title=translate(language, answer.title),
        status=status or answer.status,
        detail="" if error.kind is Kind.INTERNAL else sentence(language, error),
        kept=translate(language, KEPT),
        advice=translate(language, answer.advice),
        request=str(getattr(request.state, "request_id", "")),
    )


def answer(request: Request, error: PanoradError, status: int | None = None) -> Response:
    """The response to an error. Somebody who needs to sign in is taken to the page for it, and back afterwards."""
    if isinstance(error, SignInNeeded):
        if not wants_json(request) and "text/html" in request.headers.get("accept", ""):
            here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?next={quote(here)}" if here != "/" else "/sign-in", 303)
        status = 401
    if isinstance(error, StepUpNeeded) and not wants_json(request) and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/account/confirm?next={quote(_page(request))}", 303)
    refused = challenge(error)
    if refused:
        status = refused[0]
    found = problem(request, error, status)
    if refused or wants_json(request) or request.url.path.startswith("/dicom-web"):
        body = {name: getattr(found, name) for name in Problem.__slots__ if getattr(found, name)}
        return JSONResponse(body, found.status, refused[1] if refused else None, "application/problem+json")
    return deps_of(request).shell.render(request, "web/error.html", found, title=found.title, status=found.status)


def _page(request: Request) -> str:
    """The page that a person is on: what was asked for, or for a form the page that it came from."""
    if request.method == "GET":
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    from_page = urlsplit(request.headers.get("referer", ""))
    return (from_page.path or "/") + (f"?{from_page.query}" if from_page.query else "")


def answer_panorad(request: Request, error: Exception) -> Response:
    """Exception handler for `PanoradError`."""
    assert isinstance(error, PanoradError)
    return answer(request, error)


def answer_http(request: Request, error: Exception) -> Response:
    """Exception handler for what the framework raises itself: no such path, wrong method."""
    assert isinstance(error, HTTPException)
    kind = _KIND_OF_STATUS.get(error.status_code, Kind.INVALID if error.status_code < 500 else Kind.INTERNAL)
    named = NoSuchPage() if kind is Kind.ABSENT else type("Refused", (PanoradError,), {"kind": kind, "__doc__": ""})()
    response = answer(request, named, error.status_code)
    response.headers.update(error.headers or {})
    return response
