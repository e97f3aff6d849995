"""The rows of the programme: how power, stored energy and promised capacity hang together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.battery import Battery
from cloud.market.bid import Direction
from cloud.market.forecast import Floats
from cloud.market.plans.program import Program
from cloud.market.plans.request import CapacityProduct, SideMarket

# Prices within it of zero still need a rule against charging and discharging at once.
_NEAR_ZERO: Final = 1e-9


@dataclass(frozen=True)
class EnergyColumns:
    """Numbers of the columns and rows of one course of the battery, one for each interval."""

    charge: tuple[int, ...]
    discharge: tuple[int, ...]
    stored: tuple[int, ...]
    balance: tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Where the battery may be: MW by interval, and MWh above the lower end of the SOC."""

    charge_mw: Floats
    discharge_mw: Floats
    usable_mwh: float
    first_mwh: float

    @classmethod
    def of(cls, battery: Battery, intervals: int, available: Floats | None) -> "Window":
        """Return the window of a battery that is available to a share."""
        share = np.ones(intervals) if available is None else np.clip(available, 0.0, 1.0)
        first = (battery.soc - battery.soc_min) * battery.energy_mwh
        return cls(
            charge_mw=share * battery.charge_mw,
            discharge_mw=share * battery.discharge_mw,
            usable_mwh=max(battery.usable_mwh, first),
            first_mwh=max(first, 0.0),
        )


@dataclass(frozen=True)
class Board:
    """What all rows are made from: the programme, the battery, where it may be, hours a step."""

    program: Program
    battery: Battery
    window: Window
    step_h: float


def add_energy(
    board: Board,
    gain: Floats,
    end_value: float,
    *,
    weight: float = 1.0,
    exclusive: bool = False,
) -> EnergyColumns:
    """Add one course of the battery that sells at `gain` per MWh, and buys at the same price.

    Where the price lets it pay to burn energy (it is not above zero), a whole-numbered column
    forbids charging and discharging at once; elsewhere losses and wear forbid it by themselves.

    Args:
        board: the programme that is added to, and the battery.
        gain: per MWh, shape (intervals,).
        end_value: worth of one MWh left in the cells.
        weight: of this course in the objective, as its probability.
        exclusive: forbid charging and discharging at once whatever the price: where energy can
            be bought at one price and sold at another, doing both may pay.
    """
    program, battery, window = board.program, board.battery, board.window
    step_h = board.step_h
    charge, discharge, stored, balance = [], [], [], []
    for index, price in enumerate(gain):
        most_c, most_d = float(window.charge_mw[index]), float(window.discharge_mw[index])
        last = index == len(gain) - 1
        charge.append(program.column(-weight * price * step_h, most_c))
        discharge.append(program.column(weight * (price - battery.wear_per_mwh) * step_h, most_d))
        stored.append(program.column(weight * end_value if last else 0.0, window.usable_mwh))
        terms = {
            stored[index]: 1.0,
            charge[index]: -battery.charge_efficiency * step_h,
            discharge[index]: step_h / battery.discharge_efficiency,
        }
        if index:
            terms[stored[index - 1]] = -1.0
        first = 0.0 if index else window.first_mwh
        balance.append(program.row(terms, lower=first, upper=first))
        if exclusive or price <= _NEAR_ZERO:
            runs = program.column(0.0, 1.0, whole=True)
            program.row({discharge[index]: 1.0, runs: -most_d}, upper=0.0)
            program.row({charge[index]: 1.0, runs: most_c}, upper=most_c)
    return EnergyColumns(tuple(charge), tuple(discharge), tuple(stored), tuple(balance))


def add_capacity(
    board: Board, products: tuple[CapacityProduct, ...], energy: EnergyColumns
) -> Mapping[str, tuple[int, ...]]:
    """Add power held ready: it needs free power, and stored energy (or room) at both ends.

    Returns:
        For each product its columns, MW offered by interval.
    """
    columns = {product.id: _offered(board, product) for product in products}
    if products:
        for index in range(len(energy.charge)):
            _share_power(board, products, columns, energy, index)
            _share_energy(board, products, columns, energy, index)
    return columns


def _offered(board: Board, product: CapacityProduct) -> tuple[int, ...]:
    """Add the columns of a product: one for each offer, however many intervals it holds for."""
    most = min(product.most_mw, board.battery.charge_mw + board.battery.discharge_mw)
    gains = (product.price - product.used * board.battery.wear_per_mwh) * board.step_h
    blocks = product.blocks or tuple(range(len(gains)))
    offers = {
        block: board.program.column(
            float(sum(gain for gain, of in zip(gains, blocks, strict=True) if of == block)), most
        )
        for block in dict.fromkeys(blocks)
    }
    return tuple(offers[block] for block in blocks)


def _share_power(
    board: Board,
    products: tuple[CapacityProduct, ...],
    columns: Mapping[str, tuple[int, ...]],
    energy: EnergyColumns,
    index: int,
) -> None:
    up = {columns[one.id][index]: 1.0 for one in products if one.direction is not Direction.DOWN}
    down = {columns[one.id][index]: 1.0 for one in products if one.direction is not Direction.UP}
    out, into = energy.discharge[index], energy.charge[index]
    board.program.row({out: 1.0, into: -1.0, **up}, upper=float(board.window.discharge_mw[index]))
    board.program.row({into: 1.0, out: -1.0, **down}, upper=float(board.window.charge_mw[index]))


def _share_energy(
    board: Board,
    products: tuple[CapacityProduct, ...],
    columns: Mapping[str, tuple[int, ...]],
    energy: EnergyColumns,
    index: int,
) -> None:
    """The stored energy suffices at the beginning and at the end of the interval."""
    up = {
        columns[one.id][index]: -one.hours / board.battery.discharge_efficiency
        for one in products
        if one.direction is not Direction.DOWN
    }
    down = {
        columns[one.id][index]: one.hours * board.battery.charge_efficiency
        for one in products
        if one.direction is not Direction.UP
    }
    stored = energy.stored[index]
    board.program.row({stored: 1.0, **up}, lower=0.0)
    board.program.row({stored: 1.0, **down}, upper=board.window.usable_mwh)
    if index:
        before = energy.stored[index - 1]
        board.program.row({before: 1.0, **up}, lower=0.0)
        board.program.row({before: 1.0, **down}, upper=board.window.usable_mwh)
    else:
        board.program.row(up, lower=-board.window.first_mwh)
        board.program.row(down, upper=board.window.usable_mwh - board.window.first_mwh)


def add_side_markets(
    board: Board, markets: tuple[SideMarket, ...], price: Floats, energy: EnergyColumns
) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Add places beside the spot market: what is sold there is part of what is discharged.

    Args:
        board: the programme that is added to.
        markets: places.
        price: of the spot market, per MWh, shape (intervals,).
        energy: the course that is sold.

    Returns:
        For each market the columns of MW sold and bought, by interval.
    """
    columns = {
        market.id: tuple(
            (
                board.program.column((there - here) * board.step_h, market.most_mw),
                board.program.column((here - there) * board.step_h, market.most_mw),
            )
            for there, here in zip(market.price, price, strict=True)
        )
        for market in markets
    }
    if markets:
        for index in range(len(price)):
            sold = {pairs[index][0]: -1.0 for pairs in columns.values()}
            bought = {pairs[index][1]: -1.0 for pairs in columns.values()}
            board.program.row({energy.discharge[index]: 1.0, **sold}, lower=0.0)
            board.program.row({energy.charge[index]: 1.0, **bought}, lower=0.0)
    return columns
