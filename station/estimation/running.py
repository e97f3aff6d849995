"""A model at work: a bundle with the state that it keeps of its racks' cells."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from station.estimation.wire import CELL_NUMBERS, Arrays, GroupSetup, ModelReport, Setup
from station.estimators import (
    Estimates,
    EstimatorState,
    RackFacts,
    Samples,
    Settings,
    adopt,
    start,
    tick,
)
from station.estimators.bundle import Bundle, load_bundle
from station.estimators.cell_model import Floats
from station.estimators.health_limit import load_health_curves


@dataclass(frozen=True)
class Model:
    """A bundle, and what it is to work on."""

    bundle: Bundle
    settings: Settings

    @property
    def title(self) -> str:
        """Name and version, as people call it."""
        return f"{self.bundle.name} v{self.bundle.version}"


@dataclass(frozen=True)
class Running:
    """A model with its state."""

    model: Model
    state: EstimatorState


@dataclass(frozen=True, eq=False)
class GroupMoment:
    """What a group's racks tell of a moment."""

    samples: Samples
    facts: RackFacts


def load_model(folder: Path, group: GroupSetup, setup: Setup) -> Model:
    """Load a bundle for the racks of a group.

    Raises:
        EstimatorError: the bundle, or the file of health curves, is missing or wrong.
    """
    curves = group.health_curves
    bundle = load_bundle(folder)
    racks = len(group.racks)
    capacity_ah = bundle.model.capacity_ah * group.parallel
    settings = Settings(
        model=bundle.model,
        rack=np.repeat(np.arange(racks), group.cells),
        racks=racks,
        rack_capacity_ah=np.full(racks, capacity_ah, np.float32),
        soc_min=setup.soc_min,
        soc_max=setup.soc_max,
        rack_rated_kw=np.asarray(group.rated_kw, np.float32),
        confidence=setup.confidence,
        network=bundle.network,
        anomaly=bundle.anomaly,
        health=load_health_curves(Path(curves)) if curves else None,
        charge_health=bundle.charge_health,
        stack=np.asarray(group.stacks, np.intp) if group.stacks else None,
    )
    return Model(bundle, settings)


def begin_cold(model: Model, told_soc: Floats) -> Running:
    """Return a model that knows nothing but what each rack's BMS says, shape (racks,)."""
    return Running(model, start(model.settings, told_soc[model.settings.rack]))


def begin_beside(model: Model, other: Running) -> Running:
    """Return a model that begins with what another one knows of the same cells."""
    return Running(model, adopt(model.settings, other.state))


def advance(running: Running, moment: GroupMoment) -> tuple[Running, Estimates, ModelReport]:
    """Take a moment; return the model after it, what it makes of it, and how it did."""
    begun = time.thread_time()
    state, estimates = tick(running.model.settings, running.state, moment.samples, moment.facts)
    bundle = running.model.bundle
    report = ModelReport(
        folder=str(bundle.folder),
        name=bundle.name,
        version=bundle.version,
        ratio=float(estimates.station["innovation_ratio"]),
        innovation_mv=float(estimates.innovation_mv),
        tick_s=time.thread_time() - begun,
    )
    return replace(running, state=state), estimates, report


def moment_of(arrays: Arrays, racks: slice, cells: slice, parallel: int) -> GroupMoment:
    """Return the part of a station's moment that belongs to a group's racks and cells."""

    def of_racks(name: str) -> Floats:
        return np.asarray(arrays[name][racks], np.float32)

    voltage_v, temperature_c = (np.asarray(arrays[n][cells], np.float32) for n in CELL_NUMBERS)
    return GroupMoment(
        Samples(
            elapsed_s=of_racks("elapsed_s"),
            current_a=of_racks("current_a") / np.float32(parallel),
            current_good=arrays["current_good"][racks].astype(bool),
            voltage_v=voltage_v,
            temperature_c=temperature_c,
            voltage_good=arrays["cell_good"][cells].astype(bool),
            together=arrays["together"][racks].astype(bool),
            mean_a=of_racks("mean_current_a") / np.float32(parallel),
        ),
        RackFacts(
            charge_current_limit_a=of_racks("charge_current_limit_a"),
            discharge_current_limit_a=of_racks("discharge_current_limit_a"),
            bms_soc=of_racks("bms_soc"),
            voltage_v=of_racks("voltage_v"),
            power_kw=of_racks("power_kw"),
            rack_power_kw=of_racks("rack_power_kw"),
            available=arrays["available"][racks].astype(bool),
            charge_guarded=arrays["charge_guarded"][racks].astype(bool),
            discharge_guarded=arrays["discharge_guarded"][racks].astype(bool),
        ),
    )
