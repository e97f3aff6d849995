"""The exchange's file door: bids are dropped into a folder, answers appear in another.

`inbox/MARKET__KEY.csv` (.json, .xml), or `inbox/MARKET__KEY__ID.csv` to amend ID. The answer is
`outbox/KEY.ack.json` (.xml); the file that was read goes to `done`. A name that ends in .part is
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
_PARTS = (2, 3)
_SILENT = {Mischief.DISCONNECT_BEFORE, Mischief.BUSY}


class Drop:
    """Watches the inbox until it is told to stop."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self.inbox, self.outbox, self._done = (folder / n for n in ("inbox", "outbox", "done"))
        for one in (self.inbox, self.outbox, self._done):
            one.mkdir(parents=True, exist_ok=True)

    def run(self, stop: Event) -> None:
        """Look into the inbox again and again."""
        while not stop.wait(_LOOK_S):
            self.look()

    def look(self) -> None:
        """Take what lies in the inbox."""
        for file in sorted(self.inbox.iterdir()):
            if file.is_file() and file.suffix != ".part":
                self._take(file)

    def _take(self, file: Path) -> None:
        words = file.stem.split("__")
        if len(words) not in _PARTS:
            answer = as_json(400, {"error": "name it MARKET__KEY.csv or MARKET__KEY__ID.csv"})
            self._write(file.stem, answer)
        else:
            market, key, *amends = words
            mischief = self._desk.plan.take()
            if mischief in _SILENT:
                self._desk.note(key, f"{mischief} in the file drop")
                return
            answer, _ = self._desk.submit(market, key, file.read_bytes(), "".join(amends), mischief)
            if mischief is not Mischief.DISCONNECT_AFTER:
                self._write(key, answer)
        os.replace(file, self._done / file.name)  # noqa: PTH105 - says what it is
        _LOG.info("drop.taken file=%s status=%d", file.name, answer.status)

    def _write(self, key: str, answer: Answer) -> None:
        kind = "xml" if "xml" in answer.content_type else "json"
        whole = self.outbox / f"{key}.ack.{kind}"
        part = whole.with_name(whole.name + ".part")
        part.write_bytes(answer.body)
        os.replace(part, whole)  # noqa: PTH105 - as above
