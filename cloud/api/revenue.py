"""What was earned: settled days by market, hour, station and day, and how forecasts did."""

import contextlib
import datetime as dt
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, field_validator

from cloud.access import Action, Session
from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf, permitted
from cloud.api.revenue_csv import table_of
from cloud.errors import Refused
from cloud.market.errors import MarketError
from cloud.market.exchanges import load_market
from cloud.market.money import (
    Annual,
    Ledger,
    StationDay,
    annual,
    ledgers,
    settled_days,
    with_perfect,
)
from cloud.market.risk.kupiec import Kupiec
from cloud.market.settlement import Investment
from contract.words import Words

if TYPE_CHECKING:  # forecasts load scipy, which workers do without until they are asked
    from cloud.market.forecasts.evaluation import Score
    from cloud.market.forecasts.kept import Quality

router = APIRouter(tags=["market"], responses=ERRORS)

_MOST_DAYS: Final = 370
_DEFAULT_DAYS: Final = 30
MoneyReader = Annotated[Session, Depends(permitted(Action.READ_MARKET, "market"))]


class BadSpan(Refused):
    """Days that cannot be shown at once."""

    code = "invalid_request"
    status = 422

    def __init__(self, first: dt.date, last: dt.date) -> None:
        days = (last - first).days + 1
        self.words = Words(
            f"{first} to {last} are {days} days; ask for 1 to {_MOST_DAYS}, the first day first",
            f"{first} 至 {last} 为 {days} 天；可查询 1 至 {_MOST_DAYS} 天，起始日在前",
        )
        super().__init__(self.words.en)


class Wish(BaseModel):
    """Which settled days are asked for; without a last day up to today at the market."""

    first: dt.date | None = Field(None, alias="from", description="market day, YYYY-MM-DD")
    last: dt.date | None = Field(None, alias="to", description="market day, the last one shown")
    station: str | None = Field(None, max_length=64)
    market: str | None = Field(None, max_length=64)

    @field_validator("first", "last", "station", "market", mode="before")
    @classmethod
    def _all(cls, given: object) -> object:
        """A form's empty choice means all of them, an empty day the usual one."""
        return given or None

    def span(self, today: dt.date) -> tuple[dt.date, dt.date]:
        """Return first and last day; a month up to today where none is named.

        Raises:
            BadSpan: the last day is before the first, or there are more than a year of them.
        """
        last = self.last or today
        first = self.first or last - dt.timedelta(days=_DEFAULT_DAYS - 1)
        if not 0 <= (last - first).days < _MOST_DAYS:
            raise BadSpan(first, last)
        return first, last


Asked = Annotated[Wish, Query()]


class StepAnswer(BaseModel):
    """One step of the waterfall."""

    step: str
    amount: Decimal


class RoiAnswer(BaseModel):
    """A year at the rate of the settled days, and when the investment is paid back."""

    days: int
    yearly: Decimal = Field(description="net revenue a year")
    half_width: Decimal | None = Field(description="of yearly at 90 %; null: one day only")
    payback_years: Decimal | None = Field(description="null: never at this rate")
    early_years: Decimal | None
    late_years: Decimal | None
    reference_years: Decimal
    initial: Decimal
    yearly_cost: Decimal
    needed_yearly: Decimal = Field(description="revenue a year that pays back in the reference")
    roi: Decimal = Field(description="net gain over the initial cost after the reference's time")


class VarAnswer(BaseModel):
    """How often settled bids lost more than the VaR (95 %) that they were weighed at (Kupiec)."""

    bids: int
    breaches: int
    expected: float = Field(description="breaches of a right VaR on average")
    p_value: float = Field(description="below 0.05 something speaks against the VaR")


class DayAnswer(BaseModel):
    """One settled day of a station in a market."""

    day: dt.date
    station: str
    market: str
    actual: Decimal
    plan: Decimal
    wear: Decimal
    net: Decimal
    perfect: Decimal | None = Field(description="net of wear; null: prices are not stored")
    ours: Decimal | None = Field(description="total of our own settlement")
    differs: bool = Field(description="a line is off by more than a cent")


