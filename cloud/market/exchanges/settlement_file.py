"""How a market settles, as a part of its file: scheme, rounding and parameters.

Rounding: `step` is the least amount of money, `each` says whether every interval's amount is
rounded or only the sum of the day, `mode` how a half is rounded.
"""

from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

T = TypeVar("T")


class Strict(BaseModel):
    """Refuses unknown keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StatedBase(Strict):
    """What stands beside every value: its date and source, or why it is assumed.

    Attributes:
        since: year, month or day since which it holds, as exact as it is known: "2024-07".
        source: a key of the file's [sources].
        assumed: why it is taken to be so.
    """

    since: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}){0,2}$")] | None = None
    source: str | None = None
    assumed: str | None = None

    @model_validator(mode="after")
    def _has_origin(self) -> "StatedBase":
        if (self.source is None) == (self.assumed is None):
            raise ValueError(
                "say where the value comes from: either source = a key of [sources], or "
                "assumed = why it is taken to be so"
            )
        return self


class StatedMoney(StatedBase, Generic[T]):
    """A value of settlement with its date and its source."""

    value: T


class RoundingFile(Strict):
    """To what money is rounded, and when."""

    step: Annotated[Decimal, Field(gt=0)]
    each: Literal["interval", "day"]
    mode: Literal["half_up", "half_even"]


Share = Annotated[Decimal, Field(ge=0, le=1)]
Positive = Annotated[Decimal, Field(ge=0)]


class SettlementBase(Strict):
    """What every scheme says.

    Attributes:
        rounding: to what money is rounded.
        final_days: days after the delivery day from which on a statement is revised no more.
    """

    rounding: StatedMoney[RoundingFile]
    final_days: StatedMoney[Annotated[int, Field(ge=0, le=400)]]


class TwoSettlementFile(SettlementBase):
    """Day-ahead award at the day-ahead price, the rest at the real-time price (ERCOT)."""

    scheme: Literal["two-settlement"]


class ImbalanceFile(SettlementBase):
    """Day-ahead and intraday awards at their prices, the rest at the imbalance price (Europe)."""

    scheme: Literal["imbalance"]


class AemoFile(SettlementBase):
    """Metered energy of each 5 minutes x MLF x price, and FCAS enablement x price."""

    scheme: Literal["aemo"]


class ChinaFile(SettlementBase):
    """Spot with contract, deviation band, and regulation by K x mileage.

    Attributes:
        deviation_free_share: a deviation up to this share of the award bears no charge.
        deviation_factor: multiple of the real-time price charged on the rest of it.
        regulation_k_max: greatest performance K that is paid.
        regulation_capacity_won: CNY per MW and hour of regulation won.
        regulation_capacity_lost: the same for what was offered and not won.
    """

    scheme: Literal["china-spot"]
    deviation_free_share: StatedMoney[Share]
    deviation_factor: StatedMoney[Positive]
    regulation_k_max: StatedMoney[Positive]
    regulation_capacity_won: StatedMoney[Positive]
    regulation_capacity_lost: StatedMoney[Positive]


SettlementFile = Annotated[
    TwoSettlementFile | ImbalanceFile | AemoFile | ChinaFile, Field(discriminator="scheme")
]
