"""`[[market.trainings]]` of the cloud's configuration: a bidding policy that is learnt anew."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class TrainingSection(BaseModel):
    """One station's policy in one market."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    station: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", description="id of the station"
    )
    market: Id = Field(description="id of the market's profile")
    price: Id = Field(description="series of the price that is bid at: real time, as a rule")
    day_ahead: Id | None = Field(None, description="series of the day-ahead price; none: no such")
    every_days: float = Field(7.0, ge=1, le=366, description="from one start to the next")
    unseen_weeks: int = Field(8, ge=4, le=52, description="last weeks, kept for the gate")
    steps: int = Field(4_000_000, ge=1_000, le=1_000_000_000, description="practised by each seed")
    seeds: int = Field(2, ge=1, le=16, description="policies trained and averaged")
    allow_short_history: bool = Field(
        default=False, description="train on less than three years; the training says so"
    )
    wear_file: Path | None = Field(None, description="what ageing costs; none: the house's values")

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        file = self.wear_file
        return self if file is None else self.model_copy(update={"wear_file": base / file})

    def changed(self, wishes: dict[str, Any]) -> Self:
        """Return the section with other values, checked; a wish of None changes nothing.

        Raises:
            ValidationError: a value is out of range.
        """
        given = {name: value for name, value in wishes.items() if value is not None}
        return type(self).model_validate(self.model_dump() | given)
