"""`./stationmaster market backtest`, from the shell."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.errors import Faults, WrongInput
from launcher.lab_errors import check_file
from launcher.market_errors import told_as_wrong_market_input

if TYPE_CHECKING:
    from cloud.market.backtest import Row

_LEAST_WIDTH = 150


@dataclass(frozen=True)
class Wishes:
    """The command's options as they were typed."""

    prices: tuple[Path, ...]
    columns: str
    battery: Path
    market: str
    train_until: str
    first: str
    last: str
    strategies: str
    day_ahead_known: str | None
    cvar_cap: float
    policy: Path | None
    policy_steps: int
    policy_seeds: int
    policy_as_is: bool
    shock: float
    spoilt: bool
    seed: int
    naive_utc: bool


def run_market_backtest(wishes: Wishes, out: Path) -> int:
    """Run a back-test, print its table and write its JSON.

    Raises:
        WrongInput: a file, a date or a name cannot be used.
    """
    check_file(out)
    faults, days = Faults(), []
    for option, text in (
        ("--train-until", wishes.train_until),
        ("--from", wishes.first),
        ("--to", wishes.last),
    ):
        with faults.gathered():
            days.append(date_of(option, text))
    with faults.gathered():
        known = _time(wishes.day_ahead_known)
    faults.refuse()
    with told_as_wrong_market_input():
        from rich.progress import Progress

        from cloud.market.backtest import Request, run_backtest

        request = Request(
            prices=wishes.prices,
            columns=wishes.columns,
            battery=wishes.battery,
            market=wishes.market,
            train_until=days[0],
            first=days[1],
            last=days[2],
            strategies=wishes.strategies,
            day_ahead_known=known,
            cvar_cap=wishes.cvar_cap,
            policy=wishes.policy,
            policy_steps=wishes.policy_steps,
            policy_seeds=wishes.policy_seeds,
            policy_as_is=wishes.policy_as_is,
            shock=wishes.shock,
            spoilt=wishes.spoilt,
            seed=wishes.seed,
            naive_utc=wishes.naive_utc,
        )
        with Progress(transient=True) as bar:
            task = bar.add_task("reading", total=None)

            def show(name: str, done: int, of: int) -> None:
                bar.update(task, description=name, completed=done, total=of)

            rows = run_backtest(request, out, show)
    _print(rows)
    return 0


def date_of(option: str, text: str) -> dt.date:
    """Return the date of an option.

    Raises:
        WrongInput: it is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise WrongInput(f"{option} {text!r}: no date; write it as 2025-01-31") from error


def _time(text: str | None) -> dt.time | None:
    try:
        return None if text is None else dt.time.fromisoformat(text)
    except ValueError as error:
        raise WrongInput(f"--day-ahead-known {text!r}: no time; write it as 13:30") from error


def _print(rows: "Sequence[Row]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    titles = ("Strategy", "Revenue", "% of perfect", "90 %", "ex3", "CVaR95", "Worst day")
    for title in (*titles, "Cycles", "Infeasible", "Fall-backs", "s"):
        table.add_column(title, justify="left" if title == "Strategy" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.strategy,
            f"{row.revenue:,.0f}",
            f"{row.share_of_perfect:.1f}",
            f"{row.ci90[0]:.1f}..{row.ci90[1]:.1f}",
            f"{row.share_ex3:.1f}",
            f"{row.cvar95:.1f}",
            f"{row.worst_day:.0f}",
            f"{row.cycles:.0f}",
            str(row.infeasible_bids),
            str(row.fallbacks),
            f"{row.seconds:.1f}",
        )
    console = Console()
    if console.width < _LEAST_WIDTH:  # a pipe has no width, and half a name is none
        console = Console(width=_LEAST_WIDTH)
    console.print(table)
    for row in rows:
        for note in row.notes:
            console.print(f"{row.strategy}: {note}", highlight=False)
