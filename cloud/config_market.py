"""Section `[market]` of the cloud's configuration: the market desk's clock, and its exchanges.

What a market allows is in its profile; what a desk may do is kept in the store with who has set
it. Here is only what an installation knows: how long prices are kept, how early people are called,
and where an exchange is reached. Tokens stay in files of their own.
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.config_desk import DeskSection
from cloud.config_training import TrainingSection

StepName = Literal[
    "drafted",
    "checked",
    "approved",
    "submitted",
    "accepted",
    "rejected",
    "amended",
    "cleared",
    "scheduled",
    "delivered",
    "settled",
    "withdrawn",
    "lapsed",
]
"""The states of a bid, written out: whoever reads a configuration loads nothing of the desk."""
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
MarketId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ExchangeSection(_Section):
    """One exchange, as this installation reaches it."""

    market: MarketId = Field(description="id of the market's profile, e.g. cn-shandong")
    url: str | None = Field(
        None, pattern=r"^https?://[^@/]+(/.*)?$", description="address of the exchange"
    )
    folder: Path | None = Field(
        None, description="instead of an address: folder with inbox and outbox that it watches"
    )
    participant: str = Field(min_length=1, max_length=64, description="our name at the exchange")
    unit: str | None = Field(
        None, max_length=64, description="the exchange's name of our unit; none: the participant's"
    )
    token_file: Path | None = Field(
        None, description="file of mode 0600 with the bearer token; for an address"
    )
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

    @model_validator(mode="after")
    def _reached(self) -> Self:
        if (self.url is None) == (self.folder is None):
            raise ValueError("name either the url of the exchange, or the folder that it watches")
        if (self.url is None) != (self.token_file is None):
            raise ValueError("an exchange with a url has a token_file, one with a folder has none")
        return self

    @model_validator(mode="after")
    def _sealed(self) -> Self:
        address = urlsplit(self.url or "")
        if address.scheme == "http" and address.hostname not in _THIS_MACHINE:
            raise ValueError(
                f"{self.url} would carry the token in clear; write https://, or reach an exchange"
                " on this machine"
            )
        return self

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        paths = {"token_file": self.token_file, "folder": self.folder}
        there = {name: base / path for name, path in paths.items() if path is not None}
        return self.model_copy(update=there)


class InvestmentSection(_Section):
    """What the desk costs and when it shall have paid for itself; as it comes the guide's."""

    initial: Decimal = Field(Decimal(1_500_000), gt=0, description="at the start")
    yearly: Decimal = Field(Decimal(250_000), ge=0, description="in every year")
    currency: str = Field("CNY", pattern="^[A-Z]{3}$", description="ISO 4217")
    reference_years: Decimal = Field(Decimal("2.0"), gt=0, description="return that is aimed at")


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]


class WebhookSection(_Section):
    """A system that is told every step of a bid's life."""

    name: Name = Field(description="for queues and logs")
    url: str = Field(pattern=r"^https?://[^@/]+(/.*)?$", description="address it is posted to")
    secret_file: Path = Field(description="file of mode 0600 with the secret that signs messages")
    steps: tuple[StepName, ...] = Field((), description="states that are told; none: all")
    timeout_s: float = Field(10.0, gt=0, le=60, description="wait for an answer")
    give_up_h: float = Field(24.0, gt=0, le=720, description="a step is tried so long")

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        return self.model_copy(update={"secret_file": base / self.secret_file})


class SenderSection(_Section):
    """A system that may hand in bids by file."""

    name: Name = Field(description="as its files name it")
    kind: Literal["ed25519", "hmac"] = Field(description="of its signatures")
    key_file: Path = Field(description="public key (PEM), or the secret that both sides know")
    desk: str = Field("desk", description="whose limits count")
    stations: tuple[str, ...] = Field((), description="none: all")

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        return self.model_copy(update={"key_file": base / self.key_file})


class MarketSection(_Section):
    """The market desk."""

    webhooks: tuple[WebhookSection, ...] = Field((), description="none: nobody is told")
    inbox: Path | None = Field(None, description="folder of bids by file; none: they come not so")
    senders: tuple[SenderSection, ...] = Field((), description="who may bid by file")

    investment: InvestmentSection = Field(default_factory=InvestmentSection)

    exchanges: tuple[ExchangeSection, ...] = Field((), description="none: nothing is submitted")
    desks: tuple[DeskSection, ...] = Field((), description="none: nothing is drafted")
    trainings: tuple[TrainingSection, ...] = Field(
        (), description="bidding policies that are learnt anew on a schedule; none: nothing is"
    )
    policies_dir: Path | None = Field(
        None,
        description="folder of the policies that were learnt; none: policies in data_dir. Clouds"
        " that share a database share it",
    )
    draft_every_s: float = Field(
        5.0, gt=0, le=3_600, description="period of the job that looks for bids that are due"
    )
    draft_limit_min: float = Field(
        15.0,
        gt=0,
        le=1_440,
        description="a drafting that takes longer calls people; near a gate half of what is left",
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
        names = [one.name for one in self.webhooks], [one.name for one in self.senders]
        for what, named in zip(("webhooks", "senders"), names, strict=True):
            if len(set(named)) < len(named):
                raise ValueError(f"{what} share a name; name each once")
        places = Counter((one.station, one.market) for one in self.trainings)
        if again := [place for place, count in places.items() if count > 1]:
            raise ValueError(f"trainings name {' at '.join(again[0])} twice; name each once")
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
                "trainings": tuple(one.beside(base) for one in self.trainings),
                "webhooks": tuple(one.beside(base) for one in self.webhooks),
                "senders": tuple(one.beside(base) for one in self.senders),
                "inbox": None if self.inbox is None else base / self.inbox,
                "policies_dir": None if self.policies_dir is None else base / self.policies_dir,
            }
        )
