"""Sign-in and sign-out for programs, and the sign of life of a person at a page."""

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from cloud.access import Session, sessions
from cloud.access.sign_in import Credentials, sign_in, sign_out
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader, caller, refuse_foreign_origin

router = APIRouter(prefix="/session", tags=["session"], responses=ERRORS)


class SignInRequest(BaseModel):
    """Who signs in."""

    user: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=1024)


class SessionAnswer(BaseModel):
    """The open session."""

    user: str
    roles: list[str]
    csrf_token: str = Field(description="send as header X-CSRF-Token with every changing request")


def _told(session: Session) -> SessionAnswer:
    return SessionAnswer(
        user=session.user.name, roles=sorted(session.user.roles), csrf_token=session.csrf_token
    )


@router.post("", status_code=201, dependencies=[Depends(refuse_foreign_origin)])
async def open_session(
    request: Request, response: Response, parts: DeskOf, body: SignInRequest
) -> SessionAnswer:
    """Open a session. The answer sets the session cookie and names the CSRF token.

    A browser's session ends after 15 minutes without an act, a program's after 12 hours.
    """
    services = parts.services
    session = await sign_in(
        services.pool,
        parts.passwords,
        Credentials(body.user, body.password),
        caller(request),
        services.config.data_dir,
    )
    parts.cookies.set_session(response, session.token, sessions.ABSOLUTE_S)
    return _told(session)


@router.get("")
async def show_session(session: Reader) -> SessionAnswer:
    """Who is signed in."""
    return _told(session)


@router.post("/activity", status_code=204)
async def note_activity(session: Reader) -> None:
    """A person has used the page: the idle time starts again."""
    del session  # renewed by the dependency


@router.delete("", status_code=204)
async def close_session(response: Response, parts: DeskOf, session: Reader) -> None:
    """End the session."""
    await sign_out(parts.services.pool, session)
    parts.cookies.drop_session(response)
