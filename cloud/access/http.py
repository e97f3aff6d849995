"""Headers that every answer carries, and cookies as strict as the listener allows.

The content security policy lets a page load scripts, styles, fonts and data from our own origin
and nothing else: no inline script, no inline style, no plug-in, no frame.
"""

from dataclasses import dataclass

from fastapi import Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_HSTS = "max-age=31536000"
_YEAR_S = 365 * 86_400


@dataclass(frozen=True)
class Cookies:
    """Names and attributes of our cookies; over TLS they are bound to this very host."""

    secure: bool

    @property
    def session(self) -> str:
        """Name of the session cookie."""
        return "__Host-sm_session" if self.secure else "sm_session"

    @property
    def visitor(self) -> str:
        """Name of the cookie that ties a sign-in form to the browser it was shown in."""
        return "__Host-sm_visitor" if self.secure else "sm_visitor"

    def set_session(self, response: Response, token: str, max_age_s: int) -> None:
        """Hand the session's name to the browser: unreadable for scripts, never sent cross-site."""
        self._set(response, self.session, token, max_age_s)

    def set_visitor(self, response: Response, token: str) -> None:
        """Mark the browser that sees the sign-in form."""
        self._set(response, self.visitor, token, None)

    def set_preference(self, response: Response, name: str, value: str) -> None:
        """Keep a preference (language, theme) for a year."""
        self._set(response, name, value, _YEAR_S)

    def drop_session(self, response: Response) -> None:
        """Make the browser forget the session."""
        response.delete_cookie(
            self.session, path="/", secure=self.secure, httponly=True, samesite="strict"
        )

    def _set(self, response: Response, name: str, value: str, max_age_s: int | None) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="strict",
        )


class SecurityHeaders:
    """Puts the headers on every answer, and forbids to keep what is not static."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", _HSTS)
                static = scope["path"].startswith("/static/")
                headers.setdefault("Cache-Control", "no-cache" if static else "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
