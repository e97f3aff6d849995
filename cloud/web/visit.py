"""One visit to a page: who reads it, in which language and theme, and how it is rendered."""

import hashlib
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cloud.access import Action, Resource, Session, authorize
from cloud.api.context import Desk, Forbidden, desk, session_of
from cloud.errors import Refused
from cloud.web import format as form
from cloud.web import language as languages
from cloud.web.language import Words

THEME_COOKIE = "sm_theme"
THEMES = ("dark", "light")
_DIGEST_CHARS = 16


class GoSignIn(Refused):
    """Nobody is signed in: the reader is led to the sign-in page and back."""

    code = "not_signed_in"
    status = 401


@dataclass(frozen=True)
class Visit:
    """A signed-in reader before a page.

    Attributes:
        request: the request itself.
        parts: the application's parts.
        session: the open session.
        t: texts in the reader's language.
        theme: "dark" or "light".
        now_ms: when the page is made.
    """

    request: Request
    parts: Desk
    session: Session
    t: Words
    theme: str
    now_ms: int

    @property
    def language(self) -> str:
        """Tag of the reader's language."""
        return self.t.language

    def render(self, template: str, context: dict[str, Any], status: int = 200) -> HTMLResponse:
        """A page in the reader's language and theme."""
        return HTMLResponse(
            environment(self.language).get_template(template).render(**self.common(), **context),
            status,
        )

    def fragment(self, template: str, name: str, view: dict[str, Any]) -> Response:
        """A part of a page, or 204 when the reader has seen exactly this one."""
        if self.request.query_params.get("seen") == view["digest"]:
            return Response(status_code=204)
        return self.render(template, {name: view})

    def common(self) -> dict[str, Any]:
        """What every template may use."""
        path = self.request.url.path
        query = self.request.url.query
        return {
            "lang": self.language,
            "theme": self.theme,
            "t": self.t,
            "user": self.session.user,
            "csrf": self.session.csrf_token,
            "path": f"{path}?{query}" if query else path,
            "module_words": self.t.for_modules(),
            "now_ms": self.now_ms,
        }


async def visit(request: Request) -> Visit:
    """The dependency of every page.

    Raises:
        GoSignIn: no open session.
        Forbidden: the user may not look.
    """
    session = await session_of(request)
    if session is None:
        raise GoSignIn("sign in first")
    decision = authorize(
        session.user, Action.READ, Resource("page", request.path_params.get("station"))
    )
    if not decision.allowed:
        raise Forbidden(decision.rule)
    return Visit(
        request,
        desk(request),
        session,
        words_of(request),
        theme_of(request),
        time.time_ns() // 1_000_000,
    )


PageVisit = Annotated[Visit, Depends(visit)]


def words_of(request: Request) -> Words:
    """Texts in the language of the cookie or the browser's wish."""
    return languages.words(
        languages.choose(
            request.cookies.get(languages.COOKIE), request.headers.get("accept-language")
        )
    )


def theme_of(request: Request) -> str:
    """The theme of the cookie; dark, as in a control room, at the first visit."""
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in THEMES else THEMES[0]


def local_path(path: str | None) -> str:
    """A path of our own to go back to, or the fleet page for anything else."""
    if path and path.startswith("/") and not path.startswith(("//", "/\\")) and "\\" not in path:
        return path
    return "/"


def sign_in_address(request: Request) -> str:
    """The sign-in page that leads back to this request's page."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/sign-in?back={quote(request.url.path + query)}"


def digest(view: object) -> str:
    """A short name of a fragment's content; equal content has an equal name."""
    return hashlib.sha256(repr(view).encode()).hexdigest()[:_DIGEST_CHARS]


@cache
def environment(language: str) -> Environment:
    """Templates of one language; undefined names are errors, all values are escaped."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["tag"] = form.tag
    made.globals.update(static=lambda path: f"/static/{path}", language=language)
    return made
