"""What was earned: by market, hour, station and item, with wear and losses beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from cloud.market.errors import MarketError
from cloud.market.exchanges import Calendar
from cloud.market.settlement.record import Reading
from cloud.market.statement import Item, Line, Statement

_CENT = Decimal("0.01")
_ZERO = Decimal(0)
K = TypeVar("K")


class MixedCurrencies(MarketError):  # noqa: N818 - says what is wrong with the call
    """Amounts of different currencies cannot be added."""


def _currency(statements: Iterable[Statement]) -> str:
    found = {one.currency for one in statements}
    if len(found) > 1:
        raise MixedCurrencies(
            f"amounts in {', '.join(sorted(found))} cannot be added: ask for one currency"
        )
    return found.pop() if found else ""


def revenue_by_market(statements: Iterable[Statement]) -> dict[str, Decimal]:
    """Return money by market; several currencies may stand beside one another here."""
    return _sums((one.market, line.amount) for one in statements for line in one.lines)


def revenue_by_station(statements: Iterable[Statement]) -> dict[str, Decimal]:
    """Return money by station.

    Raises:
        MixedCurrencies: the statements are in several.
    """
    statements = tuple(statements)
    _currency(statements)
    return _sums((one.station, line.amount) for one in statements for line in one.lines)


def revenue_by_item(statements: Iterable[Statement]) -> dict[Item, Decimal]:
    """Return money by what it was paid for. Raises MixedCurrencies."""
    statements = tuple(statements)
    _currency(statements)
    return _sums((line.item, line.amount) for one in statements for line in one.lines)


def revenue_by_hour(statements: Iterable[Statement], zone: str) -> dict[int, Decimal]:
    """Return money by hour of the local day, 0..23; what belongs to no hour is under -1.

    Raises:
        MixedCurrencies: the statements are in several.
    """
    statements = tuple(statements)
    _currency(statements)
    calendar = Calendar(ZoneInfo(zone).key)

    def hour(line: Line) -> int:
        return -1 if line.start_ms is None else calendar.local(line.start_ms).hour

    return _sums((hour(line), line.amount) for one in statements for line in one.lines)


def _sums(parts: Iterable[tuple[K, Decimal]]) -> dict[K, Decimal]:
    found: dict[K, Decimal] = {}
    for key, amount in parts:
        found[key] = found.get(key, _ZERO) + amount
    return found


@dataclass(frozen=True, slots=True)
class Profit:
    """A day's result, from what was sold to what is left.

    Attributes:
        currency: of all amounts.
        steps: name and amount, in the order of a waterfall; they add up to `net`.
        net: what is left.
        charged_mwh, discharged_mwh: at the point of connection.
        lost_mwh: drawn and not given back, less what the store holds more than before.
        lost_money: the losses at the mean price paid for charging; part of what was bought, so
            it stands beside the steps and not among them.
    """

    currency: str
    steps: tuple[tuple[str, Decimal], ...]
    net: Decimal
    charged_mwh: Decimal
    discharged_mwh: Decimal
    lost_mwh: Decimal
    lost_money: Decimal


def profit(
    statement: Statement,
    readings: Iterable[Reading],
    *,
    wear_per_mwh: Decimal,
    auxiliaries: Decimal = _ZERO,
    stored_more_mwh: Decimal = _ZERO,
) -> Profit:
    """Return a day's result: revenue less wear and auxiliaries, to the cent.

    Args:
        statement: the settled day.
        readings: its meter.
        wear_per_mwh: cost of ageing per MWh discharged, in the statement's currency.
        auxiliaries: what cooling and control cost beside it, if they are metered apart.
        stored_more_mwh: energy in store at the end less that at the beginning.
    """
    energies = [one.energy_mwh for one in readings]
    out = sum((mwh for mwh in energies if mwh > 0), _ZERO)
    into = -sum((mwh for mwh in energies if mwh < 0), _ZERO)
    wear = (out * wear_per_mwh).quantize(_CENT, ROUND_HALF_UP)
    sold, bought = (
        sum((x.amount for x in statement.lines if _is_energy(x) and wanted(x)), _ZERO)
        for wanted in (_sells, lambda line: not _sells(line))
    )
    by_item = revenue_by_item([statement])
    rest = [
        (item.value, by_item[item]) for item in Item if item in by_item and item is not Item.ENERGY
    ]
    steps = (
        ("sold", sold),
        ("bought", bought),
        *rest,
        ("wear", -wear),
        ("auxiliaries", -auxiliaries),
    )
    lost = into - out - stored_more_mwh
    drawn = -sum((x.quantity for x in statement.lines if _is_energy(x) and not _sells(x)), _ZERO)
    mean_price = -bought / drawn if drawn else _ZERO
    return Profit(
        statement.currency,
        steps,
        sum((amount for _, amount in steps), _ZERO),
        into,
        out,
        lost,
        (lost * mean_price).quantize(_CENT, ROUND_HALF_UP),
    )


def _is_energy(line: Line) -> bool:
    return line.item is Item.ENERGY


def _sells(line: Line) -> bool:
    return line.quantity >= 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Actual against plan against perfect foresight.

    Attributes:
        actual, plan, perfect: money.
        execution: actual less plan: what delivery and the market's surprise made of the plan.
        foresight: plan less perfect: what not knowing the prices cost.
        share_of_perfect: actual over perfect; None where perfect earns nothing.
    """

    actual: Decimal
    plan: Decimal
    perfect: Decimal
    execution: Decimal
    foresight: Decimal
    share_of_perfect: float | None


def compare(actual: Decimal, plan: Decimal, perfect: Decimal) -> Comparison:
    """Set a day's (or a year's) money beside what was planned and what could have been."""
    share = float(actual / perfect) if perfect > 0 else None
    return Comparison(actual, plan, perfect, actual - plan, plan - perfect, share)
