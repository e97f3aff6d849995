"""All that the estimators keep from one second to the next."""

from dataclasses import dataclass

import numpy as np

from station.estimators import (
    anomaly,
    capacity,
    charge_health,
    dispatchable,
    efficiency,
    resistance,
    soc,
)
from station.estimators.anomaly import AnomalyState
from station.estimators.capacity import CapacityState
from station.estimators.cell_model import Floats
from station.estimators.charge_ends import ChargeEndState, start_charge_ends
from station.estimators.charge_health import Words
from station.estimators.dispatchable import Held
from station.estimators.efficiency import Balance, EfficiencyState
from station.estimators.meter import Meter, new_meter
from station.estimators.network_run import NetworkState, start_network
from station.estimators.relaxation import RelaxationState, start_relaxations
from station.estimators.resistance import ResistanceState
from station.estimators.samples import Flags, Halves
from station.estimators.settings import Settings
from station.estimators.soc import SocState


@dataclass(frozen=True)
class Watch:
    """How well each rack is seen, shape (racks,) each.

    Attributes:
        heard: whether it has ever been.
        silent: ticks since it was last.
        resumed: whether it came back after an absence and is still wider than usual.
        innovation_square: squared innovation over its expectation, mean of half a minute; NaN
            before the first.
        innovation_v2: the same in V^2.
    """

    heard: Flags
    silent: Floats
    resumed: Flags
    innovation_square: Floats
    innovation_v2: Floats


@dataclass(frozen=True)
class NetworkMemory:
    """What the network has heard; it is lost at a restart, and is heard again within minutes.

    Attributes:
        network, lean, second: as in fused.FusedState.
    """

    network: NetworkState | None
    lean: Halves
    second: int


@dataclass(frozen=True)
class EstimatorState:
    """The whole; state_file turns it into bytes and back.

    Attributes:
        make: of the cells, as its type plate says.
        ticks: since the beginning.
        soc: of the SOC filter.
        network: of the network beside it, None where there is none.
        anomaly: of the detector of anomalies, None where there is none.
        relaxing: of loads and rests that go on; they begin anew at a restart.
        charging: of the charges that go on; a charge in which the estimators restart is not told.
        words: what the SOH model said of each cell; both None where there is no such model.
        capacity: by counted charge alone.
    """

    make: str
    ticks: int
    soc: SocState
    network: NetworkMemory | None
    anomaly: AnomalyState | None
    meter: Meter
    capacity: CapacityState
    resistance: ResistanceState
    efficiency: EfficiencyState
    balance: Balance
    held: Held
    watch: Watch
    relaxing: RelaxationState
    charging: ChargeEndState | None = None
    words: Words | None = None


def start(settings: Settings, told_soc: Floats, told_soh: Floats | None = None) -> EstimatorState:
    """Return the state before the first second.

    Args:
        settings: of the station.
        told_soc: by something not to be relied on, as the BMS; NaN: not known; shape (cells,).
        told_soh: the same of the capacity against new.
    """
    cells, racks = len(settings.rack), settings.racks
    soh = np.full(cells, np.nan, np.float32) if told_soh is None else told_soh
    not_known = np.full(racks, np.nan, np.float32)
    return EstimatorState(
        make=settings.model.make,
        ticks=0,
        soc=soc.cold_start(settings.model, settings.rack, racks, told_soc),
        network=new_memory(settings),
        anomaly=None if settings.anomaly is None else anomaly.start(settings.model, settings.place),
        meter=new_meter(racks),
        capacity=capacity.known_capacity(soh),
        resistance=resistance.new_cells(cells, racks),
        efficiency=efficiency.nothing_moved(cells, racks),
        balance=efficiency.new_balance(),
        held=dispatchable.nothing_held(racks),
        watch=Watch(
            heard=np.zeros(racks, bool),
            silent=np.zeros(racks, np.float32),
            resumed=np.zeros(racks, bool),
            innovation_square=not_known,
            innovation_v2=not_known,
        ),
        relaxing=new_rests(settings),
        charging=new_charging(settings),
        words=None if settings.charge_health is None else charge_health.nothing_said(cells, racks),
    )


def new_rests(settings: Settings) -> RelaxationState:
    """Return the state of racks whose loads and rests nobody has seen yet."""
    rule = resistance.rests_of(settings.model)
    return start_relaxations(rule, settings.rack, settings.racks)


def new_charging(settings: Settings) -> ChargeEndState | None:
    """Return the state of racks none of which is charged; None without an SOH model."""
    return (
        None if settings.charge_health is None else start_charge_ends(settings.rack, settings.racks)
    )


def known_capacity(settings: Settings, state: EstimatorState) -> CapacityState:
    """Return what is known of the cells' capacity: by counted charge and, where any, by model."""
    if settings.charge_health is None or state.words is None:
        return state.capacity
    return charge_health.fused(
        settings.charge_health, state.words, state.capacity, state.meter, settings.rack
    )


def new_memory(settings: Settings) -> NetworkMemory | None:
    """Return the memory of a network that has heard nothing; None where none is ever asked."""
    network = settings.network
    if network is None or network.facts.trust_in(settings.model.chemistry).is_nothing:
        return None
    cells = len(settings.rack)
    return NetworkMemory(
        start_network(network, cells, settings.racks), np.zeros(cells, np.float16), 0
    )
