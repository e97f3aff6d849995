"""A small exchange over real HTTP, the adapter that reaches it, and a desk that decides simply.

The exchange counts what it was sent and keeps its state in memory: a bid of a key is taken once. It
can be told to stumble: to take a request and break the line, to fail before it takes it, to reject.
"""

import datetime as dt
import json
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.bids import (
    Accepted,
    Approver,
    Award,
    Bid,
    Cleared,
    Content,
    Delivery,
    Document,
    Judgement,
    Measured,
    NotYet,
    Reason,
    Rejected,
    Replaced,
    Scheduled,
    Settlement,
    Unclear,
    Unknown,
    Version,
    Withdrawn,
)

HOUR_MS = 3_600_000
GATE_MS = 1_772_355_600_000
"""2026-03-01T09:00Z: the gate of the day that follows."""
BEGIN_MS = 1_772_409_600_000
NOON_MS = GATE_MS - 8 * HOUR_MS


def offers(power: str = "10", *, price: str = "300", product: str = "day-ahead-energy") -> BidSet:
    """Two hours of charging and two of discharging."""
    intervals = tuple(
        BidInterval(
            BEGIN_MS + hour * HOUR_MS,
            (
                Segment(
                    Direction.CHARGE if hour < 2 else Direction.DISCHARGE,
                    Decimal(power),
                    Decimal(100) if hour < 2 else Decimal(price),
                    "the best hours of the forecast",
                ),
            ),
        )
        for hour in range(4)
    )
    day = dt.date(2026, 3, 2)
    return BidSet("haibin-1", "test", product, day, 60, OfferMode.QUANTITY_PRICE, intervals)


def content(power: str = "10", *, price: str = "300", product: str = "day-ahead-energy") -> Content:
    return Content(
        offers(power, price=price, product=product),
        {"soc": 0.5, "battery": {"energy_mwh": 20.0}},
        ("ensemble/3",),
        ("markov-sdp/2",),
        (Reason(BEGIN_MS, "discharges above 300", "高于300元放电"),),
    )


