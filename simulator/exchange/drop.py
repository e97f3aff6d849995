"""The exchange's file door: bids are dropped into a folder, answers appear in another.

In `inbox`: `MARKET__KEY.csv` (.json, .xml) is a bid, `MARKET__KEY__BEFORE.csv` one that amends
the submission BEFORE, `KEY.withdraw` takes one back, `MARKET__STATION.meter` tells a meter.
In `outbox`: `KEY.ack.json` (.xml), `KEY.clearing.json` once all of it is cleared, and
`MARKET__STATION__DAY.statement.csv`. What was read goes to `done`. A name that ends in .part is
being written and left alone.
"""

import logging
import os
from pathlib import Path
from threading import Event

from simulator.exchange.answers import Answer, as_json
from simulator.exchange.desk import Desk
from simulator.exchange.mischief import Mischief

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.1
_BID_PARTS = (2, 3)
_METER_PARTS = 2
_SILENT = {Mischief.DISCONNECT_BEFORE, Mischief.BUSY}
_DONE, _LATER = 200, 202


class Drop:
    """Watches the inbox until it is told to stop."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self.inbox, self.outbox, self._done = (folder / n for n in ("inbox", "outbox", "done"))
        for one in (self.inbox, self.outbox, self._done):
            one.mkdir(parents=True, exist_ok=True)
        self._undecided: set[str] = set()
        self._open: set[str] = set()
        self._days: set[tuple[str, str, str]] = set()

    def run(self, stop: Event) -> None:
        """Look into the inbox again and again."""
        while not stop.wait(_LOOK_S):
            self.look()
            self.publish()

    def look(self) -> None:
        """Take what lies in the inbox."""
        for file in sorted(self.inbox.iterdir()):
            if not file.is_file() or file.suffix == ".part":
                continue
            match file.suffix:
                case ".withdraw":
                    taken = self._withdraw(file)
                case ".meter":
                    taken = self._meter(file)
                case _:
                    taken = self._take(file)
            if taken:
                os.replace(file, self._done / file.name)  # noqa: PTH105 - says what it is
                _LOG.info("drop.taken file=%s", file.name)

    def publish(self) -> None:
        """Write what has become known of what came by file."""
        for key in tuple(self._undecided):
            self._write(f"{key}.ack", self._desk.state(key))
            self._undecided.discard(key)
        for key in tuple(self._open):
            answer = self._desk.clearing(key)
            if answer.status == _DONE and b'"complete": true' in answer.body:
                self._write(f"{key}.clearing", answer)
                self._open.discard(key)
        for market, station, day in tuple(self._days):
            answer = self._desk.statement(market, station, day)
            if answer.status == _DONE:
                self._write(f"{market}__{station}__{day}.statement", answer)
                self._days.discard((market, station, day))

    def _take(self, file: Path) -> bool:
        words = file.stem.split("__")
        if len(words) not in _BID_PARTS:
            problem = "name it MARKET__KEY.csv or MARKET__KEY__BEFORE.csv"
            self._write(f"{file.stem}.ack", as_json(400, {"error": problem}))
            return True
        market, key, *amends = words
        mischief = self._desk.plan.take()
        if mischief in _SILENT:
            self._desk.note(key, f"{mischief} in the file drop")
            return False
        before = "".join(amends)
        answer, held = self._desk.submit(market, key, file.read_bytes(), before, mischief)
        if mischief is not Mischief.DISCONNECT_AFTER:
            self._write(f"{key}.ack", answer)
        if answer.status == _LATER or mischief is Mischief.DISCONNECT_AFTER:
            self._undecided.add(key)
        if before_key := self._desk.key_of(before):
            self._write(f"{before_key}.ack", self._desk.state(before_key))
        if held is not None and held.orders:
            self._open.add(key)
            self._days |= {(market, o.station, o.day.isoformat()) for o in held.orders}
        return True

    def _withdraw(self, file: Path) -> bool:
        self._write(f"{file.stem}.ack", self._desk.withdraw(file.stem))
        return True

    def _meter(self, file: Path) -> bool:
        words = file.stem.split("__")
        if len(words) == _METER_PARTS:
            self._desk.meter(words[0], words[1], file.read_bytes())
        return True

    def _write(self, name: str, answer: Answer) -> None:
        kinds = {"application/json": "json", "application/xml": "xml"}
        whole = self.outbox / f"{name}.{kinds.get(answer.content_type, 'csv')}"
        part = whole.with_name(whole.name + ".part")
        part.write_bytes(answer.body)
        os.replace(part, whole)  # noqa: PTH105 - as above
