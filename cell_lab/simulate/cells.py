"""Cells to simulate: a make's tables, and how each cell differs from them."""

import tomllib
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import CellModel

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

ENTROPY_FILE = Path(__file__).resolve().parents[2] / "data" / "battery" / "lfp-280ah.toml"
_ENTROPY_POINTS = 201
_NEVER_OHM = 1e12
_HEAT_J_PER_K_AH = 22.0
"""Of LFP cells: 31 J/(K Ah) of a 26650 of 2.5 Ah, 19.3 of a prismatic cell of 280 Ah and 5.4 kg."""
_SURFACE_SHARE = 0.3
_INNER_W_PER_K, _OUTER_W_PER_K = 0.9, 0.09
"""Of a cell of 2.5 Ah in still air (two-node fits on 26650 cells: Lin et al. 2014, J. Power
Sources 257); conductances grow with the surface, as the capacity to the power of two thirds."""
_SMALL_AH = 2.5


@dataclass(frozen=True)
class Cells:
    """How each cell differs from its make; shape (cells,) unless said, all in the make's units.

    Attributes:
        string: row of the drive that the cell takes its current and surroundings from.
        capacity_ah: of the cell as it is, aged, on the scale of its make's nominal one: what moves
            SOC is this times the make's share in use (Counting in cell_model), as for the filter.
        resistance: factor on each term, shape (cells, terms).
        lag_scale: factor on all time constants.
        activation_k: resistances go with exp(activation (1/T - 1/298.15 K)) beside the table.
        ocv_wave: error of the open-circuit table as a wave over SOC: height in V, waves over the
            whole range, phase in turns; shape (cells, 3).
        half_scale: factor on the hysteresis; rate: how fast it is crossed, see cell_model.
        short_ohm: of a shunt inside the cell; contact_ohm: of the joint that is measured with it.
        heat_core_j_per_k, heat_surface_j_per_k: heat capacities of the two nodes.
        thermal_w_per_k: core to surface, surface to surroundings, shape (cells, 2).
        low_v, high_v: where a cell on its own reduces its current, as a charger does.
    """

    string: Numbers
    capacity_ah: Values
    resistance: Values
    lag_scale: Values
    activation_k: Values
    ocv_wave: Values
    half_scale: Values
    rate: Values
    short_ohm: Values
    contact_ohm: Values
    heat_core_j_per_k: Values
    heat_surface_j_per_k: Values
    thermal_w_per_k: Values
    low_v: Values
    high_v: Values

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(self.string)

    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """Return the arrays in the order in which the kernel takes them."""
        return tuple(np.ascontiguousarray(getattr(self, field.name)) for field in fields(self))


def nominal_cells(model: CellModel, count: int) -> Cells:
    """Return cells that are exactly as their make says, each its own string."""
    ones = np.ones(count)
    heat = _HEAT_J_PER_K_AH * model.capacity_ah
    surface = (model.capacity_ah / _SMALL_AH) ** (2 / 3)
    core = model.core.k_per_w
    inner = 1 / core if core > 0 else _INNER_W_PER_K * surface
    return Cells(
        string=np.arange(count),
        capacity_ah=model.capacity_ah * ones,
        resistance=np.ones((count, len(model.lag_s))),
        lag_scale=ones.copy(),
        activation_k=np.zeros(count),
        ocv_wave=np.zeros((count, 3)),
        half_scale=ones.copy(),
        rate=model.hysteresis_rate * ones,
        short_ohm=_NEVER_OHM * ones,
        contact_ohm=np.zeros(count),
        heat_core_j_per_k=(1 - _SURFACE_SHARE) * heat * ones,
        heat_surface_j_per_k=_SURFACE_SHARE * heat * ones,
        thermal_w_per_k=np.tile([inner, _OUTER_W_PER_K * surface], (count, 1)),
        low_v=np.full(count, -np.inf),
        high_v=np.full(count, np.inf),
    )


@dataclass(frozen=True)
class Spread:
    """How much cells differ: standard deviations, relative unless said.

    Attributes:
        capacity, resistance: of whole cells; term: of each term beside that.
        lag, hysteresis: of time constants and of the hysteresis.
        ocv_v: of the height of the error of the open-circuit table, V.
        activation_k: of the inverse temperature, K.
        thermal: of heat capacities and conductances.
    """

    capacity: float = 0.006
    resistance: float = 0.05
    term: float = 0.0
    lag: float = 0.0
    hysteresis: float = 0.0
    ocv_v: float = 0.0
    activation_k: float = 0.0
    thermal: float = 0.02


OF_ONE_DELIVERY = Spread()
"""Cells of one make in one station (the spread of data/battery/lfp-280ah.toml)."""
OF_MANY_MAKES = Spread(
    capacity=0.1,
    resistance=0.25,
    term=0.2,
    lag=0.25,
    hysteresis=0.3,
    ocv_v=0.004,
    activation_k=600.0,
    thermal=0.3,
)
"""Cells of the same chemistry from other makers, and of other ages."""


def draw_cells(model: CellModel, count: int, seed: int, spread: Spread = OF_ONE_DELIVERY) -> Cells:
    """Return cells that differ by chance; the same seed gives the same cells."""
    rng = np.random.default_rng(seed)
    cells = nominal_cells(model, count)

    def scale(sd: float, *shape: int) -> Values:
        return np.asarray(np.exp(rng.normal(0.0, sd, shape or (count,))))

    terms = len(model.lag_s)
    wave = np.column_stack(
        [rng.normal(0, spread.ocv_v, count), rng.uniform(0.7, 2.5, count), rng.uniform(0, 1, count)]
    )
    return replace(
        cells,
        capacity_ah=cells.capacity_ah * scale(spread.capacity),
        resistance=scale(spread.resistance)[:, None] * scale(spread.term, count, terms),
        lag_scale=scale(spread.lag),
        activation_k=rng.normal(0, spread.activation_k, count),
        ocv_wave=wave,
        half_scale=scale(spread.hysteresis),
        rate=cells.rate * scale(spread.hysteresis),
        heat_core_j_per_k=cells.heat_core_j_per_k * scale(spread.thermal),
        heat_surface_j_per_k=cells.heat_surface_j_per_k * scale(spread.thermal),
        thermal_w_per_k=cells.thermal_w_per_k * scale(spread.thermal)[:, None],
    )


@cache
def lfp_entropy() -> Values:
    """Return dU/dT over SOC from empty to full, V/K; the course and its source are in the file."""
    table = tomllib.loads(ENTROPY_FILE.read_text("utf-8"))["entropy"]
    soc = np.linspace(0, 1, _ENTROPY_POINTS)
    return np.asarray(np.interp(soc, table["soc"], table["mv_per_k"]) / 1000.0)
