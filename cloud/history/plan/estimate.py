"""What a station's history will take: bytes a day, after a year and after 15, and what that costs.

Bytes come from what is stored of the station itself, where something is (`plan_measure`); else from
the figures below, which were measured on generated data of a realistic station. A tier that is kept
for a time grows until then and stays; the plan is that of a station that runs without a gap.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cloud.history.retention.policy import FOREVER, Keep, Policy, SignalClass
from cloud.history.rollups.arithmetic import scalars
from contract.layouts import Layout

DAYS_OF_YEAR: Final = 365.2425
YEARS: Final = 15

RAW_BYTES: Final = 0.19
"""Bytes of a value at 1 s in a sealed hour block: bench, `history.raw_bytes_per_value`."""
CELL_BYTES: Final = 0.26
"""Bytes of a cell value at 10 s: bench, `history.cell_bytes_per_value`."""
MINUTE_BYTES: Final = 1.5
"""Bytes of a signal's minute in a sealed span of a day: the bench's day, rolled up."""
QUARTER_BYTES: Final = 2.5
"""Bytes of a signal's quarter hour in a sealed span of 30 days: the same; 3.5 in spans of a day."""
CELL_QUARTER_BYTES: Final = 0.61
"""Bytes of a cell value's quarter hour (mean, minimum, maximum): the bench's day, rolled up."""
ARCHIVE_BYTES: Final = 0.25
"""Bytes of a value at 1 s in Parquet: the bench's day, archived."""
ARCHIVE_CELL_BYTES: Final = 0.33
"""Bytes of a cell value in Parquet: the same."""
SENT_BYTES: Final = 0.37
"""Bytes on the wire of a value in batches of 10 s: the bench's batches, sealed."""
SQL_ROW_BYTES: Final = 220.0
"""Bytes of a row of rollups_15min with its primary key in plain PostgreSQL: measured on 230,400
rows (pg_total_relation_size). Compressed by TimescaleDB it is a few bytes."""
EVENT_HOURS_A_YEAR: Final = 200.0
"""Hours kept whole around events where none have been seen yet: an assumption, 50 events a year."""

DISK_PRICE: Final = 0.08
"""USD a GB-month of a network SSD: list price of Amazon EBS gp3, us-east-1."""
ARCHIVE_PRICE: Final = 0.023
"""USD a GB-month of an object store: list price of Amazon S3 Standard, us-east-1."""


class TierName(StrEnum):
    """What is kept, each for its time."""

    RAW = "raw"
    WINDOWS = "event windows"
    MINUTES = "1 min"
    QUARTERS = "15 min"
    SQL = "SQL rows"
    LEDGER = "ledger"


@dataclass(frozen=True)
class LayoutLoad:
    """What the devices of one layout bring in a day.

    Attributes:
        layout: theirs.
        devices: how many.
        samples: rows a day of all of them, without gaps.
        raw_bytes, minute_bytes, quarter_bytes: stored for a day in each tier.
        archive_bytes: a day in Parquet.
        measured: whether the bytes are those of the station itself.
    """

    layout: Layout
    devices: int
    samples: float
    raw_bytes: float
    minute_bytes: float
    quarter_bytes: float
    archive_bytes: float
    measured: bool

    @property
    def values(self) -> float:
        """Values a day."""
        return self.samples * self.layout.width


@dataclass(frozen=True)
class StationLoad:
    """What a station brings in a day.

    Attributes:
        station: its id, or what it is called.
        layouts: by layout.
        batches: messages a day.
        sent_bytes: their sealed size a day.
        ledger_row_bytes: what the ledger keeps of a message, for ever.
        sql_row_bytes: of one row of rollups_15min.
        event_hours: hours a year that severe events keep.
        sources: where these figures are from, in words.
    """

    station: str
    layouts: tuple[LayoutLoad, ...]
    batches: float
    sent_bytes: float
    ledger_row_bytes: float
    sql_row_bytes: float
    event_hours: float
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Prices:
    """Money a GB (10^9 bytes) and month."""

    disk: float = DISK_PRICE
    archive: float = ARCHIVE_PRICE
    currency: str = "USD"