class LedgerAnswer(BaseModel):
    """Everything of one currency; amounts are decimal texts."""

    currency: str
    total: Decimal
    wear: Decimal
    net: Decimal
    by_market: dict[str, Decimal]
    by_station: dict[str, Decimal]
    by_hour: dict[int, Decimal] = Field(description="of the market's day; -1: of no hour")
    by_item: dict[str, Decimal]
    waterfall: list[StepAnswer]
    charged_mwh: Decimal
    discharged_mwh: Decimal
    lost_mwh: Decimal
    lost_money: Decimal
    compared_days: int
    compared_net: Decimal | None
    compared_plan: Decimal | None
    compared_perfect: Decimal | None
    share_of_perfect: float | None
    roi: RoiAnswer | None = Field(description="null: the investment is in another currency")
    var: VarAnswer | None = Field(description="null: no bid was weighed")
    days: list[DayAnswer]


class RevenueAnswer(BaseModel):
    """Settled days; currencies stand beside one another and are never added."""

    first: dt.date
    last: dt.date
    ledgers: list[LedgerAnswer]


class ScoreAnswer(BaseModel):
    """What one forecaster reached."""

    member: str
    mae: float
    rmae: float
    capture: float
    pinball: float | None
    coverage: Mapping[str, float] | None


class QualityAnswer(BaseModel):
    """How good the kept forecasts of a station's market were."""

    station: str
    market: str
    days: list[dt.date]
    left_out: int = Field(description="days of which a price is missing")
    late: int = Field(description="days whose forecast was made when their prices were known")
    scores: list[ScoreAnswer]
    weights: dict[dt.date, dict[str, float]]
    daily_mae: dict[dt.date, float]


@router.get("/revenue")
async def show_revenue(parts: DeskOf, _: MoneyReader, wish: Asked) -> RevenueAnswer:
    """Revenue of settled days, from plan to paid, with wear, losses, foresight and payback."""
    first, last = span_of(parts, wish)
    books = ledgers(await collected(parts, wish))
    return RevenueAnswer(
        first=first, last=last, ledgers=[_ledger(one, investment(parts)) for one in books]
    )


@router.get("/revenue.csv", response_class=Response)
async def export_revenue(parts: DeskOf, _: MoneyReader, wish: Asked) -> Response:
    """Every line of the statements of settled days as CSV; times are UTC."""
    days = await collected(parts, wish, perfect=False)
    first, last = span_of(parts, wish)
    name = f'attachment; filename="revenue-{first}-{last}.csv"'
    return Response(table_of(days), media_type="text/csv", headers={"Content-Disposition": name})


@router.get("/forecasts/quality")
async def show_forecast_quality(parts: DeskOf, _: MoneyReader, wish: Asked) -> list[QualityAnswer]:
    """Error, bands, weights and capture of the forecasts that bids were made on."""
    found = await qualities_of(parts, wish)
    return [_quality(place, one) for place, one in found.items()]


