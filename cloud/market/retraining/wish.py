"""What a training is asked for. A training that was cut goes on only for the same wish."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Wish:
    """One station's policy in one market.

    Attributes:
        station: id.
        market: id of the profile.
        price: series of the price that is bid at, as a rule the real-time price.
        day_ahead: series of the day-ahead price; None: no such market.
        unseen_weeks: last weeks, kept for the gate.
        steps: that each seed practises.
        seeds: trained and averaged.
        allow_short: train on less than three years; the training says so.
    """

    station: str
    market: str
    price: str
    day_ahead: str | None = None
    unseen_weeks: int = 8
    steps: int = 4_000_000
    seeds: int = 2
    allow_short: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the form that is kept."""
        return asdict(self)

    @staticmethod
    def of(kept: Mapping[str, Any]) -> "Wish":
        """Return the wish that was kept."""
        return Wish(**kept)
