"""`./stationmaster market forecast-eval`: a causal rolling run over recorded prices, scored."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from launcher.errors import Faults, WrongInput
from launcher.lab_errors import check_file
from launcher.market_errors import told_as_wrong_market_input
from launcher.progress import progress

if TYPE_CHECKING:
    from cloud.market.forecasts.days import DayTable
    from cloud.market.forecasts.evaluation import Score
    from cloud.market.forecasts.members import Member

_TEACHING_DAYS = 182  # forecast before the first day that counts: for weights and bands
_LEAST_WIDTH = 110
_DAYS = ("--train-until", "--from", "--to")


@dataclass(frozen=True)
class Wishes:
    """What is asked for on the command line."""

    prices: Path
    columns: str
    zone: str
    train_until: str
    first: str
    last: str
    members: str
    allow_short: bool
    teaching_days: int = _TEACHING_DAYS


def run_forecast_eval(wishes: Wishes, output: Path, reference: Path | None) -> int:
    """Roll through the days, print the table, and write its rows.

    What was forecast is kept beside the output (`.progress.npz`) until it is written, so that a
    run that was interrupted goes on where it stopped.

    Raises:
        WrongInput: a file, a column, a day or a member is wrong, or history is too short.
    """
    check_file(output)
    with told_as_wrong_market_input():
        from cloud.market.forecasts.days import day_table
        from cloud.market.forecasts.evaluation import evaluate
        from cloud.market.forecasts.files import parse_columns, read_history
        from cloud.market.forecasts.rolling import roll

        asked, members = _asked(wishes)
        history, notes = read_history(wishes.prices, parse_columns(wishes.columns), wishes.zone)
        table = day_table(history, ahead=0)
        rows, first, short = _rows(table, wishes, asked)
        for note in (*notes, *table.flags, *short):
            print(note)
        kept = output.with_name(output.name + ".progress.npz")
        with progress() as tell:

            def told(name: str, done: int, of: int) -> None:
                tell(name, done / of, f"{done} of {of} days")

            done = roll(members, table, rows, kept, told)
        said = {member.name: done.said[member.name] for member in members}
        span = slice(rows.start, rows.stop)
        came, before = table.price[span], table.price[rows.start - 7 : rows.stop - 7]
        scores, whole = evaluate(said, came, before, done.seconds, first)
        published = _published(reference, table, range(rows.start + first, rows.stop))
    flags = (*notes, *table.flags, *short, *(f"{of}: {n} days" for of, n in done.flags.items()))
    weights = dict(zip(said, whole.weights.mean(axis=0).tolist(), strict=True))
    _print_table(scores, published, weights)
    for flag, days in done.flags.items():
        print(f"{flag} ({days} days)")
    report = {
        "prices": wishes.prices.name,
        "train_until": wishes.train_until,
        "from": wishes.first,
        "to": wishes.last,
        "days": len(rows) - first,
        "rows": [asdict(one) for one in scores],
        "published": [asdict(one) for one in published],
        "weights": weights,
        "flags": list(flags),
    }
    output.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    kept.unlink(missing_ok=True)
    return 0


def _asked(wishes: Wishes) -> "tuple[list[dt.date], tuple[Member, ...]]":
    """Return the three days and the members, or tell all that is wrong before a file is read."""
    from cloud.market.errors import NoSuchFile

    faults, days = Faults(), []
    members: tuple[Member, ...] = ()
    for option, text in zip(_DAYS, (wishes.train_until, wishes.first, wishes.last), strict=True):
        with faults.gathered():
            days.append(_day(option, text))
    with faults.gathered():
        if len(days) == len(_DAYS) and not days[0] < days[1] <= days[2]:
            raise WrongInput("--train-until must lie before --from, and --from not after --to")
    with faults.gathered():
        members = _members(wishes.members)
    with faults.gathered():
        _check_zone(wishes.zone)
    with faults.gathered():
        if not wishes.prices.exists():
            raise WrongInput(str(NoSuchFile(wishes.prices)))
    faults.refuse()
    return days, members


def _rows(
    table: "DayTable", wishes: Wishes, days: list[dt.date]
) -> tuple[range, int, tuple[str, ...]]:
    """Return the rows to forecast, how many of them only teach, and flags."""
    from cloud.market.errors import TooLittleHistory
    from cloud.market.forecasts.history import LEAST_DAYS
    from cloud.market.forecasts.members import FIRST_ROW

    faults, found = Faults(), []
    for option, day in zip(_DAYS, days, strict=True):
        with faults.gathered():
            found.append(_row(table, day, option))
    faults.refuse()
    until, first, last = found
    flags: tuple[str, ...] = ()
    if until + 1 < LEAST_DAYS:
        if not wishes.allow_short:
            raise TooLittleHistory(
                f"{wishes.prices.name} up to {wishes.train_until}", until + 1, LEAST_DAYS
            )
        flags = (f"short history: {until + 1:,} of {LEAST_DAYS:,} days",)
    start = max(FIRST_ROW, until + 1 - wishes.teaching_days)
    if start > first:
        raise WrongInput(
            f"--from: there are {first} days before it; at least {FIRST_ROW} are needed"
        )
    return range(start, last + 1), first - start, flags


def _day(option: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise WrongInput(f"{option} {text}: not a day; write it as 2018-12-31") from error


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongInput(
            f"--zone {name}: is not in the IANA list; write e.g. Europe/Berlin"
        ) from error


def _row(table: "DayTable", day: dt.date, option: str) -> int:
    row = (day - table.dates[0]).days
    if not 0 <= row < len(table.dates):
        raise WrongInput(
            f"{option} {day}: the file has whole days from {table.dates[0]} to {table.dates[-1]}"
        )
    return row


def _members(text: str) -> "tuple[Member, ...]":
    from cloud.market.forecasts.members import all_members, quick_members

    known = {"all": all_members, "quick": quick_members}
    if text in known:
        return known[text]()
    every = {member.name: member for member in all_members()}
    names = list(dict.fromkeys(part.strip() for part in text.split(",")))
    if wrong := ", ".join(repr(name) for name in names if name not in every):
        raise WrongInput(f"--members: {wrong} is none of all, quick, {', '.join(every)}")
    return tuple(every[name] for name in names)


def _published(reference: Path | None, table: "DayTable", rows: range) -> "list[Score]":
    """Score the published forecasts on the same days; also the mean of both ensembles."""
    if reference is None:
        return []
    from cloud.market.forecasts.evaluation import score
    from cloud.market.forecasts.reference import read_reference

    span = slice(rows.start, rows.stop)
    found = read_reference(reference, table, rows)
    before = table.price[rows.start - 7 : rows.stop - 7]
    return [score(name, said, table.price[span], before) for name, said in found.items()]


def _print_table(
    scores: "Sequence[Score]", published: "Sequence[Score]", weights: dict[str, float]
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="day-ahead forecasts; coverage of the 90 % band")
    table.add_column("Forecast", no_wrap=True)
    for title in ("MAE", "rMAE", "pinball", "coverage %", "capture %", "weight %", "seconds"):
        table.add_column(title, justify="right")
    for one in (*scores, *published):
        inside = None if one.coverage is None else one.coverage["0.95"] - one.coverage["0.05"]
        mark = " (published)" if one in published else ""
        table.add_row(
            one.member + mark,
            f"{one.mae:.3f}",
            f"{one.rmae:.3f}",
            "–" if one.pinball is None else f"{one.pinball:.3f}",
            "–" if inside is None else f"{100 * inside:.1f}",
            f"{100 * one.capture:.1f}",
            f"{100 * weights[one.member]:.0f}" if one.member in weights else "",
            "" if one.seconds is None else f"{one.seconds:.0f}",
        )
    console = Console()
    if console.width < _LEAST_WIDTH:  # a pipe has no width, and half a name is none
        console = Console(width=_LEAST_WIDTH)
    console.print(table)
