"""Submitting through folders that an exchange (or its gateway) watches.

In `inbox`: `MARKET__KEY.csv` is a bid, `MARKET__KEY__BEFORE.csv` one in place of BEFORE,
`KEY.withdraw` takes one back, `MARKET__STATION.meter` tells a meter. In `outbox` appear
`KEY.ack.json` (or .xml), `KEY.clearing.json` and `MARKET__STATION__DAY.statement.csv`. A file is
on disk as a whole before it gets its name, and a key that is dropped again changes nothing.
`sent` is our own memory of what was dropped.
"""

import datetime as dt
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from cloud.market.errors import BadDocument
from cloud.market.exchanges.answers import Clearing, read_acknowledgement, read_clearing
from cloud.market.exchanges.formats.text import number, utc_text
from cloud.market.exchanges.outcomes import Denied, NotThere, Outcome, Pending, Unclear
from cloud.market.exchanges.sending import Document, Sending


@dataclass(frozen=True, slots=True)
class Dropped:
    """A statement in a folder: of which station and day, and when it came there, UTC epoch ms."""

    station: str
    day: dt.date
    at_ms: int


def statements_in(folder: Path, market: str) -> tuple[Dropped, ...]:
    """Return the statements of a market that lie in a folder's `outbox`.

    When a file came there is when its name was last given to it: a copy that keeps its old time of
    writing is news all the same.
    """
    found = []
    for file in (folder / "outbox").glob(f"{market}__*__*.statement.csv"):
        _, station, day = file.name.removesuffix(".statement.csv").split("__", 2)
        try:
            came_ms = file.stat().st_ctime_ns // 1_000_000
            found.append(Dropped(station, dt.date.fromisoformat(day), came_ms))
        except (OSError, ValueError):  # gone again, or another's file
            continue
    return tuple(sorted(found, key=lambda one: (one.station, one.day)))


class FileDrop:
    """The folders `inbox` and `outbox`, seen from the bidder's side; as `ExchangeClient`."""

    def __init__(self, folder: Path) -> None:
        self._inbox, self._outbox, self._sent = (
            folder / name for name in ("inbox", "outbox", "sent")
        )
        self._sent.mkdir(parents=True, exist_ok=True)

    async def submit(self, market: str, document: Document, sending: Sending) -> Outcome:
        """Drop a document and return what is answered so far; `Unclear`: nothing yet.

        The mark of what was sent is made after the file: a crash between them drops the file
        once more under the same key, and never leaves it undropped.
        """
        words = [market, sending.key, *([sending.amends] if sending.amends else [])]
        problem = self._put("__".join(words) + Path(document.name).suffix, document.body)
        if problem:
            return Unclear(problem)
        (self._sent / sending.key).touch()
        return await self.state(sending.key)

    async def state(self, key: str) -> Outcome:
        """Return what has been answered for a key; `NotThere`: it was never dropped."""
        for kind in ("json", "xml"):
            file = self._outbox / f"{key}.ack.{kind}"
            if file.is_file():
                try:
                    return read_acknowledgement(file.read_bytes(), kind, key)
                except BadDocument as error:
                    return Unclear(f"{file.name} cannot be read: {error}")
        if (self._sent / key).exists():
            return Unclear("it was dropped; there is no answer yet")
        return NotThere()

    async def withdraw(self, key: str) -> Outcome:
        """Take a submission back; `Unclear` until the exchange has answered."""
        problem = self._put(f"{key}.withdraw", b"")
        return Unclear(problem or "the withdrawal was dropped; ask for the state")

    async def clearing(self, key: str) -> Clearing | Pending | Denied | Unclear:
        """Return what a submission has got; `Pending`: nothing is published yet."""
        file = self._outbox / f"{key}.clearing.json"
        if not file.is_file():
            return Pending(key)
        try:
            return read_clearing(file.read_bytes())
        except BadDocument as error:
            return Unclear(f"{file.name} cannot be read: {error}")

    async def statement_body(
        self, market: str, station: str, day: dt.date
    ) -> bytes | Pending | Denied | Unclear:
        """Return a day's statement as it was published; `Pending`: it is not out."""
        file = self._outbox / f"{market}__{station}__{day}.statement.csv"
        return file.read_bytes() if file.is_file() else Pending(f"{station}/{day}")

    async def report_meter(
        self, market: str, station: str, readings: Iterable[tuple[int, int, Decimal]]
    ) -> Denied | Unclear | None:
        """Tell metered energy: (start_ms, minutes, MWh to the grid); None: it is dropped."""
        problem = self._put(f"{market}__{station}.meter", meter_body(readings))
        return Unclear(problem) if problem else None

    def _put(self, name: str, body: bytes) -> str:
        """Write a file as a whole and onto the disk; return what went wrong, or nothing."""
        whole = self._inbox / name
        part = whole.with_name(whole.name + ".part")
        try:
            with part.open("wb") as out:
                out.write(body)
                out.flush()
                os.fsync(out.fileno())
            part.replace(whole)
        except OSError as error:
            return f"{whole}: {error.strerror}: name a folder that can be written"
        return ""


def meter_body(readings: Iterable[tuple[int, int, Decimal]]) -> bytes:
    """Return metered energy as exchanges take it."""
    rows = [
        {"start": utc_text(start), "minutes": minutes, "energy_mwh": number(mwh)}
        for start, minutes, mwh in readings
    ]
    return json.dumps({"intervals": rows}).encode()
