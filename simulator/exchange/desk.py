"""The exchange as a whole: clock, book, prices, mischief; what each request comes to."""

import datetime as dt
import json
import os
import secrets
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import RLock
from typing import Any

from simulator.exchange import answers
from simulator.exchange.answers import Answer, as_json
from simulator.exchange.book import Book, Conflict, Held
from simulator.exchange.clearing import Prices, awards, cleared, day_bounds, statement
from simulator.exchange.config import ExchangeConfig, MarketConfig
from simulator.exchange.journal import Journal
from simulator.exchange.mischief import Mischief, Plan
from simulator.exchange.timetable import due_ms, shown

_IMBALANCE = "imbalance"
_UNKNOWN = {"error": "not known here"}


class Desk:
    """Everything behind the exchange's doors; safe to call from several threads."""

    def __init__(self, config: ExchangeConfig) -> None:
        self.config = config
        self.plan = Plan()
        self._lock = RLock()
        self._prices = Prices(config)
        self._book = Book(config)
        start = config.start
        self._now_ms = None if start is None or config.clock == "system" else _ms(start)
        self._journal = Journal(config.folder / "journal.jsonl")
        for event in self._journal.read():
            self._replay(event)

    def now_ms(self) -> int:
        """Return the exchange's time, UTC epoch ms."""
        return round(time.time() * 1000) if self._now_ms is None else self._now_ms

    def market_of(self, name: str) -> MarketConfig | None:
        """Return a market by its id."""
        return self.config.market(name)

    def submit(
        self, market: str, key: str, body: bytes, amends: str, mischief: Mischief | None
    ) -> tuple[Answer, Held | None]:
        """Take or refuse a submission."""
        rules = self.market_of(market)
        if rules is None:
            return as_json(404, {"error": f"market {market} is not open here"}), None
        if not key:
            return as_json(400, {"error": "name an Idempotency-Key"}), None
        with self._lock:
            known = self._book.find(key) is not None
            now_ms = self.now_ms()
            try:
                held = self._book.take(rules, key, body, now_ms, amends=amends, mischief=mischief)
            except Conflict as error:
                return as_json(409, {"error": str(error)}), None
            if not known:
                self._journal.add(
                    {
                        "kind": "taken",
                        "market": market,
                        "key": key,
                        "body": body.decode("latin-1"),
                        "amends": amends,
                        "mischief": mischief or "",
                        "at_ms": now_ms,
                    }
                )
            pending = mischief is Mischief.PENDING and not known
            return answers.told(
                held, 202 if pending else 200 if known else 201, pending=pending
            ), held

    def key_of(self, name: str) -> str:
        """Return the key of a submission that is named by key or id; empty: it is not known."""
        with self._lock:
            held = self._book.find(name)
            return "" if held is None else held.key

    def note(self, key: str, outcome: str) -> None:
        """Write a line of the log."""
        with self._lock:
            self._book.note(self.now_ms(), key, outcome)

    def state(self, name: str) -> Answer:
        """Return a submission's acknowledgement, by key or id."""
        with self._lock:
            held = self._book.find(name)
            return as_json(404, _UNKNOWN) if held is None else answers.told(held, 200)

    def withdraw(self, name: str) -> Answer:
        """Withdraw a submission, as far as it is not due."""
        with self._lock:
            held = self._book.find(name)
            if held is None:
                return as_json(404, _UNKNOWN)
            now_ms = self.now_ms()
            self._book.withdraw(held, now_ms)
            self._journal.add({"kind": "withdrawn", "key": held.key, "at_ms": now_ms})
            return answers.told(held, 200)

    def clearing(self, name: str) -> Answer:
        """Return what a submission has got; 202: nothing of it is due."""
        with self._lock:
            held = self._book.find(name)
            if held is None:
                return as_json(404, _UNKNOWN)
            market = self.market_of(held.market)
            if market is None:
                return as_json(404, _UNKNOWN)
            some, whole = cleared(self._book, held, market, self.now_ms())
            if not some:
                return as_json(202, {"submission": held.id, "status": "open"})
            won = awards(self._book, held, market, self._prices, self.now_ms())
            return answers.clearing(held, won, complete=whole)

    def meter(self, market: str, station: str, body: bytes) -> Answer:
        """Keep what a station's meter told; a later telling of an interval counts."""
        rules = self.market_of(market)
        if rules is None:
            return as_json(404, _UNKNOWN)
        finest = min(one.interval_min for one in rules.products)
        try:
            told = _metered(json.loads(body), finest)
        except (ValueError, KeyError, TypeError, InvalidOperation) as error:
            return as_json(400, {"error": f"no meter readings: {error!r}"})
        with self._lock:
            self._book.meters.setdefault((market, station), {}).update(told)
            self._journal.add(
                {"kind": "meter", "market": market, "station": station, "body": body.decode()}
            )
        return as_json(200, {"intervals": len(told)})

    def statement(self, market: str, station: str, day: str) -> Answer:
        """Return a day's statement; 202: it is not over, or its meter is not told."""
        rules = self.market_of(market)
        if rules is None:
            return as_json(404, _UNKNOWN)
        try:
            bounds = day_bounds(rules, day)
        except ValueError:
            return as_json(404, {"error": f"{day} is no day"})
        with self._lock:
            lines = None
            if rules.provisional or self.now_ms() >= bounds[1]:
                lines = statement(self._book, rules, self._prices, station, bounds)
        if lines is None:
            return as_json(202, {"status": "open"})
        written = rules.products[0].format
        return answers.statement(rules, station, dt.date.fromisoformat(day), lines, written)

    def prices(self, market: str, product: str, day: str) -> Answer:
        """Return a day's prices of a product (or of imbalance), as far as they are known."""
        rules = self.market_of(market)
        found = None if rules is None else rules.product(product)
        if rules is None or (found is None and product != _IMBALANCE):
            return as_json(404, _UNKNOWN)
        try:
            begin, end = day_bounds(rules, day)
        except ValueError:
            return as_json(404, {"error": f"{day} is no day"})
        if found is None:  # what is left over is priced when it is known
            step = min(one.interval_min for one in rules.products) * 60_000
            known = [at for at in range(begin, end, step) if at + step <= self.now_ms()]
        else:
            starts = range(begin, end, found.interval_min * 60_000)
            known = [at for at in starts if due_ms(rules, found, at) <= self.now_ms()]
        series = "" if found is None else product
        rows = [
            {"start": shown(at), "price": format(self._prices.at(rules, series, at), "f")}
            for at in known
        ]
        return as_json(200, {"currency": rules.currency, "prices": rows})

    def log(self) -> Answer:
        """Return what has arrived."""
        with self._lock:
            return answers.log(self._book.log, self._book.all())

    def misbehave(self, body: bytes) -> Answer:
        """Plan mischief: {"kind": ..., "times": 1}; kind "none" ends it."""
        try:
            wish = json.loads(body)
            if wish["kind"] == "none":
                self.plan.clear()
            else:
                self.plan.add(Mischief(wish["kind"]), int(wish.get("times", 1)))
        except (ValueError, KeyError, TypeError) as error:
            kinds = ", ".join(Mischief)
            return as_json(400, {"error": f"{error!r}; kinds are none, {kinds}"})
        return as_json(200, {})

    def set_clock(self, body: bytes) -> Answer:
        """Move a manual clock: {"now": "2026-03-09T08:00:00Z"}; never backwards."""
        try:
            wanted = _ms(dt.datetime.fromisoformat(json.loads(body)["now"]))
        except (ValueError, KeyError, TypeError) as error:
            return as_json(400, {"error": f"no time: {error!r}"})
        with self._lock:
            if self._now_ms is None:
                return as_json(409, {"error": 'the clock is the system\'s; set clock = "manual"'})
            if wanted < self._now_ms:
                return as_json(409, {"error": f"it is {shown(self._now_ms)} already"})
            self._now_ms = wanted
        return as_json(200, {"now": shown(wanted)})

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _replay(self, event: dict[str, Any]) -> None:
        match event["kind"]:
            case "taken":
                market = self.market_of(event["market"])
                if market is not None:
                    mischief = Mischief(event["mischief"]) if event["mischief"] else None
                    body = event["body"].encode("latin-1")
                    self._book.take(
                        market,
                        event["key"],
                        body,
                        event["at_ms"],
                        amends=event["amends"],
                        mischief=mischief,
                    )
            case "withdrawn":
                held = self._book.find(event["key"])
                if held is not None:
                    self._book.withdraw(held, event["at_ms"])
            case "meter":
                place = (event["market"], event["station"])
                told = _metered(json.loads(event["body"]))
                self._book.meters.setdefault(place, {}).update(told)


def _metered(told: Any, most_min: int = 1440) -> dict[int, tuple[int, Decimal]]:
    """Read {"intervals": [{"start": ..., "minutes": 5, "energy_mwh": "0.25"}]}."""
    found = {}
    for one in told["intervals"]:
        minutes = int(one["minutes"])
        if not 0 < minutes <= most_min:
            raise ValueError(f"{minutes} minutes; the market settles {most_min}")
        start = _ms(dt.datetime.fromisoformat(one["start"]))
        found[start] = (minutes, Decimal(str(one["energy_mwh"])))
    return found


def _ms(moment: dt.datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} names no offset from UTC")
    return round(moment.timestamp() * 1000)


def read_token(file: Path) -> str:
    """Return the secret of a token file; a missing file is made, readable by its owner only."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
    return file.read_text("utf-8").strip()
