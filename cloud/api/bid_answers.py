"""Bids as the API tells them, and as it is told them."""

import datetime as dt
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field

from cloud.api.answers import WordsAnswer
from cloud.api.times import Moment
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment, Trapezium
from cloud.market.bids import (
    Approver,
    Bid,
    Cleared,
    Delivery,
    Judgement,
    Listed,
    Scheduled,
    Settlement,
    State,
    Step,
    Version,
    fingerprint,
)

_MOST_INTERVALS = 1_500
_MOST_SEGMENTS = 50
_LONGEST_WHY = 2_000

Finite = Annotated[Decimal, Field(allow_inf_nan=False, max_digits=18)]


class SegmentBody(BaseModel):
    """One step of an interval's curve."""

    direction: Direction
    power_mw: Finite = Field(description="so much more than the segments before, positive")
    price: Finite | None = Field(None, description="null: at any price")
    why: str = Field("", max_length=500, description="one sentence; where the price comes from")
    divisible: bool = True


class TrapeziumBody(BaseModel):
    """How much reserve is given at which output, MW."""

    enablement_min: Finite
    low_breakpoint: Finite
    high_breakpoint: Finite
    enablement_max: Finite
    max_mw: Finite


class IntervalBody(BaseModel):
    """What is offered from a time on for one interval."""

    start_ms: Moment
    segments: list[SegmentBody] = Field(max_length=_MOST_SEGMENTS)
    trapezium: TrapeziumBody | None = None

    def interval(self) -> BidInterval:
        """The interval in the market's neutral form."""
        segments = tuple(Segment(**one.model_dump()) for one in self.segments)
        shape = None if self.trapezium is None else Trapezium(**self.trapezium.model_dump())
        return BidInterval(self.start_ms, segments, shape)


Intervals = Annotated[list[IntervalBody], Field(min_length=1, max_length=_MOST_INTERVALS)]
Why = Annotated[str, Field(max_length=_LONGEST_WHY, description="for the log")]


class ListedAnswer(BaseModel):
    """A bid as a list shows it, with the version that counts."""

    id: str
    station: str
    desk: str
    market: str
    product: str
    day: dt.date
    gate_ms: int
    begin_ms: int
    end_ms: int
    version: int = Field(description="the one that stands or is on its way, else the newest")
    state: State
    fallback: bool
    approved_by: str | None = Field(description="a person, or rule:NAME; null: nobody")
    blocked: str = Field(description='"rules", "limits", or nothing')


class BidList(BaseModel):
    """Bids in the order of their gates."""

    bids: list[ListedAnswer]


class ReasonAnswer(BaseModel):
    """Why an interval is offered as it is."""

    start_ms: int | None = Field(description="null: of the whole bid")
    en: str
    zh: str


class StressAnswer(BaseModel):
    """What a day that no history promises makes of a bid."""

    name: str
    words: WordsAnswer
    revenue: float
    missed_mwh: float = Field(description="clears and cannot be followed")


class JudgementAnswer(BaseModel):
    """What rules, limits and risk say of a version."""

    violations: list[WordsAnswer] = Field(description="rules of the market that it breaks")
    breaches: list[WordsAnswer] = Field(description="limits of the desk that it breaks")
    figures: dict[str, float] = Field(
        description="expected, var, cvar, worst, book_cvar in the market's currency, losses "
        "positive; power_mw; energy_mwh; left: how much of expected is energy left in store, "
        "left_mwh at left_price per MWh"
    )
    approver: Approver = Field(description="who is enough to approve it")
    rule: str
    blocked: str
    stress: list[StressAnswer] = Field(
        description="the first as forecast; empty: no price of energy can weigh it"
    )


class VersionAnswer(BaseModel):
    """One version of a bid, with all that it was made from."""

    number: int
    state: State
    fallback: bool = Field(description="goes only when nothing else is approved in time")
    made_by: str
    made_ms: int
    approved_by: str | None
    blocked: str
    reference: str = Field(description="the exchange's name for it")
    fingerprint: str = Field(description="names exactly these offers")
    mode: OfferMode
    intervals: list[IntervalBody]
    explanation: list[ReasonAnswer]
    forecasts: list[str]
    models: list[str]
    inputs: dict[str, Any] = Field(description="battery, forecast, plan, notes: as it was made")
    judgement: JudgementAnswer | None = Field(description="null: not looked at yet")


class StepAnswer(BaseModel):
    """One line of the log."""

    version: int
    before: State | None
    after: State
    at_ms: int
    who: str
    why: str


class AwardAnswer(BaseModel):
    """What was cleared of an interval."""

    start_ms: int
    direction: Direction
    power_mw: Decimal
    price: Decimal | None


class ClearingAnswer(BaseModel):
    """The market's result."""

    interval_min: int
    awards: list[AwardAnswer]
    currency: str


class DeliveryAnswer(BaseModel):
    """What the meter says."""

    measured: list[dict[str, Any]] = Field(description="start_ms, energy_mwh, discharge positive")
    flags: list[str]


