"""`./stationmaster history plan`: the table that it prints."""

import asyncio
import datetime as dt
import json as to_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.errors import told_by_cloud

if TYPE_CHECKING:
    from cloud.config import CloudConfig
    from cloud.history.plan.estimate import Plan, StationLoad
    from cloud.history.retention.policy import Policy

_MB, _GB = 1e6, 1e9
_WIDTH = 120
"""The table is not cut where nobody says how wide the screen is."""


def run_plan(
    config: Path,
    station: str | None,
    size: tuple[int, int, int] | None,
    prices: tuple[float | None, float | None, str | None],
    *,
    json: bool,
) -> int:
    """Print the plans of a cloud's stations, or of one that does not exist yet.

    Args:
        config: the cloud's configuration.
        station: its id; None: all.
        size: points, cells and racks of a station to come.
        prices: of a GB-month on disk and in the archive, and their currency, where given.
        json: print for programs.
    """
    from cloud.config import load
    from cloud.history.plan.estimate import Prices, make_plan
    from cloud.history.plan.measure import imagine
    from cloud.history.retention import policy

    with told_by_cloud(config):
        loaded = load(config)
        rules = policy.load(loaded.history.policy)
        loads = [imagine(*size)] if size else asyncio.run(_measured(loaded, rules, station))
    disk, archive, currency = prices
    usual = Prices()
    asked = Prices(
        usual.disk if disk is None else disk,
        usual.archive if archive is None else archive,
        currency or usual.currency,
    )
    plans = [make_plan(one, rules, asked) for one in loads]
    if json:
        print(to_text.dumps([plan.to_json() for plan in plans], indent=2, ensure_ascii=False))
        return 0
    if not plans:
        _hint("no station has a history yet; --points and --cells plan one")
    for plan in plans:
        _show(plan, loaded)
    return 0


async def _measured(
    config: "CloudConfig", rules: "Policy", station: str | None
) -> "list[StationLoad]":
    from cloud.history.archive.run import open_parts, stations_of
    from cloud.history.plan.measure import measure

    found = []
    async with open_parts(config) as parts:
        for name in await stations_of(parts.pool, station):
            load = await measure(parts.pool, parts.reader, name, rules)
            if load is None:
                _hint(f"{name}: has no history yet; --points and --cells plan it")
            else:
                found.append(load)
    return found


def _hint(text: str) -> None:
    print(f"stationmaster: {text}", file=sys.stderr)


def _show(plan: "Plan", config: "CloudConfig") -> None:
    from rich.console import Console
    from rich.table import Table

    from cloud.history.plan.estimate import YEARS, TierName, goes_on

    today = dt.datetime.now(dt.UTC).date()
    table = Table(box=None, pad_edge=False, title=plan.load.station, title_justify="left")
    for title in ("class", "tier", "points", "values/day", "B/value", "MB/day"):
        table.add_column(title, justify="left" if title in {"class", "tier"} else "right")
    for title in ("GB, 1 year", f"GB, {YEARS} years", "kept", f"{today:%Y-%m} goes"):
        table.add_column(title, justify="right" if title.startswith("GB") else "left")
    for row in plan.rows:
        goes = goes_on(row.kept, today) if row.tier is TierName.RAW else None
        table.add_row(
            *(row.name, row.tier.value, f"{row.points:,}" if row.points else ""),
            f"{row.day_values:,.0f}" if row.day_values else "",
            f"{row.day_bytes / row.day_values:.3f}" if row.day_values else "",
            *(f"{row.day_bytes / _MB:,.2f}", f"{row.year_bytes / _GB:,.2f}"),
            *(f"{row.full_bytes / _GB:,.2f}", str(row.kept), str(goes or "")),
        )
    table.add_section()
    table.add_row(
        *("database", "", "", "", "", f"{plan.stored_day_bytes / _MB:,.2f}"),
        *(f"{plan.year_bytes / _GB:,.2f}", f"{plan.full_bytes / _GB:,.2f}"),
    )
    if config.archive is not None:
        table.add_row(
            *("archive (Parquet)", "", "", "", "", f"{plan.archive_day_bytes / _MB:,.2f}"),
            *(f"{plan.archive_year_bytes / _GB:,.2f}", f"{plan.archive_full_bytes / _GB:,.2f}"),
            "for ever",
        )
    console = Console()
    console.width = max(console.width, _WIDTH)
    console.print(table)
    console.print(_below(plan, config), highlight=False, markup=False)


def _below(plan: "Plan", config: "CloudConfig") -> str:
    from cloud.history.plan.estimate import YEARS

    raw, sent, stored = plan.raw_day_bytes, plan.load.sent_bytes, plan.stored_day_bytes
    prices = plan.prices
    day = (
        f"a day: {raw / _MB:,.1f} MB as the devices give it, {sent / _MB:,.2f} MB sent "
        f"({_saved(sent, raw)}), {stored / _MB:,.2f} MB stored ({_saved(stored, raw)})"
    )
    lines = ["", day]
    archived = config.archive is not None
    for words, disk, archive in (
        ("after a year", plan.year_bytes, plan.archive_year_bytes),
        (f"after {YEARS} years", plan.full_bytes, plan.archive_full_bytes),
    ):
        money = plan.monthly_cost(disk, archive if archived else 0.0)
        lines.append(f"{words}: {money:,.2f} {prices.currency} a month")
    lines.append(
        f"prices: {prices.disk:g} {prices.currency} a GB-month on disk, {prices.archive:g} in the "
        "archive (--disk-price, --archive-price, --currency)"
    )
    if not archived:
        lines.append(
            "no [archive] is configured: what must be archived before it goes stays, and the "
            "database grows beyond this plan"
        )
    return "\n".join([*lines, *(f"figures: {source}" for source in plan.load.sources), ""])


def _saved(part: float, whole: float) -> str:
    return f"{part / whole:.1%}, {whole / part:,.1f} times smaller" if part and whole else "nothing"
