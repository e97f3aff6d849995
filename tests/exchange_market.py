"""A test exchange on a free port of loopback, with a clock that a test moves."""

import datetime as dt
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from simulator.exchange.config import load_config
from simulator.exchange.main import serve

START = "2026-03-09T08:00:00Z"

_CONFIG = """
token_file = "token"
folder = "exchange"
clock = "manual"
start = 2026-03-09T08:00:00Z

[[markets]]
id = "test-exchange"
zone = "Asia/Shanghai"
currency = "EUR"
imbalance = {{ file = "prices.csv", column = "imbalance" }}
{products}
"""

_PRODUCT = """
[[markets.products]]
id = "{id}"
{more}
price = {{ file = "prices.csv", column = "{column}" }}
"""

_CURVES = 'format = "curve-csv"\nprice_floor = -500\nprice_cap = 4000\n'
_DAY_GATE = "due_days_before = 1\ndue_at = 23:30:00\n"

AHEAD = _PRODUCT.format(
    id="day-ahead-energy",
    more=_CURVES + _DAY_GATE + 'stage = "day_ahead"\ninterval_min = 15',
    column="ahead",
)
INTRADAY = _PRODUCT.format(
    id="intraday-energy",
    more=_CURVES + 'due_minutes_before = 5\nstage = "intraday"\ninterval_min = 5',
    column="intraday",
)
REGULATION = _PRODUCT.format(
    id="regulation",
    more=_CURVES + _DAY_GATE + 'kind = "capacity"\nstage = "day_ahead"\ninterval_min = 60',
    column="capacity",
)

MORE_MARKETS = """
[[markets]]
id = "europe"
zone = "Europe/Brussels"
currency = "EUR"
[[markets.products]]
id = "mfrr-energy"
code = "A47"
kind = "capacity"
stage = "real_time"
format = "iec-62325"
interval_min = 15
due_minutes_before = 45
price_floor = -15000
price_cap = 15000
price = { file = "prices.csv", column = "ahead" }

[[markets]]
id = "cn-shandong"
zone = "Asia/Shanghai"
currency = "CNY"
[[markets.products]]
id = "day-ahead-energy"
stage = "day_ahead"
format = "china-96"
interval_min = 15
due_days_before = 1
due_at = 10:00:00
price_floor = -80
price_cap = 1300
price = { file = "prices.csv", column = "ahead" }

[[markets]]
id = "au-nem"
zone = "Australia/Brisbane"
day_start = 04:00:00
currency = "AUD"
settle = "gross"
loss_factor = 0.98
[[markets.products]]
id = "energy"
code = "ENERGY"
stage = "real_time"
format = "aemo-json"
interval_min = 5
due_minutes_before = 5
price_floor = -1000
price_cap = 20300
price = { file = "prices.csv", column = "ahead" }
[[markets.products]]
id = "raise6sec"
code = "RAISE6SEC"
kind = "capacity"
stage = "real_time"
format = "aemo-json"
interval_min = 5
due_minutes_before = 5
price_floor = 0
price_cap = 20300
price = { file = "prices.csv", column = "capacity" }
"""


def write_config(folder: Path) -> Path:
    """Write a configuration whose day is 50 EUR/MWh to noon (UTC) and 100 after it."""
    rows = ["start,ahead,intraday,capacity,imbalance"]
    for hour in range(24):
        price = 50 if hour < 12 else 100
        rows.append(f"{hour:02d}:00,{price},{price + 5},12,{price - 20}")
    (folder / "prices.csv").write_text("\n".join(rows) + "\n", "utf-8")
    file = folder / "exchange.toml"
    text = _CONFIG.format(products=AHEAD + INTRADAY + REGULATION) + MORE_MARKETS
    file.write_text(text, "utf-8")
    return file


@dataclass
class TestExchange:
    """A running exchange, seen by who commands it."""

    __test__ = False

    address: str
    folder: Path
    token_file: Path

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request with the token and return the JSON answer."""
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token_file.read_text().strip()}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def misbehave(self, kind: str, times: int = 1) -> None:
        """Plan mischief."""
        self.ask("POST", "/v1/misbehave", {"kind": kind, "times": times})

    def move_to(self, now: str) -> None:
        """Move the clock."""
        self.ask("POST", "/v1/clock", {"now": now})

    def outcomes(self) -> list[str]:
        """Return what was done with each arrival, in order."""
        return [one["outcome"] for one in self.ask("GET", "/v1/log")["arrivals"]]

    def taken(self) -> list[str]:
        """Return the keys of submissions that were taken."""
        return list(self.ask("GET", "/v1/log")["taken"])


@contextmanager
def running_exchange(config_file: Path) -> Iterator[TestExchange]:
    """Run an exchange in a thread until the block ends."""
    config = load_config(config_file)
    stop, listens = Event(), Event()
    ports: dict[str, int] = {}

    def ready(told: dict[str, int]) -> None:
        ports.update(told)
        listens.set()

    thread = Thread(target=serve, args=(config, stop, ready))
    thread.start()
    try:
        assert listens.wait(60)
        yield TestExchange(
            f"http://127.0.0.1:{ports['exchange']}", config.folder, config.token_file
        )
    finally:
        stop.set()
        thread.join(20)


def utc_ms(text: str) -> int:
    """Return UTC epoch ms of an ISO time."""
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)
