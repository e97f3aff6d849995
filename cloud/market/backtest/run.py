"""A back-test from files to a table: strategies run one after the other; a cut run goes on.

The JSON holds what the run was asked for. A later run that asks for the same keeps the rows that
are there already and adds those that lack.
"""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cloud.market.backtest.case import Case, Wanted
from cloud.market.backtest.measures import Row, daily, interval, row
from cloud.market.backtest.prices import Prices, read_columns, read_prices
from cloud.market.backtest.rules import (
    bands_of,
    believable,
    energy_product,
    gate_minute,
    results_minute,
)
from cloud.market.backtest.shocks import shake, spoil
from cloud.market.backtest.strategies import STRATEGIES
from cloud.market.battery import read_battery
from cloud.market.errors import BadSeries, NoSuchFile
from cloud.market.exchanges import Market, load_market

_EPOCH = dt.date(1970, 1, 1)
_LEAST_DAYS = 28
"""Of history before the test: four weeks for the first chain and profile."""

_NEED_DAY_AHEAD = {name for name in STRATEGIES if "+da" in name or "day-ahead" in name}

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Request:
    """What a back-test is asked for; see the command `market backtest`."""

    prices: tuple[Path, ...]
    columns: str
    battery: Path
    market: str
    train_until: dt.date
    first: dt.date
    last: dt.date
    strategies: str = "all"
    day_ahead_known: dt.time | None = None
    cvar_cap: float = 40.0
    policy: Path | None = None
    policy_steps: int = 4_000_000
    policy_seeds: int = 2
    policy_as_is: bool = False
    shock: float = 0.0
    spoilt: bool = False
    seed: int = 1
    naive_utc: bool = False


def run_backtest(request: Request, out: Path, progress: Progress | None = None) -> list[Row]:
    """Run the strategies that lack in the file, write it after each, and return all rows.

    Raises:
        BadSeries: the prices, dates or names cannot be used.
        BadBattery: nor the battery.
        BadProfile: nor the market.
    """
    files = (str(NoSuchFile(one)) for one in request.prices if not one.exists())
    _refuse(*_wrong_dates(request), *_wrong_names(request.strategies), *files)
    names = _names(request.strategies, request.columns)
    case = make_case(request, out, progress)
    key = _key(request)
    kept = _kept(out, key)
    wanted = ["perfect", *(name for name in names if name != "perfect")]
    for number, name in enumerate(wanted):
        if progress:
            progress(name, number, len(wanted))
        if name in kept:
            continue
        began = time.perf_counter()
        outcome = STRATEGIES[name](case)
        earned = daily(case, outcome.money)
        best = np.array(kept["perfect"]["daily"]) if "perfect" in kept else earned
        found = row(name, case, outcome, best, time.perf_counter() - began)
        kept[name] = {"row": found.as_json(), "daily": np.round(earned, 4).tolist()}
        _write(out, request, key, kept)
    _compare(kept)
    _write(out, request, key, kept)
    if progress:
        progress("", len(wanted), len(wanted))
    return [_row(kept[name]["row"]) for name in wanted]


def make_case(
    request: Request, out: Path = Path("backtest.json"), progress: Progress | None = None
) -> Case:
    """Read what a back-test needs; a policy is kept beside `out` unless another folder is named.

    Raises:
        BadSeries: as `run_backtest`, and BadBattery, BadProfile.
    """
    _refuse(*_wrong_dates(request))
    market = load_market(_market_name(request.market))
    battery = read_battery(request.battery)
    columns = read_columns(request.columns)
    prices = read_prices(request.prices, columns, market.calendar.zone, naive_utc=request.naive_utc)
    came = shake(prices, request.shock, request.seed) if request.shock else prices
    seen = spoil(came, request.seed + 1) if request.spoilt else came
    product = energy_product(market)
    case = Case(
        prices=came,
        seen=seen,
        battery=battery,
        bands=bands_of(product),
        known_minute=_known_minute(request, market),
        gate_minute=gate_minute(market),
        train_to=_number(request.train_until),
        first=_number(request.first),
        last=_number(request.last),
        absurd=believable(product),
        zone=market.calendar.zone,
        wanted=Wanted(
            cvar_cap=request.cvar_cap,
            policy=request.policy or out.with_name(out.stem + "-policy"),
            policy_steps=request.policy_steps,
            policy_seeds=request.policy_seeds,
            policy_as_is=request.policy_as_is,
            tell=progress,
        ),
    )
    _refuse_outside(case, prices)
    return case


