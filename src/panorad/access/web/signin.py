"""Sign in, sign out, the first administrator's one-time link, and changing one's password."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from panorad.access.gate import passwords
from panorad.access.web.deps import WebDeps
from panorad.access.web.errors import sentence, status_for
from panorad.access.web.forms import form, local, see
from panorad.access.web.session import COOKIE, forget, remember, session_actor
from panorad.kit.errors import Kind, PanoradError
from panorad.model.actor import SYSTEM


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
    """The sign-in page. `next` is where to go afterwards, `provider` the name of the OpenID provider where there is one."""

    next: str = "/"
    login: str = ""
    error: str = ""
    provider: str = ""
    left: bool = False


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
    """GET and POST of /sign-in, /welcome, /account/password; POST /sign-out."""
    pages = SignInPages(deps)
    router = APIRouter()
    for path, show, send in (
        ("/sign-in", pages.sign_in_page, pages.sign_in),
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
        return self._show_sign_in(request, SignInForm(next=local(asked.get("next", "/")), left="left" in asked))

    def sign_in(self, request: Request) -> Response:
        """POST /sign-in: a session cookie and on to the page wanted, or the form again with the reason."""
        fields = form(request)
        wanted, login = local(fields.get("next", "/")), fields.get("login", "").strip()
        try:
            token = self._begin_session(login, fields.get("password", ""))
        except PanoradError as error:
            return self._show_sign_in(request, SignInForm(wanted, login, self._said(request, error)), status_for(error.kind))
        response = see(wanted)
        remember(request, response, token)
        return response

    def sign_out(self, request: Request) -> Response:
        """POST /sign-out: end the session here and at the center."""
        form(request)
        if token := request.cookies.get(COOKIE):
            with self.deps.begin(SYSTEM) as tx:
                self.deps.gate.sign_out(tx, token)
        response = RedirectResponse("/sign-in?left=1" if self.deps.provider else "/sign-in", 303)
        forget(request, response)
        return response

    def welcome_page(self, request: Request) -> Response:
        """GET /welcome?token=: the form of the first administrator; raises `WelcomeUsed`."""
        token = request.query_params.get("token", "")
        with self.deps.begin(SYSTEM) as tx:
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
            with self.deps.begin(SYSTEM) as tx:
                self.deps.gate.redeem_welcome(tx, token, login, name, password)
        except PanoradError as error:
            if error.kind not in {Kind.INVALID, Kind.CONFLICT}:
                raise
            return self._show_welcome(
                request, WelcomeForm(token, login, name, self._said(request, error)), status_for(error.kind)
            )
        response = see("/")
        remember(request, response, self._begin_session(login, password))
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
            with self.deps.begin(actor) as tx:
                self.deps.gate.set_password(tx, actor.account, fields.get("old", ""), fields["new"])
        except PanoradError as error:
            if error.kind not in {Kind.INVALID, Kind.FORBIDDEN}:
                raise
            return self._show_password(request, PasswordForm(error=self._said(request, error)), status_for(error.kind))
        response = see("/account/password?done=1")
        remember(request, response, self._begin_session(actor.name, fields["new"]))
        return response

    def _begin_session(self, login: str, password: str) -> str:
        """A new session's token; raises the gate's refusal."""
        with self.deps.begin(SYSTEM) as tx:
            return self.deps.gate.sign_in(tx, login, password)[1]

    def _said(self, request: Request, error: PanoradError) -> str:
        return sentence(self.deps.shell.language(request), error)

    def _show_sign_in(self, request: Request, context: SignInForm, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Sign in"))
        if self.deps.provider:
            context = replace(context, provider=self.deps.provider.name)
        return self.deps.shell.render(request, "web/sign_in.html", context, title, status=status)

    def _show_welcome(self, request: Request, context: WelcomeForm, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Welcome to Panorad"))
        return self.deps.shell.render(request, "web/welcome.html", context, title, status=status)

    def _show_password(self, request: Request, context: PasswordForm, status: int = 200) -> Response:
        title = self.deps.shell.text(request, _("Change password"))
        return self.deps.shell.render(request, "web/password.html", context, title, session_actor(request), status=status)
