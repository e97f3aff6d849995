"""The position now: what was awarded and what the meter says, to its last minute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from cloud.fleet import Station
from cloud.market.bids import Explained
from cloud.market.desk.awards import Traded
from cloud.market.desk.metering import Stretch, flag_zh
from cloud.web import format as form
from cloud.web.desk_view import span
from cloud.web.settlement_view import cost_words
from cloud.web.visit import Visit, digest

_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
_WORTH_SAYING_MW: Final = 0.001


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of the station at this moment.

    Attributes:
        has_meter: whether it has ever sent anything of a meter.
        power_mw: that the meter, or else the station's controller, has told last, discharge
            positive; None: nothing.
        at_ms: when, UTC epoch; None as `power_mw`.
        until_ms: end of the market's day.
        regulation_mw: that the station's regulation signal adds to its schedule; None: nothing.
    """

    has_meter: bool
    power_mw: float | None
    at_ms: int | None
    until_ms: int
    regulation_mw: float | None = None


def view(  # noqa: PLR0917 - a view has so many sources
    visit: Visit,
    station: Station,
    trades: Sequence[Traded],
    meter: Sequence[Stretch],
    explained: Mapping[int, Explained],
    step_min: int,
    moment: Moment,
) -> dict[str, Any]:
    """Awarded against delivered by interval, newest first; the newest as far as it is told.

    Above it stands what is known at once: the power that is awarded and that is metered now, and
    what is still to come today.
    """
    newest = visit.now_ms // (step_min * _MINUTE_MS) * step_min * _MINUTE_MS
    rows = [
        _row(visit, station, one, awarded_mwh(trades, one.begin_ms, one.end_ms), told)
        | {"lasts": one.begin_ms >= newest}
        for one in reversed(meter)
        for told in [[explained[at] for at in sorted(explained) if one.begin_ms <= at < one.end_ms]]
    ]
    most = max((abs(float(row["off_mwh"])) for row in rows), default=0.0)
    now = _now(visit, station, trades, moment)
    return {
        "rows": rows,
        "now": now,
        "empty": "" if rows else _why_empty(visit, moment),
        "most": max(most, 1e-3),
        "step_min": step_min,
        "url": f"/fragments/stations/{station.id}/position",
        "digest": digest([rows, now]),
    }


def _now(
    visit: Visit, station: Station, trades: Sequence[Traded], moment: Moment
) -> tuple[str, ...]:
    """What is awarded and metered at this moment, and what is awarded until the day's end."""
    t, now_ms = visit.t, visit.now_ms
    power = sum(one.power_mw for one in trades if one.start_ms <= now_ms < one.end_ms)
    awarded = form.number(power, 3, signed=True)
    if moment.power_mw is None or moment.at_ms is None:
        said = t("Awarded now: {awarded} MW. No power has been told yet.", awarded=awarded)
    else:
        said = t(
            "Awarded now: {awarded} MW; measured {power} MW at {time}.",
            awarded=awarded,
            power=form.number(moment.power_mw, 3, signed=True),
            time=form.clock(moment.at_ms, station.zone),
        )
    ahead = [
        (one.power_mw, max(one.start_ms, now_ms), min(one.end_ms, moment.until_ms))
        for one in trades
    ]
    energies = [power * max(end - begin, 0) / _HOUR_MS for power, begin, end in ahead]
    return (
        said,
        *_signal(visit, moment),
        t(
            "Still to come today by awards: {bought} MWh bought, {sold} MWh sold.",
            bought=form.number(-sum(min(one, 0.0) for one in energies), 3),
            sold=form.number(sum(max(one, 0.0) for one in energies), 3),
        ),
    )


def _signal(visit: Visit, moment: Moment) -> tuple[str, ...]:
    """That the station follows a regulation signal of its own, whatever the market has bought."""
    if moment.regulation_mw is None or abs(moment.regulation_mw) < _WORTH_SAYING_MW:
        return ()
    return (
        visit.t(
            "Regulation is on by the station's own signal ([regulation] of its configuration), not"
            " by a bid: it adds {power} MW to the schedule now, also while no bid for regulation"
            " is signed.",
            power=form.number(moment.regulation_mw, 3, signed=True),
        ),
    )


def _why_empty(visit: Visit, moment: Moment) -> str:
    if not moment.has_meter:
        return visit.t("The station has sent nothing of a meter: what it delivers is not known.")
    return visit.t(
        "No interval can be told yet: it takes two whole minutes of the meter's counters in the"
        " store, some four minutes after the meter begins. The power above is as the station"
        " tells it."
    )


def awarded_mwh(trades: Sequence[Traded], start_ms: int, end_ms: int) -> float:
    """Energy that is sold (positive) or bought in a stretch of time."""
    return sum(
        one.power_mw * max(min(one.end_ms, end_ms) - max(one.start_ms, start_ms), 0) / _HOUR_MS
        for one in trades
    )


def _row(
    visit: Visit, station: Station, one: Stretch, awarded: float, told: Sequence[Explained]
) -> dict[str, Any]:
    """A stretch; where it holds several explained intervals their costs add up."""
    prices = {each.price for each in told}
    cost = sum((each.cost for each in told), Decimal(0)) if told else None
    causes = dict.fromkeys(each.words.text(visit.language) for each in told)
    flag = flag_zh(one.flag) if visit.language.startswith("zh") else one.flag
    return {
        "span": span(one.begin_ms, one.end_ms, station.zone),
        "awarded": form.number(awarded, 3),
        "delivered": form.number(float(one.energy_mwh), 3),
        "off": form.number(float(one.energy_mwh) - awarded, 3, signed=True),
        "off_mwh": float(one.energy_mwh) - awarded,
        "price": form.number(_float(prices.pop()) if len(prices) == 1 else None, 2),
        "cost": cost_words(visit.t, cost),
        "cause": " ".join(causes) or flag,
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
