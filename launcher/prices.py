"""`./stationmaster market import-prices`: a file of prices into the store of a running cloud."""

import asyncio
import json
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from launcher.errors import WrongInput, told_by_cloud

if TYPE_CHECKING:
    from cloud.market.prices import Report

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True)
class PricesWish:
    """What a person asked for; the fields are the command's options."""

    series: str
    kind: str
    unit: str
    zone: str
    timezone: str
    step: int
    columns: str
    published: str
    forecast: bool
    file_unit: str | None
    file_timezone: str
    label: Literal["start", "end"]
    time_format: str | None
    delimiter: str
    decimal: str
    accept: tuple[str, ...]


def run_import_prices(config: Path, file: Path, wish: PricesWish, out: Path | None) -> int:
    """Import, print what was found, and return 0, or 1 where the file was refused."""
    with told_by_cloud(config):
        report = asyncio.run(_import(config, file, wish))
    print("\n".join(report.lines()))
    if out is not None:
        out.write_text(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 1 if report.refused else 0


async def _import(config: Path, file: Path, wish: PricesWish) -> "Report":
    from cloud.config import load
    from cloud.db import create_pool
    from cloud.db.running import running_dsn
    from cloud.market import prices

    loaded = load(config)
    columns = _columns(wish.columns)
    series = prices.Series(
        *(wish.series, _one_of(prices.Kind, "kind", wish.kind), wish.unit, wish.zone),
        *(wish.timezone, wish.step, wish.forecast, prices.Publication(wish.published)),
    )
    layout = prices.Layout(
        value=columns.get("value", "value"),
        time=columns.get("time"),
        known=columns.get("known"),
        timezone=wish.file_timezone,
        unit=wish.file_unit,
        label=wish.label,
        time_format=wish.time_format,
        delimiter=wish.delimiter,
        decimal=wish.decimal,
    )
    accept = {_one_of(prices.Code, "accept", one) for one in wish.accept}
    pool = create_pool(running_dsn(loaded), 2, loaded.database.pool_timeout_s)
    await pool.open()
    try:
        now_ms = time.time_ns() // 1_000_000
        return await prices.import_file(pool, series, file, layout, now_ms=now_ms, accept=accept)
    finally:
        await pool.close()


def _columns(text: str) -> dict[str, str]:
    named = dict(part.partition("=")[::2] for part in text.split(",") if part)
    wrong = named.keys() - {"time", "value", "known"}
    if wrong or not all(named.values()):
        raise WrongInput(f"--columns {text!r}: write time=NAME,value=NAME,known=NAME")
    return named


def _one_of(words: type[_Word], option: str, given: str) -> _Word:
    try:
        return words(given)
    except ValueError as error:
        raise WrongInput(f"--{option} {given}: is none of {', '.join(words)}") from error
