"""The watched folder: `NAME.json` with `NAME.json.sig` is taken, answered, and put away.

In `receipts` appears `NAME.receipt.json`; the files go to `done` or `refused`. The bid's maker is
the file's sender and id, and a bid is made once under one maker: a process that is killed between
the bid and its receipt finds the bid again. One process looks at a time.
"""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cloud.config_market import SenderSection
from cloud.db import Pool, connection
from cloud.errors import CloudError
from cloud.market import bids
from cloud.market.battery import Battery
from cloud.market.bid import BidSet
from cloud.market.bids import Content, NewBid
from cloud.market.desk.newest import UNKNOWN, Known
from cloud.market.errors import BidRefused
from cloud.market.exchanges import Market, load_market
from cloud.market.inbox.file import BadFile, OfferedBid, read_offer, verify
from cloud.private_files import read_secret
from cloud.vault.vault import Vault

_LOCK: Final = 0x5354_4D42
_MOST_BYTES: Final = 1_000_000
_MOST_FILES: Final = 50
_SHOWN: Final = 10


@dataclass(frozen=True)
class Judged:
    """What the desk says of a file's bid.

    Attributes:
        battery: that it was checked with.
        violations: rules that it breaks.
        known: the newest forecast of its day, by which it is weighed.
    """

    battery: Battery
    violations: tuple[str, ...]
    known: Known = UNKNOWN


Judge = Callable[[BidSet, Market, int], Awaitable[Judged]]


class Inbox:
    """A folder that other systems write bids into."""

    def __init__(
        self,
        folder: Path,
        senders: tuple[SenderSection, ...],
        pool: Pool,
        vault: Vault,
        judge: Judge,
    ) -> None:
        """Make an inbox.

        Args:
            folder: is watched.
            senders: who may bid, with their keys.
            pool: the store.
            vault: keys of stations.
            judge: checks offers at a time, UTC epoch ms; NotFound where there is no such station.
        """
        self._folder, self._senders = folder, {one.name: one for one in senders}
        self._pool, self._vault, self._judge = pool, vault, judge

    async def run(self, now_ms: int) -> int:
        """Take what is there; return how many files were answered.

        Raises:
            KeyStoreError: a secret cannot be read, or others may read it.
        """
        for sender in self._senders.values():
            if sender.kind == "hmac":  # told before a file is refused for it
                read_secret(sender.key_file)
        self._folder.mkdir(parents=True, exist_ok=True)
        async with connection(self._pool) as held, held.transaction():
            found = await held.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            row = await found.fetchone()
            if row is None or not row[0]:
                return 0
            files = [
                file for file in sorted(self._folder.glob("*.json")) if _signature(file).is_file()
            ]
            for file in files[:_MOST_FILES]:
                receipt = await self._answer(file, now_ms)
                self._put_away(file, receipt)
        return len(files[:_MOST_FILES])

    async def _answer(self, file: Path, now_ms: int) -> dict[str, Any]:
        """Return the receipt of a file."""
        body = _read(file)
        told = {"file": file.name, "sha256": sha256(body).hexdigest(), "taken": False}
        try:
            offer = self._signed(body, _read(_signature(file)))
            told |= {"sender": offer.sender, "id": offer.id}
            return told | {"taken": True, "bid": await self._take(offer, told["sha256"], now_ms)}
        except BadFile as error:
            return told | {"code": error.code, "reason": str(error)}

    def _signed(self, body: bytes, signed: bytes) -> OfferedBid:
        if len(body) > _MOST_BYTES:
            raise BadFile("unreadable", f"the file has {len(body)} bytes, at most {_MOST_BYTES}")
        offer = read_offer(body)
        sender = self._senders.get(offer.sender)
        if sender is None:
            raise BadFile("unknown_sender", f"{offer.sender} may not bid here; ask the desk")
        verify(body, signed, sender.kind, sender.key_file.read_bytes())
        if sender.stations and offer.station not in sender.stations:
            raise BadFile("unknown_station", f"{offer.sender} may not bid for {offer.station}")
        return offer

    async def _take(self, offer: OfferedBid, digest: object, now_ms: int) -> str:
        """Make the bid, or find the one that was made of this file before."""
        who = f"file:{offer.sender}/{offer.id}"
        before = await self._made(who)
        if before is not None:
            return await self._same(before, digest)
        offers = offer.bid_set()
        try:
            market = load_market(offers.market)
            product = market.product(offers.product)
            judged = await self._judge(offers, market, now_ms)
        except CloudError as error:
            raise BadFile("unknown", str(error)) from error
        gate_ms = min(product.gate_closure_ms(one.start_ms) for one in offers.intervals)
        if now_ms >= gate_ms:
            raise BadFile("gate_closed", f"the gate of {offers.product} for {offers.day} is closed")
        if judged.violations:
            raise BadFile("broken_rules", "; ".join(judged.violations[:_SHOWN]))
        inputs = judged.known.inputs | {
            "battery": asdict(judged.battery),
            "file": {"sender": offer.sender, "id": offer.id, "sha256": digest},
        }
        desk = self._senders[offer.sender].desk
        models = (f"file of {offer.sender}",)
        new = NewBid(desk, gate_ms, Content(offers, inputs, judged.known.versions, models))
        try:
            return await bids.draft(
                self._pool, self._vault, new, who=who, why=offer.why, now_ms=now_ms
            )
        except BidRefused as error:
            raise BadFile("refused", str(error)) from error

    async def _made(self, who: str) -> str | None:
        async with connection(self._pool) as conn:
            found = await conn.execute("SELECT id::text FROM bids WHERE created_by = %s", [who])
            row = await found.fetchone()
        return None if row is None else str(row[0])

    async def _same(self, bid: str, digest: object) -> str:
        there = await bids.load(self._pool, self._vault, bid)
        file = there.versions[0].content.inputs.get("file", {})
        if file.get("sha256") != digest:
            raise BadFile(
                "repeated_id",
                f"bid {bid} was made of another file with this id; a new bid has a new id",
            )
        return bid

    def _put_away(self, file: Path, receipt: dict[str, Any]) -> None:
        """Write the receipt, whole and on the disk, before the files leave the folder."""
        text = json.dumps(receipt, ensure_ascii=False, indent=1).encode()
        _write(_made_in(self._folder, "receipts") / f"{file.stem}.receipt.json", text)
        away = _made_in(self._folder, "done" if receipt["taken"] else "refused")
        _signature(file).replace(away / _signature(file).name)
        file.replace(away / file.name)


def _signature(file: Path) -> Path:
    return file.with_name(file.name + ".sig")


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_MOST_BYTES + 1)


def _made_in(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir(exist_ok=True)
    return made


def _write(path: Path, body: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
