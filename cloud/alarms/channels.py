"""Channels: hand one message to a mail server, a webhook, or a robot of WeCom or DingTalk.

Mail and webhooks go through the library apprise. The two robots answer HTTP 200 also to what they
refuse, and say so in the body, which apprise does not read; so they are spoken to here.
Sources: developer.work.weixin.qq.com/document/path/91770 (WeCom robots: at most 2,048 bytes of
text); open.dingtalk.com/document/robots/custom-robot-access (DingTalk robots, signatures).
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx

from cloud.alarms.messages import Message
from cloud.config_alarms import ChannelSection
from cloud.errors import CloudError, KeyStoreError
from cloud.private_files import read_secret

_TIMEOUT_S: Final = 10
_MOST_BYTES: Final = {"wecom": 2_048, "dingtalk": 18_000}
_ROBOTS: Final = {
    "wecom": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
    "dingtalk": "https://oapi.dingtalk.com/robot/send",
}
_MOST_ERROR: Final = 300


class NotDelivered(CloudError):  # noqa: N818 - an outcome; it is tried again
    """A receiver has not taken a message; the text says why, without any secret."""


async def deliver(channel: ChannelSection, message: Message) -> None:
    """Hand a message to a channel; return when its receiver has taken it.

    Raises:
        NotDelivered: it has not; the message may be tried again.
    """
    if channel.kind in _ROBOTS:
        await _ask_robot(channel, message)
    else:
        await asyncio.to_thread(_through_apprise, channel, message)


def secret_of(path: Path) -> str:
    """Return the first line of a secret file.

    Raises:
        NotDelivered: it cannot be read, is empty, or others may read it.
    """
    try:
        return read_secret(path)
    except KeyStoreError as error:
        raise NotDelivered(str(error)) from error


def _through_apprise(channel: ChannelSection, message: Message) -> None:
    import apprise  # noqa: PLC0415 - only who sends needs it, and it takes its time

    secret = secret_of(channel.secret_file) if channel.secret_file else ""
    asset = apprise.AppriseAsset(
        app_id="Stationmaster", app_desc="Stationmaster", app_url="", async_mode=False
    )
    sender = apprise.Apprise(asset=asset)
    if not sender.add(_apprise_url(channel, secret)):
        raise NotDelivered(f"channel {channel.name}: its address is not understood; check it")
    with apprise.LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]
        taken = sender.notify(
            message.body, title=message.title, body_format=apprise.NotifyFormat.TEXT
        )
        said = log.getvalue()
    if not taken:
        raise NotDelivered(_plain(said, secret) or "the receiver did not take the message")


def _apprise_url(channel: ChannelSection, secret: str) -> str:
    parts = urlsplit(channel.address or "")
    asked = {"cto": str(_TIMEOUT_S), "rto": str(_TIMEOUT_S), "redirect": "no"}
    host = parts.netloc.rpartition("@")[2]
    if channel.kind == "webhook":
        asked |= dict(_pairs(parts.query))
        if secret:
            asked["+Authorization"] = f"Bearer {secret}"
        scheme = "jsons" if parts.scheme == "https" else "json"
        return f"{scheme}://{host}{parts.path}?{urlencode(asked, safe='+', quote_via=quote)}"
    mode = "ssl" if parts.scheme == "smtps" else "starttls"
    scheme = "mailto" if channel.plain else "mailtos"
    asked |= {
        "from": channel.sender or "",
        "to": ",".join(channel.to),
        "smtp": parts.hostname or "",
    }
    asked |= {"mode": "insecure" if channel.plain else mode, "format": "text"}
    login = (
        f"{quote(channel.user or '', safe='')}:{quote(secret, safe='')}@" if channel.user else ""
    )
    return f"{scheme}://{login}{host}?{urlencode(asked, quote_via=quote)}"


def _pairs(query: str) -> list[tuple[str, str]]:
    """Query of the receiver's own address: apprise passes on what begins with a minus."""
    pairs = [part.partition("=") for part in query.split("&") if part]
    return [(f"-{name}", value) for name, _, value in pairs]


async def _ask_robot(channel: ChannelSection, message: Message) -> None:
    assert channel.secret_file is not None  # noqa: S101 - the section has checked it
    key = secret_of(channel.secret_file)
    text = _cut(f"{message.title}\n{message.body}", _MOST_BYTES[channel.kind])
    body: dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
    if channel.kind == "wecom":
        asked = {"key": key}
    else:
        asked = {"access_token": key}
        if channel.sign_file is not None:
            asked |= signature(secret_of(channel.sign_file), time.time_ns() // 1_000_000)
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=True) as client:
            answer = await client.post(
                channel.address or _ROBOTS[channel.kind], params=asked, json=body
            )
            said = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError) as error:
        raise NotDelivered(_plain(f"{type(error).__name__}: {error}", key)) from error
    if not answer.is_success:
        raise NotDelivered(f"the robot answered HTTP {answer.status_code}")
    if not isinstance(said, dict) or said.get("errcode") != 0:
        told = said if isinstance(said, dict) else {}
        reason = f"the robot refused: {told.get('errcode')} {told.get('errmsg', '')}"
        raise NotDelivered(_plain(reason, key))


def signature(secret: str, now_ms: int) -> dict[str, str]:
    """Return the parameters that sign a request to a DingTalk robot (HMAC-SHA256)."""
    digest = hmac.new(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return {"timestamp": str(now_ms), "sign": base64.b64encode(digest).decode()}


def _cut(text: str, most_bytes: int) -> str:
    """Shorten a text to a number of UTF-8 bytes without breaking a character."""
    return text.encode()[:most_bytes].decode(errors="ignore")


def _plain(text: str, secret: str) -> str:
    """One line of what a library said, without the secret."""
    line = " ".join(text.split())
    for hidden in {secret, quote(secret, safe="")} - {""}:
        line = line.replace(hidden, "***")
    return line[:_MOST_ERROR]
