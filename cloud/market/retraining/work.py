"""The training itself: read, learn, judge, and put up what has passed. For the trainer's process.

Needs the extras `market` and `policy`; importing this module says so when they are missing.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bidding.policy import BadPolicy, load_policy
from cloud.market.bidding.policy_training.gate import CONFIDENCE, judge
from cloud.market.bidding.policy_training.train import (
    Kept,
    Options,
    Promoted,
    earnings,
    retrain,
)
from cloud.market.exchanges import Market
from cloud.market.retraining import record
from cloud.market.retraining.courses import Stored, make_courses, unseen_with
from cloud.market.retraining.record import Conn, Training
from cloud.market.retraining.shelf import folder_of, model_of, put_up, working_folder

_SHORT_HASH: Final = 12
_TELL_EVERY_S: Final = 1.0


def train(
    conn: Conn, training: Training, stored: Stored, *, market: Market, battery: Battery, root: Path
) -> Promoted | Kept:
    """Train, judge and keep the verdict; what was promoted lies where it bids from before that.

    Args:
        conn: holds the lock.
        training: being worked on.
        stored: prices.
        market: in which is bid.
        battery: that bids.
        root: of the folders of policies.

    Raises:
        BadSeries: there are too few days.
    """
    wish = training.wish
    courses = make_courses(stored, wish, market, battery)
    record.tell_span(conn, training.id, courses.span, courses.notes)
    told_s = 0.0

    def tell(seed: int, done: int, of: int) -> None:
        nonlocal told_s
        if done >= of or time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            record.tell(conn, training.id, seed, done)

    outcome = retrain(
        courses.learnt,
        courses.unseen,
        courses.days,
        working_folder(root, wish),
        options=Options(wish.steps, tuple(range(wish.seeds))),
        progress=tell,
    )
    before = record.may_bid(conn, wish)
    keep(conn, training, outcome, root)
    if before is not None and isinstance(outcome, Kept):
        unseen = _Unseen(stored, courses.days, market, battery)
        _look_again(conn, training, before, unseen, root)
    return outcome


@dataclass(frozen=True)
class _Unseen:
    """What the policy that bids is looked at again with."""

    stored: Stored
    days: npt.NDArray[np.int64]
    market: Market
    battery: Battery


def _look_again(
    conn: Conn, training: Training, before: Training, unseen: _Unseen, root: Path
) -> None:
    """Withdraw the policy that bids, if in the new unseen weeks it surely earned less.

    It learnt nothing of these weeks either: they lie after those that it was trained on.
    """
    try:
        policy = load_policy(folder_of(root, before))
    except BadPolicy:  # it does not bid anyway, and who looks is told
        return
    course = unseen_with(
        unseen.stored, training.wish, unseen.market, unseen.battery, policy.measure
    )
    policy_money, value_money = earnings(policy, course, unseen.days)
    against = judge(value_money, policy_money)
    if against.sure < CONFIDENCE:
        return
    model, weeks = (before.model or "")[:_SHORT_HASH], training.wish.unseen_weeks
    why = (
        f"policy {model} earned {-against.gain:+,.0f} against opportunity values in the same "
        f"{weeks} unseen weeks, less to {against.sure:.0%}: it is withdrawn"
    )
    record.withdraw(conn, before.id, training.id, why, time.time_ns() // 1_000_000)


def keep(conn: Conn, training: Training, outcome: Promoted | Kept, root: Path) -> None:
    """Keep an outcome. Only a promoted policy is put up; whatever bade before a kept one bids on.

    Raises:
        BadPolicy: the trained policy is not whole.
    """
    match outcome:
        case Promoted():
            model = put_up(root, training.wish)
        case Kept():
            model = model_of(outcome.folder)
    now_ms = time.time_ns() // 1_000_000
    record.end(conn, training.id, asdict(outcome.verdict), model, now_ms)
