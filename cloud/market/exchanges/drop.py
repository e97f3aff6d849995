"""Submitting through a folder that an exchange (or its gateway) watches.

`inbox/MARKET__KEY.csv` is the bid; `MARKET__KEY__ID.csv` amends ID. The answer appears as
`outbox/KEY.ack.json` or `.xml`. A file is written whole before it gets its name, and dropping
the same key again changes nothing at the exchange.
"""

import os
from pathlib import Path

from cloud.market.errors import BadDocument
from cloud.market.exchanges.answers import read_acknowledgement
from cloud.market.exchanges.outcomes import NotThere, Outcome, Unclear
from cloud.market.exchanges.sending import Document, Sending


class FileDrop:
    """A pair of folders, `inbox` and `outbox`, seen from the bidder's side."""

    def __init__(self, folder: Path) -> None:
        self._inbox, self._outbox = folder / "inbox", folder / "outbox"

    def submit(self, market: str, document: Document, sending: Sending) -> Path:
        """Drop a document; it is on disk when this returns. Raises OSError if it cannot be."""
        words = [market, sending.key, *([sending.amends] if sending.amends else [])]
        whole = self._inbox / ("__".join(words) + Path(document.name).suffix)
        part = whole.with_name(whole.name + ".part")
        with part.open("wb") as out:
            out.write(document.body)
            out.flush()
            os.fsync(out.fileno())
        part.replace(whole)
        return whole

    def state(self, key: str) -> Outcome:
        """Return what has been answered for a key; `NotThere`: nothing yet."""
        for kind in ("json", "xml"):
            file = self._outbox / f"{key}.ack.{kind}"
            if file.is_file():
                try:
                    return read_acknowledgement(file.read_bytes(), kind, key)
                except BadDocument as error:
                    return Unclear(f"{file.name} cannot be read: {error}")
        return NotThere()
