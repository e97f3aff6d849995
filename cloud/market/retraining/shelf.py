"""Folders of policies: the one in training, and those that have passed the gate and may bid.

    ROOT/STATION/MARKET/training/   seeds as they go; another course's are thrown away
    ROOT/STATION/MARKET/MODEL/      card and networks of a policy that was promoted

The record says which model may bid; the folder must hold exactly that one.
"""

import hashlib
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cloud.db import Pool
from cloud.market.bidding.policy import CARD_FILE, BadPolicy, read_files
from cloud.market.retraining.record import State, Training, trainings
from cloud.market.retraining.wish import Wish


class Lacks(StrEnum):
    """Why no policy may bid."""

    NONE_PASSED = "none_passed"
    WITHDRAWN = "withdrawn"
    FILES = "files"


@dataclass(frozen=True)
class MayBid:
    """The policy that passed the gate last; its files are what was judged."""

    training: Training
    folder: Path


@dataclass(frozen=True)
class FallsBack:
    """No policy bids: plans and opportunity values do.

    Attributes:
        why: see `Lacks`.
        training: that passed the gate last; None: none has.
        error: what is wrong with the files, where, and the remedy.
    """

    why: Lacks
    training: Training | None = None
    error: str = ""


async def standing(pool: Pool, root: Path, station: str, market: str) -> MayBid | FallsBack:
    """Return which policy may bid for a station in a market, its files checked."""
    passed = await trainings(pool, station=station, market=market, state=State.PROMOTED, most=1)
    if not passed:
        return FallsBack(Lacks.NONE_PASSED)
    found = passed[0]
    if found.withdrawn_ms is not None:
        return FallsBack(Lacks.WITHDRAWN, found)
    folder = folder_of(root, found)
    try:
        there = model_of(folder)
    except BadPolicy as error:
        return FallsBack(Lacks.FILES, found, str(error))
    if there != found.model:
        altered = f"{folder / CARD_FILE}: is not the card that was judged; train it anew"
        return FallsBack(Lacks.FILES, found, altered)
    return MayBid(found, folder)


def working_folder(root: Path, wish: Wish) -> Path:
    """Return where a training keeps its seeds."""
    return _shelf(root, wish) / "training"


def folder_of(root: Path, promoted: Training) -> Path:
    """Return where a promoted policy bids from."""
    return _shelf(root, promoted.wish) / (promoted.model or "")


def model_of(folder: Path) -> str:
    """Return the hash of a policy's card, which names the hashes of its networks.

    Raises:
        BadPolicy: a file is missing or altered.
    """
    read_files(folder)
    return hashlib.sha256((folder / CARD_FILE).read_bytes()).hexdigest()


def put_up(root: Path, wish: Wish) -> str:
    """Copy a trained policy to where it may bid from; return its model. It is whole or not there.

    Raises:
        BadPolicy: the trained policy is not whole.
    """
    trained = working_folder(root, wish)
    model = model_of(trained)
    card, _ = read_files(trained)
    there = _shelf(root, wish) / model
    part = there.with_name(model + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in (CARD_FILE, *card["networks"]):
        shutil.copyfile(trained / name, part / name)
    shutil.rmtree(there, ignore_errors=True)
    part.rename(there)
    return model


def _shelf(root: Path, wish: Wish) -> Path:
    return root / wish.station / wish.market
