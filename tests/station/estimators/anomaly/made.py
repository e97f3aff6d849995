"""A small station of two racks whose sensors are honest, and a detector that calls rare what is."""

from dataclasses import fields, is_dataclass, replace

import numpy as np

from cell_lab.parameter_files import parameters_of
from station.estimators import build_cell_model
from station.estimators.anomaly import Detector, DetectorCard, Inputs, place_of
from station.estimators.anomaly.card import PATTERN, Levels
from station.estimators.anomaly.channels import CELL_CHANNELS, RACK_CHANNELS
from station.estimators.anomaly.tails import Tail

MODEL = build_cell_model(parameters_of("esc26650"))
RACKS, CELLS = 3, 40
PLACE = place_of(np.repeat(np.arange(RACKS), CELLS), RACKS)

_NORMAL = Tail(
    quantiles=(0.0, 0.58, 1.15, 1.65, 2.1, 2.5, 2.9, 3.25, 3.6),
    threshold=3.6,
    reached=2.0,
    shape=0.1,
    scale=0.6,
)


def detector() -> Detector:
    """Tails like those of normal noise, a little heavier; a network that finds nothing."""
    card = DetectorCard(
        name="test",
        version=1,
        source="made for tests",
        cells=dict.fromkeys((*CELL_CHANNELS, PATTERN), _NORMAL),
        racks=dict.fromkeys(RACK_CHANNELS, _NORMAL),
        levels=Levels(notice=6.0, warning=8.0, alarm=10.0),
    )
    return Detector(card, lambda windows: np.zeros(len(windows), np.float32))


class Station:
    """Seconds of racks under a current that swings."""

    def __init__(self, seed: int = 1, racks: int = RACKS, cells: int = CELLS) -> None:
        self.racks, self.cells = racks, cells
        self.rng = np.random.default_rng(seed)
        self.second = 0
        self.soc = 0.6

    def next(self) -> Inputs:
        """One second without a fault."""
        racks, cells = self.racks, self.racks * self.cells
        self.second += 1
        swing = 0.2 * np.sin(self.second / 25) + 0.1 * np.sin(self.second / 3)
        current_a = np.full(racks, swing * MODEL.capacity_ah, np.float32)
        values, _ = MODEL.look_up(np.full(1, self.soc, np.float32), np.full(1, 25, np.float32))
        volts = values[0, 0] - values[2:, 0].sum() * current_a[0]
        noise = self.rng.standard_normal
        voltage_v = np.round(volts + 8e-4 * noise(cells), 3).astype(np.float32)
        return Inputs(
            elapsed_s=np.ones(racks, np.float32),
            current_a=current_a + (5e-4 * noise(racks)).astype(np.float32),
            current_good=np.ones(racks, bool),
            voltage_v=voltage_v,
            temperature_c=np.round(25 + 0.08 * noise(cells), 1).astype(np.float32),
            good=np.ones(cells, bool),
            soc=np.full(cells, self.soc, np.float32),
            innovation=np.zeros(cells, np.float32),
            rack_voltage_v=voltage_v.reshape(racks, -1).sum(axis=1),
            rack_power_kw=np.full(racks, np.nan, np.float32),
        )


def with_cell(inputs: Inputs, name: str, cell: int, value: float) -> Inputs:
    """The same second with another reading of one cell."""
    values = getattr(inputs, name).copy()
    values[cell] = value
    return replace(inputs, **{name: values})


def arrays_of(part: object, prefix: str = "") -> dict[str, np.ndarray]:
    """Every array and number of nested dataclasses by its dotted name."""
    if not is_dataclass(part):
        return {prefix: np.asarray(part)}
    found: dict[str, np.ndarray] = {}
    for each in fields(part):
        found |= arrays_of(getattr(part, each.name), f"{prefix}.{each.name}".lstrip("."))
    return found
