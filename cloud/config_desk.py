"""`[[market.desks]]` of the cloud's configuration: what a desk bids for a station."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.market.bid import OfferMode

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ProductSection(_Section):
    """A product of energy that bids are drafted for."""

    id: Id = Field(description="of the product in the market's profile")
    mode: OfferMode = OfferMode.QUANTITY_PRICE
    ahead_min: float = Field(
        1_800.0, gt=0, description="minutes before its gate from which on a bid is drafted"
    )
    lead_s: float = Field(
        30.0, ge=0, description="seconds that must be left before the gate for a draft to pay"
    )
    held: dict[Id, Id] = Field(
        {}, description="regulation or reserve products offered beside it: id = series of its price"
    )
    held_most_mw: float = Field(1e6, gt=0, description="greatest power held for each of them, MW")
    side: dict[Id, Id] = Field(
        {}, description="other products of energy sold beside it, as a regional one: id = series"
    )
    side_most_mw: float = Field(1e6, gt=0, description="greatest power at each of them, MW")
    used: dict[Id, float] = Field(
        {}, description="MWh that a MW of such a product moves in an hour; measure your own"
    )
    real_time: Id | None = Field(
        None,
        description="series of its own price, for a product within the day: it is bid by curves of"
        " the policy that passed the gate, or of opportunity values; none: by the plan",
    )
    spend_charges: float = Field(
        1.0,
        gt=0,
        description="what charging may cost in a local day beyond what the day has earned, where it"
        " is bid by curves: so many full charges at the mean price of the last 180 days",
    )

    @model_validator(mode="after")
    def _alone(self) -> Self:
        if self.real_time is not None and (self.held or self.side):
            raise ValueError(
                "real_time: a product that is bid by curves has nothing held or sold beside it;"
                " take out held and side, or real_time"
            )
        return self


class DeskSection(_Section):
    """What one desk bids for one station at one market."""

    desk: Id = Field("desk", description="whose limits count")
    station: str = Field(min_length=1, description="id of the station")
    market: Id = Field(description="id of the market's profile")
    role: Literal["independent", "joint"] = Field(
        "independent", description="as what the station stands in the market"
    )
    price: Id = Field(description="series of the energy price that is forecast")
    exogenous: dict[str, Id] = Field(
        {}, description="series that are known for the day: name = series"
    )
    members: Literal["naive", "quick", "all"] = Field(
        "all", description="who forecasts; all takes seconds a day, quick tenths"
    )
    allow_short_history: bool = Field(
        default=False, description="forecast from less than three years; every bid says so"
    )
    warm_up_days: int = Field(
        84, ge=14, le=730, description="days forecast in hindsight for weights and bands"
    )
    end_soc: float | None = Field(
        None, ge=0, le=1, description="share of the promised energy wished for at the day's end"
    )
    wear_file: Path | None = Field(None, description="what ageing costs; None: the house's values")
    products: tuple[ProductSection, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        counted = Counter(product.id for product in self.products)
        twice = [name for name, count in counted.items() if count > 1]
        if twice:
            raise ValueError(f"products name {twice[0]!r} twice; name each once")
        return self

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        file = self.wear_file
        return self if file is None else self.model_copy(update={"wear_file": base / file})