class SettlementAnswer(BaseModel):
    """What it came to: positive is paid to us."""

    amount: Decimal
    currency: str
    lines: dict[str, Decimal]
    notes: list[WordsAnswer]
    theirs_day: Decimal | None = Field(None, description="of the exchange's statement of the day")
    ours_day: Decimal | None = Field(None, description="by our own settlement of the day")
    differs: bool = Field(False, description="whether any line of the day is off by over a cent")
    deviations: list[dict[str, Any]] = Field([], description="intervals that went otherwise")
    differences: list[dict[str, Any]] = Field([], description="lines in which both differ")
    number: int = Field(1, description="how often it has been settled")
    final: bool = Field(False, description="whether the market revises the statement no more")
    changes: list[dict[str, Any]] = Field([], description="lines that are others than before")


class BidAnswer(BaseModel):
    """A bid whole: versions, log, and what became of it."""

    id: str
    station: str
    desk: str
    market: str
    product: str
    day: dt.date
    interval_min: int
    gate_ms: int
    begin_ms: int
    end_ms: int
    created_by: str
    newest: int = Field(description="number of its last version; sent back with every act")
    versions: list[VersionAnswer]
    log: list[StepAnswer]
    clearing: ClearingAnswer | None
    orders: list[str] = Field(description="orders that the station works by")
    delivery: DeliveryAnswer | None
    settlement: SettlementAnswer | None


def listed_answer(one: Listed) -> ListedAnswer:
    """A bid of a list."""
    return ListedAnswer(**asdict(one))


def bid_answer(bid: Bid, papers: dict[int, dict[type[Any], Any]], log: list[Step]) -> BidAnswer:
    """A bid whole."""
    latest = {kind: paper for _, some in sorted(papers.items()) for kind, paper in some.items()}
    offers = bid.versions[0].content.bid_set
    heads = ("id", "station", "desk", "market", "product", "day", "gate_ms", "begin_ms", "end_ms")
    cleared, ordered = latest.get(Cleared), latest.get(Scheduled)
    delivered, settled = latest.get(Delivery), latest.get(Settlement)
    return BidAnswer(
        **{name: getattr(bid, name) for name in heads},
        interval_min=offers.interval_min,
        created_by=bid.created_by,
        newest=bid.versions[-1].number,
        versions=[version_answer(one, papers.get(one.number, {})) for one in bid.versions],
        log=[StepAnswer(**asdict(step)) for step in log],
        clearing=None if cleared is None else ClearingAnswer(**asdict(cleared)),
        orders=[] if ordered is None else list(ordered.orders),
        delivery=None if delivered is None else DeliveryAnswer(**asdict(delivered)),
        settlement=None if settled is None else settlement_answer(settled),
    )


def settlement_answer(settled: Settlement) -> SettlementAnswer:
    """What a bid came to."""
    notes = [WordsAnswer(en=one.en, zh=one.zh) for one in settled.notes]
    return SettlementAnswer(**asdict(settled) | {"notes": notes})


def version_answer(one: Version, papers: dict[type[Any], Any]) -> VersionAnswer:
    """A version of a bid."""
    content, judged = one.content, papers.get(Judgement)
    return VersionAnswer(
        number=one.number,
        state=one.state,
        fallback=one.fallback,
        made_by=one.made_by,
        made_ms=one.made_ms,
        approved_by=one.approved_by,
        blocked=one.blocked,
        reference=one.reference,
        fingerprint=fingerprint(content.bid_set),
        mode=content.bid_set.mode,
        intervals=[IntervalBody(**asdict(interval)) for interval in content.bid_set.intervals],
        explanation=[ReasonAnswer(**asdict(reason)) for reason in content.explanation],
        forecasts=list(content.forecasts),
        models=list(content.models),
        inputs=dict(content.inputs),
        judgement=None if judged is None else judgement_answer(judged),
    )


def judgement_answer(judged: Judgement) -> JudgementAnswer:
    """What checks and risk say."""
    return JudgementAnswer(
        violations=[WordsAnswer(en=one.en, zh=one.zh) for one in judged.violations],
        breaches=[WordsAnswer(en=one.en, zh=one.zh) for one in judged.breaches],
        figures=dict(judged.figures),
        approver=judged.approver,
        rule=judged.rule,
        blocked=judged.blocked,
        stress=[
            StressAnswer(
                name=one.name,
                words=WordsAnswer(en=one.en, zh=one.zh),
                revenue=one.revenue,
                missed_mwh=one.missed_mwh,
            )
            for one in judged.stressed
        ],
    )


def offers_of(base: BidSet, intervals: list[IntervalBody], mode: OfferMode | None) -> BidSet:
    """The bid set of a request, for the station, product and day of another."""
    return BidSet(
        *(base.station, base.market, base.product, base.day, base.interval_min),
        mode=mode or base.mode,
        intervals=tuple(one.interval() for one in intervals),
    )
