"""`./stationmaster market competitors`, from the shell."""

import json
from dataclasses import dataclass
from pathlib import Path

from launcher.lab_errors import check_file
from launcher.market_backtest import date_of
from launcher.market_errors import told_as_wrong_market_input


@dataclass(frozen=True)
class Wishes:
    """The command's options as they were typed."""

    prices: tuple[Path, ...]
    columns: str
    batteries: tuple[Path, ...]
    market: str
    day: str
    fall_per_mw: float
    naive_utc: bool


def run_competitors(wishes: Wishes, out: Path) -> int:
    """Let batteries answer one another, say what came of it, and write it as JSON.

    Raises:
        WrongInput: a file, the day or a name cannot be used.
    """
    check_file(out)
    with told_as_wrong_market_input():
        from cloud.market.backtest.competitors import compete

        found = compete(
            wishes.prices,
            wishes.columns,
            wishes.batteries,
            market=wishes.market,
            day=date_of("--day", wishes.day),
            fall_per_mw=wishes.fall_per_mw,
            naive_utc=wishes.naive_utc,
        )
    out.write_text(json.dumps(found.as_json(), indent=1) + "\n", "utf-8")
    came = "came to rest" if found.converged else "did not come to rest"
    print(
        f"{len(found.earned)} batteries {came} after {found.rounds} rounds; another schedule would "
        f"gain {found.could_gain:.2f} at most"
    )
    for number, earned in enumerate(found.earned, 1):
        print(f"battery {number} earns {earned:.2f}")
    before, after = (max(one) - min(one) for one in (found.price_before, found.price_after))
    print(f"the day's spread of prices falls from {before:.2f} to {after:.2f}")
    return 0
