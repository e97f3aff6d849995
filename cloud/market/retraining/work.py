"""The training itself: read, learn, judge, and put up what has passed. For the trainer's process.

Needs the extras `market` and `policy`; importing this module says so when they are missing.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

from cloud.market.battery import Battery
from cloud.market.bidding.policy_training.train import Kept, Options, Promoted, retrain
from cloud.market.exchanges import Market
from cloud.market.retraining import record
from cloud.market.retraining.courses import Stored, make_courses
from cloud.market.retraining.record import Conn, Training
from cloud.market.retraining.shelf import model_of, put_up, working_folder

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
    keep(conn, training, outcome, root)
    return outcome


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
