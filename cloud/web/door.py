"""The way in and out: sign-in page, sign-out, and the choice of language and theme."""

import hashlib
import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from cloud.access import Session, csrf, sessions
from cloud.access.sign_in import (
    FIRST_SIGN_IN_FILE,
    Credentials,
    SignInRefused,
    TooManyAttempts,
    sign_in,
    sign_out,
)
from cloud.access.users import keep_language
from cloud.api.context import ForgedRequest, caller, desk, refuse_foreign_origin, session_of
from cloud.web import language as languages
from cloud.web.visit import THEME_COOKIE, THEMES, environment, local_path, theme_of, words_of

router = APIRouter(include_in_schema=False)

_VISITOR_BYTES = 24


class SignInForm(BaseModel):
    """What the sign-in page sends."""

    user: str = Field(max_length=64)
    password: str = Field(max_length=1024)
    csrf: str = ""
    back: str = "/"


class PreferencesForm(BaseModel):
    """What the language and theme buttons send."""

    language: str | None = None
    theme: str | None = None
    csrf: str = ""
    back: str = "/"


class SignOutForm(BaseModel):
    """What the sign-out button sends."""

    csrf: str = ""


@router.get("/sign-in")
async def sign_in_page(request: Request, back: str = "/") -> Response:
    """The sign-in form; whoever is signed in goes on."""
    if await session_of(request) is not None:
        return RedirectResponse(local_path(back), 303)
    return _form(request, back=back)


@router.post("/sign-in")
async def open_session(request: Request, form: Annotated[SignInForm, Form()]) -> Response:
    """Check user and password, open a session, go back to where the reader wanted to be."""
    refuse_foreign_origin(request)
    parts, t = desk(request), words_of(request)
    if not csrf.token_matches(_visitor_token(request), form.csrf):
        return _form(request, form, t("The form was too old. Sign in again."), status=403)
    try:
        session = await sign_in(
            parts.services.pool,
            parts.passwords,
            Credentials(form.user, form.password),
            caller(request),
            parts.services.config.data_dir,
        )
    except SignInRefused:
        return _form(request, form, t("User or password is wrong."), status=401)
    except TooManyAttempts as error:
        text = t("Too many failed attempts. Try again in {seconds} s.", seconds=error.wait_s)
        return _form(request, form, text, status=429)
    response = RedirectResponse(local_path(form.back), 303)
    parts.cookies.set_session(response, session.token, sessions.ABSOLUTE_S)
    return response


@router.post("/sign-out")
async def close_session(request: Request, form: Annotated[SignOutForm, Form()]) -> Response:
    """End the session."""
    session = await _checked(request, form.csrf)
    parts = desk(request)
    response = RedirectResponse("/sign-in", 303)
    if session is not None:
        await sign_out(parts.services.pool, session)
        parts.cookies.drop_session(response)
    return response


@router.post("/preferences")
async def set_preferences(request: Request, form: Annotated[PreferencesForm, Form()]) -> Response:
    """Remember language and theme in the browser, and the language with the user."""
    session = await _checked(request, form.csrf)
    parts = desk(request)
    response = RedirectResponse(local_path(form.back), 303)
    if form.language in languages.LANGUAGES:
        parts.cookies.set_preference(response, languages.COOKIE, form.language)
        if session is not None:
            await keep_language(parts.services.pool, session.user, form.language)
    if form.theme in THEMES:
        parts.cookies.set_preference(response, THEME_COOKIE, form.theme)
    return response


async def _checked(request: Request, token: str) -> Session | None:
    """The session of a form, whose token must be the session's or the visitor's.

    Raises:
        ForgedRequest: another site's form, or a form of another browser.
    """
    refuse_foreign_origin(request)
    session = await session_of(request)
    expected = session.csrf_token if session else _visitor_token(request)
    if not csrf.token_matches(expected, token):
        raise ForgedRequest("the form is not of this session; load the page again")
    return session


def _visitor_token(request: Request) -> str:
    """The token of the sign-in form that this browser was shown; random where it was shown none."""
    visitor = request.cookies.get(desk(request).cookies.visitor)
    return _token_of(visitor or secrets.token_urlsafe(_VISITOR_BYTES))


def _token_of(visitor: str) -> str:
    return hashlib.sha256(f"stationmaster sign-in form {visitor}".encode()).hexdigest()


def _form(
    request: Request,
    filled: SignInForm | None = None,
    problem: str = "",
    *,
    back: str = "/",
    status: int = 200,
) -> HTMLResponse:
    parts, t = desk(request), words_of(request)
    known = request.cookies.get(parts.cookies.visitor)
    visitor = known or secrets.token_urlsafe(_VISITOR_BYTES)
    context: dict[str, Any] = {
        "lang": t.language,
        "theme": theme_of(request),
        "t": t,
        "csrf": _token_of(visitor),
        "back": local_path(filled.back if filled else back),
        "user_name": filled.user if filled else "",
        "problem": problem,
        "first": (parts.services.config.data_dir / FIRST_SIGN_IN_FILE).exists(),
    }
    page = environment(t.language).get_template("sign_in.html").render(**context)
    response = HTMLResponse(page, status)
    if known is None:
        parts.cookies.set_visitor(response, visitor)
    return response
