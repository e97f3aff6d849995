"""Section `[market]` of the cloud's configuration: the market desk's clock, and its exchanges.

What a market allows is in its profile; what a desk may do is kept in the store with who has set
it. Here is only what an installation knows: how long prices are kept, how early people are called,
and where an exchange is reached. Tokens stay in files of their own.
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.config_desk import DeskSection

MarketId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ExchangeSection(_Section):
    """One exchange, as this installation reaches it."""

    market: MarketId = Field(description="id of the market's profile, e.g. cn-shandong")
    url: str = Field(pattern=r"^https?://[^@/]+(/.*)?$", description="address of the exchange")
    participant: str = Field(min_length=1, max_length=64, description="our name at the exchange")
    unit: str | None = Field(
        None, max_length=64, description="the exchange's name of our unit; none: the participant's"
    )
    token_file: Path = Field(description="file of mode 0600 with the bearer token")
    timeout_s: float = Field(10.0, gt=0, le=120, description="wait for an answer")
    report_meter: bool = Field(
        default=False,
        description="tell it the station's readings of a day that is over: for an exchange without"
        " a meter of its own, as the test exchange",
    )
    provisional: bool = Field(
        default=False,
        description="ask for statements while their day lasts, and settle each bid by what they say"
        " of its time: for exchanges whose statements grow",
    )
    settlement_prices: dict[str, str] = Field(
        {},
        description="series that our own settlement takes: imbalance, or a product's id = series",
    )

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        return self.model_copy(update={"token_file": base / self.token_file})


class InvestmentSection(_Section):
    """What the desk costs and when it shall have paid for itself; as it comes the guide's."""

    initial: Decimal = Field(Decimal(1_500_000), gt=0, description="at the start")
    yearly: Decimal = Field(Decimal(250_000), ge=0, description="in every year")
    currency: str = Field("CNY", pattern="^[A-Z]{3}$", description="ISO 4217")
    reference_years: Decimal = Field(Decimal("2.0"), gt=0, description="return that is aimed at")


class MarketSection(_Section):
    """The market desk."""

    investment: InvestmentSection = Field(default_factory=InvestmentSection)

    exchanges: tuple[ExchangeSection, ...] = Field((), description="none: nothing is submitted")
    desks: tuple[DeskSection, ...] = Field((), description="none: nothing is drafted")
    draft_every_s: float = Field(
        5.0, gt=0, le=3_600, description="period of the job that looks for bids that are due"
    )
    work_every_s: float = Field(1.0, gt=0, le=60, description="period of the job that moves bids")
    keep_prices_years: float = Field(
        10.0, ge=3, le=100, description="prices older than this are dropped; three are needed"
    )
    escalate_min: float = Field(
        60.0, gt=0, le=1_440, description="minutes before a gate at which people are called"
    )
    fallback_min: float = Field(
        15.0, gt=0, le=1_440, description="minutes before a gate at which the fall-back bid goes"
    )
    ask_again_s: float = Field(
        15.0, ge=0, le=600, description="wait after an unclear answer before the exchange is asked"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        twice = [
            m for m, count in Counter(one.market for one in self.exchanges).items() if count > 1
        ]
        if twice:
            raise ValueError(f"exchanges name market {twice[0]!r} twice; name each once")
        if self.fallback_min >= self.escalate_min:
            raise ValueError("fallback_min lies not below escalate_min: people are called first")
        return self

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        return self.model_copy(
            update={
                "exchanges": tuple(one.beside(base) for one in self.exchanges),
                "desks": tuple(one.beside(base) for one in self.desks),
            }
        )
