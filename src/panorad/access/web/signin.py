"""Sign in, sign out, the first administrator's one-time link, and changing one's password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from panorad.access.gate import passwords
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import sentence, status_for
from panorad.access.web.forms import form, local, see
from panorad.access.web.origin import origin_of
from panorad.access.web.session import PENDING_COOKIE, at, forget, named, remember, session_actor, token_of
from panorad.kit.errors import Kind, PanoradError
from panorad.model.actor import SYSTEM

PENDING_S = 5 * 60
"""Seconds that the cookie of a sign-in without its code is kept; the center's own time for it is the same."""


def _(text: str) -> str:
    """Mark a text for the catalogue."""
    return text


class WelcomeUsed(PanoradError):
    """This link has been used or is not valid; sign in, or ask for a new one on the center's command line"""

    kind = Kind.ABSENT


class NoAccount(PanoradError):
    """Only a person with an account has a password"""

    kind = Kind.FORBIDDEN


@dataclass(frozen=True, slots=True)
class SignInForm:
    """The sign-in page. `next` is where to go afterwards; `ended`: the session ended by itself; `left`: the person ended it.

    `provider` is the name of the OpenID provider where there is one.
    """

    next: str = "/"
    login: str = ""
    error: str = ""
    ended: bool = False
    provider: str = ""
    left: bool = False


@dataclass(frozen=True, slots=True)
class CodeForm:
    """The second step: a code of the authenticator app."""

    next: str = "/"
    error: str = ""


@dataclass(frozen=True, slots=True)
class WelcomeForm:
    """The page of the first administrator."""

    token: str
    login: str = ""
    name: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class PasswordForm:
    """The page for a new password."""

    done: bool = False
    error: str = ""


def routes(deps: WebDeps) -> APIRouter:
    """GET and POST of /sign-in, /sign-in/code, /welcome, /account/password; POST /sign-out."""
    pages = SignInPages(deps)
    router = APIRouter()
    for path, show, send in (
        ("/sign-in", pages.sign_in_page, pages.sign_in),
        ("/sign-in/code", pages.code_page, pages.code),
        ("/welcome", pages.welcome_page, pages.welcome),
        ("/account/password", pages.password_page, pages.password),
    ):
        router.add_route(path, show, methods=["GET"])
        router.add_route(path, send, methods=["POST"])
    router.add_route("/sign-out", pages.sign_out, methods=["POST"])
    return router


