"""What every request of a person or program needs: services, the session, the right to go on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request

from cloud.access import Action, Passwords, Resource, Session, authorize, csrf, sessions
from cloud.access.http import Cookies
from cloud.access.sign_in import Caller
from cloud.errors import Refused
from cloud.services import Services


@dataclass(frozen=True)
class Desk:
    """The parts of the application that serves people.

    Attributes:
        services: the worker's parts.
        passwords: hashes and checks passwords.
        cookies: names and attributes of the cookies of this request.
    """

    services: Services
    passwords: Passwords
    cookies: Cookies


class NotSignedIn(Refused):
    """No open session comes with the request."""

    code = "not_signed_in"
    status = 401


class Forbidden(Refused):
    """The session's user may not do this."""

    code = "forbidden"
    status = 403


class ForgedRequest(Refused):
    """The request does not come from our own page, or lacks the session's token."""

    code = "forged_request"
    status = 403


def desk(request: Request) -> Desk:
    """The application's parts. Cookies are bound to TLS where the client's own connection is.

    A proxy that ends TLS says so, and is believed by its address (`web.trusted_proxies`).
    """
    found = request.app.state.desk
    assert isinstance(found, Desk)  # noqa: S101 - set once by create_user_app
    return replace(found, cookies=Cookies(secure=request.scope["scheme"] == "https"))


DeskOf = Annotated[Desk, Depends(desk)]


def is_browser_in_background(request: Request) -> bool:
    """Whether a page asks by itself: it looks only, and nobody has acted."""
    mode = request.headers.get("sec-fetch-mode")
    return request.method in csrf.SAFE_METHODS and mode not in (None, "navigate")


def caller(request: Request) -> Caller:
    """Where the request comes from."""
    return Caller(
        address=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", ""),
        program="sec-fetch-site" not in request.headers and "origin" not in request.headers,
    )


def refuse_foreign_origin(request: Request) -> None:
    """Refuse a changing request that another site has started.

    Raises:
        ForgedRequest: the browser says that it comes from elsewhere.
    """
    if request.method in csrf.SAFE_METHODS:
        return
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    foreign = csrf.foreign_origin(request.headers, own)
    if foreign is not None:
        raise ForgedRequest(f"the request comes from {foreign!r}; open the console itself")


async def session_of(request: Request) -> Session | None:
    """The open session of a request, with its idle time renewed when a person has acted."""
    parts = desk(request)
    token = request.cookies.get(parts.cookies.session)
    if not token:
        return None
    session = await sessions.find_session(parts.services.pool, token)
    if session is not None and not is_browser_in_background(request):
        await sessions.touch(parts.services.pool, session)
    return session


def permitted(action: Action, kind: str = "station") -> Callable[[Request], Awaitable[Session]]:
    """A dependency that lets a request through when its user may do `action`.

    The id of the resource is the path's `{station}`, where there is one.
    """

    async def check(request: Request) -> Session:
        refuse_foreign_origin(request)
        session = await session_of(request)
        if session is None:
            raise NotSignedIn("sign in first: POST /api/v1/session, or the page /sign-in")
        if request.method not in csrf.SAFE_METHODS and not csrf.token_matches(
            session.csrf_token, request.headers.get(csrf.HEADER)
        ):
            raise ForgedRequest("send the session's token in the header X-CSRF-Token")
        resource = Resource(kind, request.path_params.get("station"))
        decision = authorize(session.user, action, resource)
        if not decision.allowed:
            raise Forbidden(decision.rule)
        return session

    return check


Reader = Annotated[Session, Depends(permitted(Action.READ))]
OrderSender = Annotated[Session, Depends(permitted(Action.SEND_ORDER))]
StationKeeper = Annotated[Session, Depends(permitted(Action.CREATE_STATION, "fleet"))]
UserKeeper = Annotated[Session, Depends(permitted(Action.CREATE_USER, "fleet"))]
ModelUploader = Annotated[Session, Depends(permitted(Action.UPLOAD_MODEL, "model"))]
ModelApprover = Annotated[Session, Depends(permitted(Action.APPROVE_MODEL, "model"))]
ModelSender = Annotated[Session, Depends(permitted(Action.DEPLOY_MODEL))]
MarketReader = Annotated[Session, Depends(permitted(Action.READ_MARKET))]
PriceImporter = Annotated[Session, Depends(permitted(Action.IMPORT_PRICES, "prices"))]
BidEditor = Annotated[Session, Depends(permitted(Action.EDIT_BID))]
BidApprover = Annotated[Session, Depends(permitted(Action.APPROVE_BID))]
LimitSetter = Annotated[Session, Depends(permitted(Action.SET_LIMITS, "desk"))]
