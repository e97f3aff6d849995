"""Rivals: policies that decide a power themselves, with no curve of ours behind them.

They are what is commonly tried first: PPO on prices, imitation of perfect foresight, both, and
PPO that is told opportunity values. They learn on the whole training period, have no gate, and
are there to be compared with alone.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.ahead import WARM_UP_DAYS
from cloud.market.backtest.basic import follow
from cloud.market.backtest.case import Case, Outcome, believe
from cloud.market.backtest.learnt import course_of, usual_price
from cloud.market.backtest.rolling import Rolled, base_price, roll_values
from cloud.market.bidding.policy import load_policy
from cloud.market.bidding.policy_features import SEEN_STEPS_AGO
from cloud.market.bidding.policy_power import Rival, Told, run_power
from cloud.market.bidding.value import energy_of

Floats = npt.NDArray[np.float64]

LEAST_DAYS = 30
_NOTE = (
    "price taker: decides its power on prices of two steps ago and before, and takes what comes; "
    "to be compared with, never bids"
)


def rival(case: Case, kind: Rival) -> Outcome:
    """Let a policy decide each step's power, and settle it at the price that came."""
    folder, first = case.wanted.policy, int(case.prices.day[0]) + WARM_UP_DAYS
    as_is = case.wanted.policy_as_is
    if folder is None or (case.train_to - first < LEAST_DAYS and not as_is):
        lacking = f"rests: it learns on {LEAST_DAYS} days after {WARM_UP_DAYS}"
        return replace(follow(case, np.zeros(case.span.stop - case.span.start)), notes=(lacking,))
    if not as_is:
        _teach(case, kind, first, folder / kind.value)
    loaded = load_policy(folder / kind.value)
    told, rolled = _told(case, kind, loaded.measure)
    money, power = run_power(told, loaded.actions, energy_of(case.battery, case.battery.soc))
    return Outcome(money, power, fallbacks=rolled.fallbacks, notes=(_NOTE,))


def _teach(case: Case, kind: Rival, first: int, folder: Path) -> None:
    # Only who learns needs PyTorch.
    from cloud.market.bidding.policy_training.power import teach_rival  # noqa: PLC0415

    def progress(seed: int, done: int, of: int) -> None:
        del seed
        if case.wanted.tell:
            case.wanted.tell(kind.value, done, of)

    past = replace(case, first=first, last=case.train_to)
    told, _ = _told(past, kind, usual_price(case))
    teach_rival(told, kind, folder, case.wanted.policy_steps, progress)


def _told(case: Case, kind: Rival, measure: float) -> tuple[Told, Rolled]:
    """Return what a rival is told on the case's tested steps."""
    aided = kind is Rival.VALUES
    # Who is told no values needs none; hindsight's are made of the prices.
    rolled = roll_values(case, case.first, case.last, certain=not aided)
    thought = _thought(case, rolled) if aided else None
    return Told(course_of(case, rolled, measure), thought), rolled


def _thought(case: Case, rolled: Rolled) -> Floats:
    """Return each tested step's price if the newest residual known lasts, shape (steps,)."""
    believed = believe(case)
    base = base_price(case, believed)
    relative = np.nan_to_num((believed.price - base) / (rolled.offset + np.abs(base)))
    known = np.concatenate([np.zeros(SEEN_STEPS_AGO), relative[:-SEEN_STEPS_AGO]])
    return np.asarray((base + (rolled.offset + np.abs(base)) * known)[case.span])