@dataclass(frozen=True)
class Row:
    """One class of signals in one tier; bytes are as they are stored.

    `kept` is that of the class's layouts as a whole, which may be longer than the class asks for.
    `day_bytes` is what a day adds, `year_bytes` and `full_bytes` what lies there after one year
    and after 15.
    """

    name: str
    tier: TierName
    points: int
    day_values: float
    day_bytes: float
    kept: Keep
    year_bytes: float
    full_bytes: float


@dataclass(frozen=True)
class Plan:
    """A station's plan.

    Attributes:
        load: what it was made from.
        rows: by class and tier.
        ledger: the row of the ledger of messages, kept for ever.
        archive_day_bytes: what a day adds to the archive.
        raw_day_bytes: a day's values as the devices give them (1, 2 or 4 bytes each).
        prices: used.
    """

    load: StationLoad
    rows: tuple[Row, ...]
    archive_day_bytes: float
    raw_day_bytes: float
    prices: Prices

    @property
    def stored_day_bytes(self) -> float:
        """What a day adds to the database."""
        return sum(row.day_bytes for row in self.rows if row.tier is not TierName.WINDOWS)

    @property
    def year_bytes(self) -> float:
        """What lies in the database after a year."""
        return sum(row.year_bytes for row in self.rows)

    @property
    def full_bytes(self) -> float:
        """What lies in the database after 15 years."""
        return sum(row.full_bytes for row in self.rows)

    @property
    def archive_year_bytes(self) -> float:
        """What lies in the archive after a year."""
        return self.archive_day_bytes * DAYS_OF_YEAR

    @property
    def archive_full_bytes(self) -> float:
        """What lies in the archive after 15 years."""
        return self.archive_day_bytes * DAYS_OF_YEAR * YEARS

    def monthly_cost(self, disk_bytes: float, archive_bytes: float) -> float:
        """Money a month for so much in the database and in the archive."""
        return (disk_bytes * self.prices.disk + archive_bytes * self.prices.archive) / 1e9

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs; bytes and values are whole numbers."""
        return {
            "station": self.load.station,
            "sources": list(self.load.sources),
            "years": YEARS,
            "day": {
                "values": round(sum(one.values for one in self.load.layouts)),
                "raw_bytes": round(self.raw_day_bytes),
                "sent_bytes": round(self.load.sent_bytes),
                "stored_bytes": round(self.stored_day_bytes),
                "archive_bytes": round(self.archive_day_bytes),
            },
            "database": {"year_bytes": round(self.year_bytes), "bytes": round(self.full_bytes)},
            "archive": {
                "year_bytes": round(self.archive_year_bytes),
                "bytes": round(self.archive_full_bytes),
            },
            "cost": {
                "currency": self.prices.currency,
                "disk_gb_month": self.prices.disk,
                "archive_gb_month": self.prices.archive,
                "month_after_a_year": round(
                    self.monthly_cost(self.year_bytes, self.archive_year_bytes), 2
                ),
                "month_at_the_end": round(
                    self.monthly_cost(self.full_bytes, self.archive_full_bytes), 2
                ),
            },
            "rows": [
                {
                    "class": row.name,
                    "tier": row.tier.value,
                    "points": row.points,
                    "day_values": round(row.day_values),
                    "day_bytes": round(row.day_bytes),
                    "kept": str(row.kept),
                    "year_bytes": round(row.year_bytes),
                    "bytes": round(row.full_bytes),
                }
                for row in self.rows
            ],
        }


def make_plan(load: StationLoad, policy: Policy, prices: Prices) -> Plan:
    """Plan a station's history by a policy."""
    found: defaultdict[tuple[str, TierName], list[Row]] = defaultdict(list)
    archive_bytes = raw_bytes = 0.0
    for one in load.layouts:
        rule = policy.rule_of(one.layout)
        archive_bytes += one.archive_bytes if rule.archive else 0.0
        per_sample = sum(
            c.repeat * d.itemsize
            for c, d in zip(one.layout.columns, one.layout.dtypes, strict=True)
        )
        raw_bytes += one.samples * per_sample
        for row in _rows(one, policy, load):
            found[row.name, row.tier].append(row)
    ledger = load.batches * load.ledger_row_bytes
    rows = [_sum(rows) for rows in found.values()]
    rows.sort(key=lambda row: ([*TierName].index(row.tier), _rank(policy, row.name)))
    rows.append(_row("all", TierName.LEDGER, (0, load.batches), ledger, FOREVER))
    return Plan(load, tuple(rows), archive_bytes, raw_bytes, prices)


