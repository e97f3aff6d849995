"""What people on site ask of a running station: resets and schedules, through its data folder.

Whoever may write into the data folder stands at the station; the way works without the cloud and
at stations that take no control from the Internet. A request is a file of its own, put there
whole; the station answers in a file beside it. The answer is for the person who waits; what
happened is told as an event like any other.
"""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.orders import Order, OrderKind
from station.errors import StationError

KINDS = (OrderKind.RESET, OrderKind.SCHEDULE)
_FOLDER = "on-site"
_LONGEST_REQUEST = 1 << 20
_EXPIRES_MS = 60_000
_POLL_S = 0.2
_PATIENCE_S = 15.0


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


def take(data_dir: Path) -> list[Request]:
    """Return the requests that wait, oldest first, and remove their files.

    One that is no request is answered and removed as well.
    """
    found = []
    for file in sorted((data_dir / _FOLDER).glob("*.request")):
        try:
            text = file.read_bytes()
            file.unlink()
            asked = json.loads(text) if len(text) <= _LONGEST_REQUEST else {}
            found.append(Request(file, OrderKind(asked["kind"]), dict(asked["payload"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            answer(
                Request(file, OrderKind.RESET, {}), accepted=False, reason=f"no request: {error}"
            )
    return found


def answer(request: Request, *, accepted: bool, reason: str) -> None:
    """Put the answer beside the request, whole."""
    _write_whole(
        request.file.with_suffix(".answer"), json.dumps({"accepted": accepted, "reason": reason})
    )


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
    staging.write_text(text, encoding="utf-8")
    staging.replace(file)