@dataclass
class Book:
    """What the exchange has: by key, and how often each was sent."""

    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    stumble: deque[str] = field(default_factory=deque)
    rejects: str = ""

    def standing(self) -> list[str]:
        return [key for key, one in self.taken.items() if one["state"] == "accepted"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    book: Book

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        key, body = self._key(), json.loads(self._body())
        self.book.sent[key] += 1
        trouble = self.book.stumble.popleft() if self.book.stumble else ""
        if trouble == "fail":
            self._say(500, {})
            return
        self._take(key, body)
        if trouble == "break":
            self.close_connection = True
        else:
            self._say(200, self.book.taken[key])

    def do_DELETE(self) -> None:
        key = self._key()
        self.book.sent[f"-{key}"] += 1
        self.book.taken[key]["state"] = "withdrawn"
        self._say(200, self.book.taken[key])

    def do_GET(self) -> None:
        kind, _, key = self.path[1:].partition("/")
        self.book.asked[kind] += 1
        if self.book.stumble and self.book.stumble.popleft() == "fail":
            self._say(500, {})
        elif kind == "statement":
            self._say(200, {"amount": "1234.56", "day": key})
        else:
            one = self.book.taken.get(key)
            self._say(404 if one is None else 200, one or {})

    def _take(self, key: str, body: dict[str, Any]) -> None:
        if self.book.rejects:
            self.book.taken[key] = {"state": "rejected", "reasons": [self.book.rejects]}
        elif key not in self.book.taken:
            if (old := body["replaces"]) is not None:
                self.book.taken[old]["state"] = "withdrawn"
            self.book.taken[key] = {"state": "accepted", **body}

    def _key(self) -> str:
        return self.path.rpartition("/")[2]

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def trade_hall() -> Iterator[tuple[str, Book]]:
    """Run the exchange; yield its address and its book."""
    book = Book()
    handler = type("Handler", (_Handler,), {"book": book})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", book
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class HallExchange:
    """The port to the trade hall."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def submit(
        self, bid: BidSet, key: str, *, replaces: Replaced | None = None
    ) -> Accepted | Rejected | Unclear:
        intervals = [
            {
                "start_ms": one.start_ms,
                "direction": one.segments[0].direction.value,
                "power": str(one.segments[0].power_mw),
                "price": str(one.segments[0].price),
            }
            for one in bid.intervals
        ]
        answer = await self._ask(
            "PUT",
            f"bids/{key}",
            {
                "replaces": None if replaces is None else replaces.key,
                "reason": None if replaces is None else replaces.reason,
                "intervals": intervals,
            },
        )
        return _outcome(key, answer)  # type: ignore[return-value]

    async def withdraw(self, bid: BidSet, key: str) -> Withdrawn | Rejected | Unclear:
        return _outcome(key, await self._ask("DELETE", f"bids/{key}"))  # type: ignore[return-value]

    async def state(
        self, bid: BidSet, key: str
    ) -> Accepted | Rejected | Withdrawn | Unknown | Unclear:
        return _outcome(key, await self._ask("GET", f"bids/{key}"))

    async def clearing(self, bid: BidSet, key: str) -> Cleared | NotYet | Unclear:
        answer = await self._ask("GET", f"clearing/{key}")
        if isinstance(answer, str):
            return Unclear(answer)
        awards = tuple(
            Award(
                one["start_ms"],
                Direction(one["direction"]),
                Decimal(one["power"]),
                Decimal(one["price"]),
            )
            for one in answer["intervals"]
        )
        return Cleared(bid.interval_min, awards, "CNY")

    async def statement(
        self, station: str, product: str, day: dt.date
    ) -> Document | NotYet | Unclear:
        answer = await self._ask("GET", f"statement/{day}")
        if isinstance(answer, str):
            return Unclear(answer)
        return Document("statement.json", "application/json", json.dumps(answer).encode())

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any] | str:
        try:
            async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
                answer = await client.request(method, f"{self._url}/{path}", json=body)
        except httpx.HTTPError as error:
            return f"no answer: {type(error).__name__}"
        if answer.status_code == 404:
            return {"state": "unknown"}
        return answer.json() if answer.status_code == 200 else f"it says {answer.status_code}"


def _outcome(
    key: str, answer: dict[str, Any] | str
) -> Accepted | Rejected | Withdrawn | Unknown | Unclear:
    if isinstance(answer, str):
        return Unclear(answer)
    match answer["state"]:
        case "accepted":
            return Accepted(f"X-{key[-4:]}", NOON_MS)
        case "rejected":
            return Rejected(tuple(answer["reasons"]))
        case "withdrawn":
            return Withdrawn(NOON_MS)
        case _:
            return Unknown()


@dataclass
class SimpleDesk:
    """Judges as it is told, orders by writing down, measures what was cleared."""

    judgement: Judgement = field(
        default_factory=lambda: Judgement(
            figures={"cvar": 1_200.0}, approver=Approver.RULE, rule="small bids"
        )
    )
    ordered: list[tuple[str, int]] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    may_not: set[str] = field(default_factory=set)

    async def judge(self, bid: Bid, version: Version, now_ms: int) -> Judgement:
        self.judged.append(version.number)
        return self.judgement

    async def may_approve(self, who: str, station: str, *, large: bool) -> bool:
        return who not in self.may_not

    async def schedule(self, bid: Bid, results: Sequence[Cleared], now_ms: int) -> Scheduled:
        self.ordered.append((bid.id, len(results)))
        return Scheduled((f"order-{len(self.ordered)}",))

    async def measure(self, bid: Bid, cleared: Cleared, now_ms: int) -> Delivery | NotYet:
        sign = {Direction.CHARGE: -1, Direction.DISCHARGE: 1}
        return Delivery(
            tuple(Measured(a.start_ms, sign[a.direction] * a.power_mw) for a in cleared.awards)
        )

    async def settle(
        self, bid: Bid, cleared: Cleared, delivery: Delivery, statement: Document
    ) -> Settlement | NotYet:
        amount = Decimal(json.loads(statement.body)["amount"])
        return Settlement(amount, cleared.currency, {"energy": amount})