def _rows(one: LayoutLoad, policy: Policy, load: StationLoad) -> Iterator[Row]:
    """Split what a layout takes among the classes of its signals, by their numbers of values."""
    rule = policy.rule_of(one.layout)
    by_class: defaultdict[str, list[tuple[SignalClass, int, int]]] = defaultdict(list)
    for column in one.layout.columns:
        of = policy.class_of(one.layout.name, column.signal)
        by_class[of.name].append((of, column.repeat, int(column.repeat == 1)))
    n_scalars = len(scalars(one.layout))
    for name, columns in by_class.items():
        width = sum(repeat for _, repeat, _ in columns)
        scalar = sum(flat for *_, flat in columns)
        points, values = one.devices * width, one.samples * width
        raw = one.raw_bytes * width / one.layout.width
        yield _row(name, TierName.RAW, (points, values), raw, rule.raw)
        if rule.windows and not rule.raw.forever:
            yield _windows(name, points, raw * load.event_hours / 24 / DAYS_OF_YEAR, rule.raw)
        if scalar:
            minutes = one.minute_bytes * scalar / n_scalars
            day = one.devices * scalar * 1_440
            yield _row(name, TierName.MINUTES, (points, day), minutes, rule.minutes)
        share = scalar / n_scalars if n_scalars else width / one.layout.width
        day = one.devices * width * 96
        yield _row(name, TierName.QUARTERS, (points, day), one.quarter_bytes * share, rule.quarters)
        sql = columns[0][0].sql_rows
        if sql is not None and scalar:
            count = one.devices * scalar * 96
            size = count * load.sql_row_bytes
            yield _row(name, TierName.SQL, (one.devices * scalar, count), size, sql)


def _row(name: str, tier: TierName, size: tuple[int, float], day_bytes: float, kept: Keep) -> Row:
    """A row of so many points and values a day."""

    def after(days: float) -> float:
        return day_bytes * min(days, kept.about_days)

    return Row(
        *(name, tier, *size, day_bytes, kept),
        *(after(DAYS_OF_YEAR), after(DAYS_OF_YEAR * YEARS)),
    )


def _windows(name: str, points: int, day_bytes: float, raw: Keep) -> Row:
    """The share of samples that stays when the others go."""

    def after(days: float) -> float:
        return day_bytes * max(days - raw.about_days, 0.0)

    return Row(
        *(name, TierName.WINDOWS, points, 0.0, day_bytes, FOREVER),
        *(after(DAYS_OF_YEAR), after(DAYS_OF_YEAR * YEARS)),
    )


def _sum(rows: Sequence[Row]) -> Row:
    """Join the rows of one class and tier out of several layouts."""
    head = rows[0]
    return Row(
        head.name,
        head.tier,
        sum(row.points for row in rows),
        sum(row.day_values for row in rows),
        sum(row.day_bytes for row in rows),
        max(row.kept for row in rows),
        sum(row.year_bytes for row in rows),
        sum(row.full_bytes for row in rows),
    )


def _rank(policy: Policy, name: str) -> int:
    return [one.name for one in policy.classes].index(name)


def goes_on(kept: Keep, month: dt.date) -> dt.date | None:
    """The day on which a month's samples may go; None: never."""
    if kept.forever:
        return None
    end = (month.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    years, months = divmod(end.month - 1 + kept.months, 12)
    return end.replace(year=end.year + years, month=months + 1) + dt.timedelta(days=kept.days)