def _refuse(*faults: str) -> None:
    """Tell together, a line each, what can be told before a file is read."""
    if faults:
        raise BadSeries("\n".join(faults))


def _wrong_dates(request: Request) -> list[str]:
    if request.train_until < request.first <= request.last:
        return []
    told = (
        f"dates: trained until {request.train_until}, tested from {request.first} to "
        f"{request.last}: training must end before the test, and the test may not end before "
        "it begins"
    )
    return [told]


def _wrong_names(text: str) -> list[str]:
    names = [] if text == "all" else [part.strip() for part in text.split(",")]
    return [
        f"strategies: {name!r} is not known; choose from all, {', '.join(STRATEGIES)}"
        for name in names
        if name and name not in STRATEGIES
    ]


def _names(text: str, columns: str) -> list[str]:
    if text == "all":
        ahead = "da=" in columns
        return [name for name in STRATEGIES if ahead or name not in _NEED_DAY_AHEAD]
    return [part.strip() for part in text.split(",") if part.strip()]


def _market_name(text: str) -> str | Path:
    return Path(text) if text.endswith(".toml") else text


def _known_minute(request: Request, market: Market) -> int:
    if request.day_ahead_known is not None:
        return request.day_ahead_known.hour * 60 + request.day_ahead_known.minute
    return results_minute(market)


def _number(day: dt.date) -> int:
    return (day - _EPOCH).days


def _refuse_outside(case: Case, prices: Prices) -> None:
    first, last = int(prices.day[0]), int(prices.day[-1])
    there = f"{_date(first)} to {_date(last)}"
    if case.first - first < _LEAST_DAYS or case.train_to < first:
        raise BadSeries(
            f"prices reach from {there}; at least {_LEAST_DAYS} days before the test "
            f"({_date(case.first)}) are needed: give an older file or a later --from"
        )
    if case.first > last:
        raise BadSeries(
            f"prices reach from {there}; the test begins on {_date(case.first)}: give a newer "
            "file or an earlier --from and --to"
        )
    if case.last > last:
        raise BadSeries(f"prices reach from {there}; the test ends on {_date(case.last)}: cut --to")


def _date(number: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=number)


def _key(request: Request) -> str:
    """Return what must agree for rows of an earlier run to be kept."""
    facts = asdict(replace(request, strategies=""))
    named = Path(request.market) if request.market.endswith(".toml") else None
    files = [*request.prices, request.battery, *([] if named is None else [named])]
    facts["files"] = [(str(file), _digest(file)) for file in files]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]


def _digest(file: Path) -> str:
    """Return what names a file's content; a file that is not there has none."""
    if not file.is_file():
        return ""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _kept(out: Path, key: str) -> dict[str, dict[str, Any]]:
    if not out.exists():
        return {}
    try:
        found = json.loads(out.read_text("utf-8"))
        if found.get("key") != key:
            return {}
        rows = {one["strategy"]: one for one in found["rows"]}
        return {name: {"row": rows[name], "daily": found["daily"][name]} for name in rows}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write(out: Path, request: Request, key: str, kept: dict[str, dict[str, Any]]) -> None:
    asked = {name: str(value) for name, value in asdict(request).items()}
    asked["prices"] = ", ".join(str(file) for file in request.prices)
    whole = {
        "key": key,
        "request": asked,
        "rows": [one["row"] for one in kept.values()],
        "daily": {name: one["daily"] for name, one in kept.items()},
    }
    part = out.with_name(out.name + ".part")
    part.write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    part.replace(out)


def _compare(kept: dict[str, dict[str, Any]]) -> None:
    if "markov-sdp" not in kept:
        return
    value, best = (np.array(kept[name]["daily"]) for name in ("markov-sdp", "perfect"))
    for name, one in kept.items():
        if name not in {"markov-sdp", "perfect"}:
            one["row"]["vs_value_ci90"] = interval(np.array(one["daily"]) - value, best)


def _row(found: dict[str, Any]) -> Row:
    def pair(value: Sequence[float] | None) -> tuple[float, float] | None:
        return None if value is None else (value[0], value[1])

    return Row(
        **found
        | {
            "ci90": pair(found["ci90"]),
            "vs_value_ci90": pair(found["vs_value_ci90"]),
            "notes": tuple(found["notes"]),
        }
    )
