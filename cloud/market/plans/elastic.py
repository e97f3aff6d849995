"""Wishes as rows that may be broken at a price, and what is said of those that were."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from cloud.market.forecast import Floats
from cloud.market.plans.parts import Board, EnergyColumns
from cloud.market.plans.plan import Broken
from cloud.market.plans.request import BadRequest, PlanRequest
from cloud.market.plans.wishes import (
    CycleBudget,
    EndSoc,
    Hold,
    OfferAtLeast,
    Run,
    SocBetween,
    Wish,
)

# So many times the greatest price is lost for a unit of a broken wish: no trade pays for it,
# and the programme's numbers stay within what HiGHS resolves.
_DEARER: Final = 50.0
# Below it a miss is rounding: a tenth of a kW or kWh.
_TOLERANCE: Final = 1e-4


@dataclass(frozen=True)
class Slack:
    """The columns by which a wish is missed."""

    wish: Wish
    columns: tuple[int, ...]
    unit: str


@dataclass(frozen=True)
class _Shape:
    board: Board
    energy: EnergyColumns
    capacity: Mapping[str, tuple[int, ...]]
    cost: float

    def miss(self) -> int:
        return self.board.program.column(-self.cost, float("inf"))


def add_wishes(
    board: Board,
    request: PlanRequest,
    energy: EnergyColumns,
    capacity: Mapping[str, tuple[int, ...]],
) -> tuple[Slack, ...]:
    """Add the request's wishes.

    Raises:
        BadRequest: a wish names an interval or a product that the request has not.
    """
    prices = [abs(request.price).max(), *(abs(one.price).max() for one in request.capacity)]
    cost = _DEARER * (1.0 + max(prices) + request.battery.wear_per_mwh)
    shape = _Shape(board, energy, capacity, cost)
    return tuple(_add(shape, wish) for wish in request.wishes)


def _add(shape: _Shape, wish: Wish) -> Slack:
    match wish:
        case EndSoc(soc=soc):
            last = len(shape.energy.stored) - 1
            return Slack(wish, _between(shape, last, soc, shape.board.battery.soc_max), "MWh")
        case SocBetween(index=index, least=least, most=most):
            return Slack(wish, _between(shape, _known(shape, wish, index), least, most), "MWh")
        case CycleBudget(cycles=cycles):
            return Slack(wish, (_cycles(shape, cycles),), "MWh")
        case Run(index=index, power_mw=power_mw):
            return Slack(wish, _run(shape, _known(shape, wish, index), power_mw), "MW")
        case Hold(begin=begin, end=end):
            places = range(_known(shape, wish, begin), _known(shape, wish, end - 1) + 1)
            return Slack(wish, tuple(_hold(shape, index) for index in places), "MW")
        case OfferAtLeast(product=product, index=index, power_mw=power_mw):
            if product not in shape.capacity:
                raise BadRequest(f"{wish.name}: there is no product {product!r} in the request")
            column = shape.capacity[product][_known(shape, wish, index)]
            missed = shape.miss()
            shape.board.program.row({column: 1.0, missed: 1.0}, lower=power_mw)
            return Slack(wish, (missed,), "MW")
    assert_never(wish)


def _known(shape: _Shape, wish: Wish, index: int) -> int:
    intervals = len(shape.energy.charge)
    if not 0 <= index < intervals:
        raise BadRequest(f"{wish.name}: interval {index} is not one of 0 to {intervals - 1}")
    return index


def _between(shape: _Shape, index: int, least: float, most: float) -> tuple[int, ...]:
    below, above = shape.miss(), shape.miss()
    stored = shape.energy.stored[index]
    floor = (least - shape.board.battery.soc_min) * shape.board.battery.energy_mwh
    roof = (most - shape.board.battery.soc_min) * shape.board.battery.energy_mwh
    shape.board.program.row({stored: 1.0, below: 1.0}, lower=floor)
    shape.board.program.row({stored: 1.0, above: -1.0}, upper=roof)
    return below, above


def _cycles(shape: _Shape, cycles: float) -> int:
    """A full equivalent cycle takes the battery's whole energy out of the cells once."""
    out = shape.board.step_h / shape.board.battery.discharge_efficiency
    missed = shape.miss()
    terms = dict.fromkeys(shape.energy.discharge, out)
    shape.board.program.row({**terms, missed: -1.0}, upper=cycles * shape.board.battery.energy_mwh)
    return missed


def _run(shape: _Shape, index: int, power_mw: float) -> tuple[int, ...]:
    more, less = shape.miss(), shape.miss()
    out, into = shape.energy.discharge[index], shape.energy.charge[index]
    shape.board.program.row(
        {out: 1.0, into: -1.0, less: 1.0, more: -1.0}, lower=power_mw, upper=power_mw
    )
    return more, less


def _hold(shape: _Shape, index: int) -> int:
    missed = shape.miss()
    out, into = shape.energy.discharge[index], shape.energy.charge[index]
    shape.board.program.row({out: 1.0, into: 1.0, missed: -1.0}, upper=0.0)
    return missed


def broken(slacks: tuple[Slack, ...], values: Floats) -> tuple[Broken, ...]:
    """Return the wishes that a solution breaks, with words for each."""
    found = []
    for slack in slacks:
        by = float(sum(values[column] for column in slack.columns))
        if by > _TOLERANCE:
            sentence = f"{slack.wish.name}: missed by {by:.3f} {slack.unit}; {_asked(slack.wish)}"
            found.append(Broken(slack.wish.name, by, slack.unit, sentence))
    return tuple(found)


def _asked(wish: Wish) -> str:
    match wish:
        case EndSoc(soc=soc):
            return f"asked for an SOC of {100 * soc:.1f} % or more at the end"
        case SocBetween(index=index, least=least, most=most):
            return f"asked for {100 * least:.1f} to {100 * most:.1f} % after interval {index}"
        case CycleBudget(cycles=cycles):
            return f"asked for {cycles:g} full cycles at the most"
        case Run(index=index, power_mw=power_mw):
            return f"asked for {power_mw:.3f} MW in interval {index}"
        case Hold(begin=begin, end=end):
            return f"asked to stand still in the intervals {begin} to {end - 1}"
        case OfferAtLeast(product=product, index=index, power_mw=power_mw):
            return f"asked for {power_mw:.3f} MW of {product} in interval {index}"
    assert_never(wish)
