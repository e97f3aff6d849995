"""What the exchange holds: submissions by key, what they came to, meters, statements' inputs.

One key is one submission: sent again with the same bytes it gets the same answer, with other
bytes it is refused. A station's product and interval is held by one submission; a second one
has to say that it amends the first. An amendment or a withdrawal changes only what is not due.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from simulator.exchange.aemo import read_aemo
from simulator.exchange.config import ExchangeConfig, MarketConfig
from simulator.exchange.iec import read_iec
from simulator.exchange.mischief import Mischief
from simulator.exchange.orders import Order, Orders, Unreadable
from simulator.exchange.rules import Fault, faults
from simulator.exchange.tables import read_china, read_curves
from simulator.exchange.timetable import due_ms, shown

_READERS: dict[str, Callable[[bytes, MarketConfig], Orders]] = {
    "curve-csv": read_curves,
    "china-96": read_china,
    "aemo-json": read_aemo,
    "iec-62325": read_iec,
}
_NEVER = 1 << 62
_FEWEST_WORDS = 4


@dataclass(slots=True)
class Held:
    """A submission that was taken or refused; `ended_ms`: since when it no longer counts."""

    id: str
    key: str
    market: str
    format: str
    digest: str
    at_ms: int
    status: str
    orders: tuple[Order, ...] = ()
    faults: list[Fault] = field(default_factory=list)
    ended_ms: int = _NEVER
    twice: bool = False
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A line of the log: something came for a key, and what was done with it."""

    at_ms: int
    key: str
    outcome: str


class Conflict(Exception):  # noqa: N818 - said to who sent it
    """A key was used for something else before."""


class Book:
    """The exchange's memory; callers serialise their calls."""

    def __init__(self, config: ExchangeConfig) -> None:
        self._config = config
        self._held: dict[str, Held] = {}
        self._by_id: dict[str, Held] = {}
        self.meters: dict[tuple[str, str], dict[int, tuple[int, Decimal]]] = {}
        self.log: list[Arrival] = []

    def find(self, name: str) -> Held | None:
        """Return a submission by its key or by the exchange's id of it."""
        return self._held.get(name) or self._by_id.get(name)

    def all(self) -> tuple[Held, ...]:
        """Return every submission, in order of arrival."""
        return tuple(self._held.values())

    def note(self, now_ms: int, key: str, outcome: str) -> None:
        """Write a line of the log."""
        self.log.append(Arrival(now_ms, key, outcome))

    def take(
        self,
        market: MarketConfig,
        key: str,
        body: bytes,
        now_ms: int,
        *,
        amends: str = "",
        mischief: Mischief | None = None,
    ) -> Held:
        """Take or refuse a submission, once for its key.

        Raises:
            Conflict: the key came before with other bytes or for another market.
        """
        digest = hashlib.sha256(body).hexdigest()
        before = self._held.get(key)
        if before is not None:
            if (before.digest, before.market) != (digest, market.id):
                self.note(now_ms, key, "conflict")
                raise Conflict(f"key {key} came before with another document")
            self.note(now_ms, key, "repeated")
            return before
        held = self._judge(market, key, body, now_ms, amends)
        held.digest = digest
        if mischief is Mischief.REJECT:
            held.status, held.faults = "rejected", [(0, "rejected on command")]
        elif mischief is Mischief.PARTIAL and held.status == "accepted":
            self._part(held)
        held.twice = mischief is Mischief.DUPLICATE
        before = self.find(amends)
        if held.status in {"accepted", "partial"} and before is not None:
            before.ended_ms, before.status = now_ms, "withdrawn"
        self._held[key] = self._by_id[held.id] = held
        self.note(now_ms, key, held.status)
        return held

    def _judge(self, market: MarketConfig, key: str, body: bytes, now_ms: int, amends: str) -> Held:
        written = _format(body, market)
        held = Held(f"S{len(self._held) + 1:06d}", key, market.id, written, "", now_ms, "accepted")
        try:
            read = _READERS[written](body, market)
            orders = self._open(read, market, now_ms, amends)
        except Unreadable as error:
            held.status, held.faults = "rejected", [(0, str(error))]
            return held
        held.orders = orders
        held.faults = faults(orders, market, now_ms)
        held.faults += self._clashes(orders, market, amends)
        if read.own_id not in {"", key}:
            held.faults.append((0, f"the document calls itself {read.own_id}, the key is {key}"))
        if not orders:
            held.faults.append((0, "nothing is offered"))
        if held.faults:
            held.status = "rejected"
        return held

    def _open(
        self, read: Orders, market: MarketConfig, now_ms: int, amends: str
    ) -> tuple[Order, ...]:
        """Return the orders that count; an Australian rebid repeats periods that are over."""
        if not amends:
            return read.orders
        before = self.find(amends)
        if before is None or before.status not in {"accepted", "partial"}:
            raise Unreadable(f"{amends} is not held, so it cannot be amended")
        if before.format != "aemo-json":
            return read.orders
        prices = {(o.product, o.side, o.price) for o in before.orders}
        fresh = {(o.product, o.side, o.price) for o in read.orders} - prices
        if fresh:
            raise Unreadable(f"a rebid moves MW between bands; these prices are new: {fresh}")
        if len(read.reason.split()) < _FEWEST_WORDS:
            raise Unreadable("a rebid needs a brief, verifiable and specific reason")
        return tuple(o for o in read.orders if not self._due(o, market, now_ms))

    @staticmethod
    def _due(order: Order, market: MarketConfig, now_ms: int) -> bool:
        product = market.product(order.product)
        return product is not None and now_ms >= due_ms(market, product, order.start_ms)

    def _clashes(self, orders: Iterable[Order], market: MarketConfig, amends: str) -> list[Fault]:
        amended = self.find(amends)
        mine = {(o.station, o.product, o.start_ms) for o in orders}
        found = []
        for other in self._held.values():
            if other is amended or other.market != market.id or other.ended_ms != _NEVER:
                continue
            if other.status not in {"accepted", "partial"}:
                continue
            both = mine & {(o.station, o.product, o.start_ms) for o in other.orders}
            if both:
                start = min(at for _, _, at in both)
                found.append((start, f"{other.id} holds {shown(start)} already; amend it"))
        return found

    @staticmethod
    def _part(held: Held) -> None:
        starts = sorted({o.start_ms for o in held.orders})
        refused = set(starts[1::2])
        held.status = "partial"
        held.faults = [(start, "refused on command") for start in sorted(refused)]
        held.orders = tuple(o for o in held.orders if o.start_ms not in refused)

    def withdraw(self, held: Held, now_ms: int) -> None:
        """Let a submission end; what is due already stays."""
        if held.ended_ms == _NEVER:
            held.ended_ms = now_ms
            held.status = "withdrawn"
        self.note(now_ms, held.key, "withdrawn")

    def in_force(self, held: Held, market: MarketConfig) -> tuple[Order, ...]:
        """Return the orders of a submission that were not taken back before they were due."""
        if held.status == "rejected":
            return ()
        return tuple(o for o in held.orders if self._due(o, market, held.ended_ms))


def _format(body: bytes, market: MarketConfig) -> str:
    """Return the format that a document is in, of those that the market takes."""
    start = body.lstrip()[:1]
    taken = {one.format for one in market.products}
    if start == b"<" and "iec-62325" in taken:
        return "iec-62325"
    if start == b"{" and "aemo-json" in taken:
        return "aemo-json"
    return next((one for one in ("china-96", "curve-csv") if one in taken), min(taken))