def span_of(parts: Desk, wish: Wish) -> tuple[dt.date, dt.date]:
    """Return first and last day that are asked for.

    Raises:
        BadSpan: the last day is before the first, or there are more than a year of them.
    """
    markets = [wish.market] if wish.market else [market for _, market in series_of(parts)]
    return wish.span(day_at(time.time_ns() // 1_000_000, markets))


def day_at(now_ms: int, markets: Iterable[str]) -> dt.date:
    """Return the market day of a moment; the latest where markets differ, UTC's without any."""
    days = []
    for name in set(markets):
        with contextlib.suppress(MarketError):  # of a market that is not known nothing is shown
            days.append(load_market(name).calendar.day_of(now_ms))
    return max(days, default=dt.datetime.fromtimestamp(now_ms / 1e3, dt.UTC).date())


def series_of(parts: Desk) -> dict[tuple[str, str], str]:
    """Return the series of the energy price, by station and market, as desks are configured."""
    desks = parts.services.config.market.desks
    return {(one.station, one.market): one.price for one in desks}


async def collected(parts: Desk, wish: Wish, *, perfect: bool = True) -> list[StationDay]:
    """Return the settled days that are asked for."""
    services = parts.services
    days = await settled_days(
        *(services.pool, services.vault, span_of(parts, wish)),
        station=wish.station,
        market=wish.market,
        series=series_of(parts),
    )
    return await with_perfect(days) if perfect else days


async def qualities_of(parts: Desk, wish: Wish) -> "dict[tuple[str, str], Quality]":
    """Return how good the kept forecasts were that are asked for."""
    from cloud.market.money.beliefs import qualities  # noqa: PLC0415 - as above

    services = parts.services
    return await qualities(
        *(services.pool, services.vault, span_of(parts, wish), series_of(parts)),
        station=wish.station,
        market=wish.market,
    )


def investment(parts: Desk) -> Investment:
    """Return what is to be paid back, as configured."""
    told = parts.services.config.market.investment
    return Investment(told.initial, told.yearly, told.currency, told.reference_years)


def roi_of(book: Ledger, asked: Investment) -> Annual | None:
    """Return a year at the rate of a ledger; None: the investment is in another currency."""
    if book.currency != asked.currency or not book.net_by_day:
        return None
    return annual(tuple(book.net_by_day.values()), asked)


def _ledger(book: Ledger, asked: Investment) -> LedgerAnswer:
    compared, year = book.compared, roi_of(book, asked)
    return LedgerAnswer(
        currency=book.currency,
        total=book.total,
        wear=book.wear,
        net=book.net,
        by_market=dict(book.by_market),
        by_station=dict(book.by_station),
        by_hour=dict(book.by_hour),
        by_item={item.value: amount for item, amount in book.by_item.items()},
        waterfall=[StepAnswer(step=name, amount=amount) for name, amount in book.waterfall.steps],
        charged_mwh=book.charged_mwh,
        discharged_mwh=book.discharged_mwh,
        lost_mwh=book.lost_mwh,
        lost_money=book.lost_money,
        compared_days=book.compared_days,
        compared_net=None if compared is None else compared.actual,
        compared_plan=None if compared is None else compared.plan,
        compared_perfect=None if compared is None else compared.perfect,
        share_of_perfect=None if compared is None else compared.share_of_perfect,
        roi=None if year is None else _roi(year),
        var=None if book.var_test is None else _var(book.var_test),
        days=[_day(one) for one in book.days],
    )


def _var(test: Kupiec) -> VarAnswer:
    return VarAnswer(
        bids=test.days, breaches=test.breaches, expected=test.expected, p_value=test.p_value
    )


def _roi(year: Annual) -> RoiAnswer:
    return RoiAnswer(
        days=year.days,
        yearly=year.yearly,
        half_width=year.half_width,
        payback_years=year.expected.years,
        early_years=None if year.early is None else year.early.years,
        late_years=None if year.late is None else year.late.years,
        reference_years=year.investment.reference_years,
        initial=year.investment.initial,
        yearly_cost=year.investment.yearly,
        needed_yearly=year.expected.needed_yearly,
        roi=year.expected.roi,
    )


def _day(one: StationDay) -> DayAnswer:
    return DayAnswer(
        day=one.statement.day,
        station=one.statement.station,
        market=one.statement.market,
        actual=one.statement.total,
        plan=one.waterfall.of("plan"),
        wear=one.statement.total - one.net,
        net=one.net,
        perfect=one.perfect,
        ours=one.ours,
        differs=one.differs,
    )


def _quality(place: tuple[str, str], one: "Quality") -> QualityAnswer:
    return QualityAnswer(
        station=place[0],
        market=place[1],
        days=list(one.days),
        left_out=one.left_out,
        late=one.late,
        scores=[_score(each) for each in one.scores],
        weights={day: dict(weights) for day, weights in one.weights},
        daily_mae=dict(one.daily),
    )


def _score(one: "Score") -> ScoreAnswer:
    return ScoreAnswer(
        member=one.member,
        mae=one.mae,
        rmae=one.rmae,
        capture=one.capture,
        pinball=one.pinball,
        coverage=one.coverage,
    )
