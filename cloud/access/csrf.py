"""A request that changes something must come from our own page and carry the session's token.

Two independent defences: the browser's own statement of where the request comes from
(`Sec-Fetch-Site`, or `Origin` from older browsers), and a random token of the session that only a
page of ours could read. Programs without a browser make no such statement and prove themselves by
the token alone. Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet.
"""

import hmac
from collections.abc import Mapping

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "x-csrf-token"


def token_matches(expected: str, presented: str | None) -> bool:
    """Whether `presented` is the session's token, compared in constant time."""
    return presented is not None and hmac.compare_digest(
        expected.encode(), presented.encode(errors="replace")
    )


def foreign_origin(headers: Mapping[str, str], own_origin: str) -> str | None:
    """The foreign place this request says it comes from, or None when nothing speaks against it.

    Args:
        headers: request headers with lower-case names.
        own_origin: scheme, host and port under which the client reached us.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site == "same-origin" else site
    origin = headers.get("origin")
    if origin is not None and origin != own_origin:
        return origin
    return None