class SignInPages:
    """The endpoints, with what they stand on."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps

    def sign_in_page(self, request: Request) -> Response:
        """GET /sign-in."""
        asked = request.query_params
        context = SignInForm(next=local(asked.get("next", "/")), ended=asked.get("ended") == "1", left="left" in asked)
        return self._show_sign_in(request, context)

    def sign_in(self, request: Request) -> Response:
        """POST /sign-in: a session cookie and on to the page wanted or to the second step, or the form again with the reason."""
        fields = form(request)
        wanted, login = local(fields.get("next", "/")), fields.get("login", "").strip()
        try:
            with self.deps.begin(at(request, SYSTEM)) as tx:
                _account, token, pending = self.deps.gate.sign_in(tx, login, fields.get("password", ""), origin_of(request))
        except PanoradError as error:
            return self._show_sign_in(request, SignInForm(wanted, login, self._said(request, error)), status_for(error.kind))
        if pending:
            response = RedirectResponse(f"/sign-in/code?next={quote(wanted)}", 303)
            remember(request, response, token, PENDING_COOKIE, PENDING_S)
            return response
        response = see(wanted)
        remember(request, response, token)
        return response

    def code_page(self, request: Request) -> Response:
        """GET /sign-in/code: the second step; without the first it begins there."""
        wanted = local(request.query_params.get("next", "/"))
        with self.deps.begin(at(request, SYSTEM)) as tx:
            if not self.deps.gate.awaits_code(tx, self._pending(request)):
                return self._from_the_start(request, wanted)
        return self._show_code(request, CodeForm(wanted))

    def code(self, request: Request) -> Response:
        """POST /sign-in/code: a session cookie and on to the page wanted, or the form again with the reason."""
        fields, pending = form(request), self._pending(request)
        wanted = local(fields.get("next", "/"))
        try:
            with self.deps.begin(at(request, SYSTEM)) as tx:
                if not self.deps.gate.awaits_code(tx, pending):
                    return self._from_the_start(request, wanted)
                _account, token, _pending = self.deps.gate.finish_sign_in(tx, pending, fields.get("code", ""), origin_of(request))
        except PanoradError as error:
            return self._show_code(request, CodeForm(wanted, self._said(request, error)), status_for(error.kind))
        response = see(wanted)
        remember(request, response, token)
        forget(request, response, PENDING_COOKIE)
        return response

    def _pending(self, request: Request) -> str:
        return request.cookies.get(named(request, PENDING_COOKIE), "")

    def _from_the_start(self, request: Request, wanted: str) -> Response:
        response = RedirectResponse(f"/sign-in?next={quote(wanted)}", 303)
        forget(request, response, PENDING_COOKIE)
        return response

    def sign_out(self, request: Request) -> Response:
        """POST /sign-out: end the session here and at the center."""
        form(request)
        if token := token_of(request):
            with self.deps.begin(at(request, SYSTEM)) as tx:
                self.deps.gate.sign_out(tx, token)
        response = RedirectResponse("/sign-in?left=1" if self.deps.provider else "/sign-in", 303)
        forget(request, response)
        return response

    def welcome_page(self, request: Request) -> Response:
        """GET /welcome?token=: the form of the first administrator; raises `WelcomeUsed`."""
        token = request.query_params.get("token", "")
        with self.deps.begin(at(request, SYSTEM)) as tx:
            if not self.deps.gate.welcome_open(tx, token):
                raise WelcomeUsed
        return self._show_welcome(request, WelcomeForm(token))

    def welcome(self, request: Request) -> Response:
        """POST /welcome: make the first administrator and sign in."""
        fields = form(request)
        token, login, name, password = (fields.get(key, "") for key in ("token", "login", "name", "password"))
        login, name = login.strip(), name.strip() or login.strip()
        try:
            passwords.check(password, login, fields.get("again", ""))
            self.deps.breached(password)
            with self.deps.begin(at(request, SYSTEM)) as tx:
                account = self.deps.gate.redeem_welcome(tx, token, login, name, password)
                session = self.deps.gate.begin_session(tx, account.id, origin_of(request))
        except PanoradError as error:
            if error.kind not in {Kind.INVALID, Kind.CONFLICT}:
                raise
            return self._show_welcome(
                request, WelcomeForm(token, login, name, self._said(request, error)), status_for(error.kind)
            )
        response = see("/")
        remember(request, response, session)
        return response

    def password_page(self, request: Request) -> Response:
        """GET /account/password."""
        return self._show_password(request, PasswordForm(done=request.query_params.get("done") == "1"))

    def password(self, request: Request) -> Response:
        """POST /account/password: every session of the account ends, and a new one begins here."""
        fields, actor = form(request), session_actor(request)
        if actor.account is None:
            raise NoAccount
        try:
            passwords.check(fields.get("new", ""), actor.name, fields.get("again", ""))
            self.deps.breached(fields["new"])
            with self.deps.begin(actor) as tx:
                self.deps.gate.set_password(tx, actor.account, fields.get("old", ""), fields["new"])
                session = self.deps.gate.begin_session(tx, actor.account, origin_of(request))
        except PanoradError as error:
            if error.kind not in {Kind.INVALID, Kind.FORBIDDEN}:
                raise
            return self._show_password(request, PasswordForm(error=self._said(request, error)), status_for(error.kind))
        response = see("/account/password?done=1")
        remember(request, response, session)
        return response

    def _said(self, request: Request, error: PanoradError) -> str:
        return sentence(self.deps.shell.language(request), error)

    def _show_sign_in(self, request: Request, context: SignInForm, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Sign in"))
        if self.deps.provider:
            context = replace(context, provider=self.deps.provider.name)
        return self.deps.shell.render(request, "web/sign_in.html", context, title, status=status)

    def _show_code(self, request: Request, context: CodeForm, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Second step"))
        return self.deps.shell.render(request, "web/sign_in_code.html", context, title, status=status)

    def _show_welcome(self, request: Request, context: WelcomeForm, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Welcome to Panorad"))
        return self.deps.shell.render(request, "web/welcome.html", context, title, status=status)

    def _show_password(self, request: Request, context: PasswordForm, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Change password"))
        return self.deps.shell.render(request, "web/password.html", context, title, session_actor(request), status=status)
