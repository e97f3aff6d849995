"""What people on site ask of a running station: resets and schedules, through its data folder.

Whoever may write into the data folder stands at the station; the way works without the cloud and
at stations that take no control from the Internet. A request is a file of its own, put there
whole; the station answers in a file beside it. The answer is for the person who waits; what
happened is told as an event like any other.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.orders import Order, OrderKind
from station.errors import StationError

_FOLDER = "on-site"
_LONGEST_REQUEST = 1 << 20
_EXPIRES_MS = 60_000
_POLL_S = 0.2
_PATIENCE_S = 15.0
_KEPT_S = 3600.0
"""An answer is read within `_PATIENCE_S`; this long somebody may still look for it by hand."""
_OWN = 0o600

log = logging.getLogger(__name__)


class OnSiteError(StationError):
    """The running station gave no answer, or the request cannot be written."""


@dataclass(frozen=True)
class Request:
    """One request, read from its file."""

    file: Path
    kind: OrderKind
    payload: Mapping[str, Any]

    def order(self, station: str, now_ms: int) -> Order:
        """Return the request as an order that nobody has signed: it came from the site."""
        return Order(
            id=str(uuid.uuid4()),
            station=station,
            counter=0,
            kind=self.kind,
            issued_ms=now_ms,
            not_before_ms=now_ms - 1,
            expires_ms=now_ms + _EXPIRES_MS,
            payload=self.payload,
        )


class Inbox:
    """The requests in the data folder of a station."""

    def __init__(self, data_dir: Path) -> None:
        """Look into this data folder."""
        self._folder = data_dir / _FOLDER
        self._given_up: set[Path] = set()

    def take(self) -> list[Request]:
        """Return the requests that wait, oldest first, and remove their files.

        One that is no request is answered and removed as well. One that cannot be removed would
        be carried out again every second: it is answered once and never carried out.
        """
        self._trim()
        waiting = sorted(self._folder.glob("*.request"))
        self._given_up &= set(waiting)
        return [
            request
            for file in waiting
            if file not in self._given_up and (request := self._read(file)) is not None
        ]

    def _read(self, file: Path) -> Request | None:
        try:
            request = _parse(file)
        except OnSiteError as error:
            request = None
            _refuse(file, f"no request: {error}")
        try:
            file.unlink()
        except OSError as error:
            self._given_up.add(file)
            _refuse(file, f"{file} cannot be removed: {error.strerror}; remove it by hand")
            return None
        return request

    def _trim(self) -> None:
        """Remove what nobody waits for any more: answers, and files half written."""
        oldest_s = time.time() - _KEPT_S
        for file in (*self._folder.glob("*.answer"), *self._folder.glob("*.new")):
            with suppress(OSError):  # it is tried again a second later
                if file.stat().st_mtime < oldest_s:
                    file.unlink()


def _parse(file: Path) -> Request:
    try:
        if not file.is_file():  # a pipe would be waited for
            raise OnSiteError("it is no file; put it there whole")
        with file.open("rb") as source:
            text = source.read(_LONGEST_REQUEST + 1)
        asked = json.loads(text) if len(text) <= _LONGEST_REQUEST else {}
        return Request(file, OrderKind(asked["kind"]), dict(asked["payload"]))
    except OSError as error:
        raise OnSiteError(
            f"it cannot be read: {error.strerror}; run this as the station's user"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OnSiteError(str(error)) from error


def _refuse(file: Path, reason: str) -> None:
    log.warning("event=on_site_refused file=%s reason=%r", file.name, reason)
    answer(Request(file, OrderKind.RESET, {}), accepted=False, reason=reason)


def answer(request: Request, *, accepted: bool, reason: str) -> None:
    """Put the answer beside the request, whole; where that cannot be, only the log has it."""
    told = json.dumps({"accepted": accepted, "reason": reason})
    try:
        _write_whole(request.file.with_suffix(".answer"), told)
    except OSError as error:
        log.warning(
            "event=on_site_not_answered file=%s reason=%r answer=%s",
            request.file.name, error.strerror, told,
        )  # fmt: skip


def ask(data_dir: Path, kind: OrderKind, payload: Mapping[str, Any]) -> tuple[bool, str]:
    """Ask the running station and wait for its answer: (accepted, reason).

    Raises:
        OnSiteError: no station answers from this folder.
    """
    folder = data_dir / _FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.request"
        _write_whole(file, json.dumps({"kind": kind.value, "payload": dict(payload)}))
        told = file.with_suffix(".answer")
        end = time.monotonic() + _PATIENCE_S
        while not told.is_file() and time.monotonic() < end:
            time.sleep(_POLL_S)
        if told.is_file():
            said = json.loads(told.read_text(encoding="utf-8"))
            told.unlink()
            return bool(said["accepted"]), str(said["reason"])
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OnSiteError(f"{folder}: {error.strerror}; run this as the station's user") from error
    raise OnSiteError(
        f"no station answers from {data_dir} within {_PATIENCE_S:.0f} s; is it running there?"
    )


def _write_whole(file: Path, text: str) -> None:
    staging = file.with_suffix(".new")
    # Whoever may read it could see what is asked of the station; only its own user may.
    handle = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWN)
    with os.fdopen(handle, "w", encoding="utf-8") as target:
        target.write(text)
    staging.replace(file)
