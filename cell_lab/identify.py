"""Find the parameters of a make of cell from recordings of a commissioning test.

Slow recordings (C/20 or slower) give the open-circuit voltage. All others give, by one linear
least-squares problem with a little smoothing, a correction of that voltage, its change with
temperature, the hysteresis, and a resistance over SOC and temperature for each term of the
overpotential. Temperature enters as a constant and two Arrhenius laws (activation temperatures
of 2500 K and 4500 K: ohmic and charge-transfer resistances of lithium-ion cells, 20 and 40
kJ/mol, Waag et al. 2013, Applied Energy 102), so that it also holds between the temperatures
that were measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from cell_lab.counting import counting
from cell_lab.drives import hysteresis, kinetic, lag
from cell_lab.errors import IdentifyError
from cell_lab.open_circuit import Ocv, hats, ocv_function, ocv_table, rising, rounded
from cell_lab.recordings import Recording, Series
from station.estimators.cell_parameters import (
    CellParameters,
    Core,
    Hysteresis,
    Noise,
    OcvTable,
    Overpotential,
    Term,
)

Chemistry = Literal["LFP", "NMC", "NCA"]
Current = Literal["linear", "kinetic"]

_TERMS: tuple[tuple[Current, float], ...] = (
    ("linear", 0.0),
    ("kinetic", 0.0),
    ("kinetic", 3.0),
    ("linear", 30.0),
    ("kinetic", 30.0),
    ("linear", 300.0),
)
_KINETIC_C_RATE = 0.2
_LEAST_SHARE = 0.1
"""Of a temperature's median resistance over SOC: less than that no cell has anywhere."""
_CORE_K_AH_PER_W, _CORE_LAG_S = 3.0, 60.0
"""A cell's inside above its surface: some 1 K/W for an 18650 cell of 3 Ah, less for a larger one
(a quarter to a half of the 3 to 4 K/W between core and surface: Forgez et al. 2010, J. Power
Sources 195)."""
_OCV_SOC = np.array([0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0])
_SOC = np.array([0, 0.05, 0.1, 0.15, 0.2, 0.275, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0])
_TABLE_SOC = np.round(
    np.concatenate(
        [np.arange(0, 0.1, 0.01), np.arange(0.1, 0.9, 0.02), np.arange(0.9, 1.001, 0.01)]
    ),
    3,
)
_TABLE_C = np.arange(-30.0, 61.0, 10.0)
_ACTIVATION_K = (0.0, 2500.0, 4500.0)
_REFERENCE_C, _ENTROPY_SPAN_K = 25.0, 20.0
_KELVIN = 273.15
_RATES = (20.0, 60.0, 150.0)
"""Tried for LFP: the branch is crossed within some 2 to 15 % of the capacity."""
_SMOOTH = 1e-3
_OCV_PULL, _ENTROPY_PULL, _HYSTERESIS_PULL, _RESISTANCE_PULL = (
    (0.05, 0.3),
    (0.05, 0.1),
    (0.05, 0.0),
    (0.3, 1e-3),
)
"""How strongly neighbours are held alike, and values small: tried at temperatures held out."""
_EVERY = 3
"""Neighbouring samples say the same: every third is used."""
_LEAST_SD_V = 0.003

_NOISE = {
    "LFP": Noise(
        current_bias_c_rate=0.0015,
        ocv_v=0.0022,
        ocv_soc_span=0.1,
        resistance=0.2,
        resistance_s=500.0,
        voltage_v=0.1,
        overpotential=0.1,
        soc_per_root_s=4e-6,
        soc_per_root_soc=0.004,
    ),
    "NMC": Noise(
        current_bias_c_rate=0.001,
        ocv_v=0.007,
        ocv_soc_span=0.16,
        resistance=0.15,
        resistance_s=600.0,
        voltage_v=0.04,
        overpotential=0.05,
        soc_per_root_s=3e-6,
        soc_per_root_soc=0.001,
        unknown_load=3.0,
    ),
}
"""Found by trying the filter on temperatures that the parameters had not seen."""


@dataclass(frozen=True)
class Fit:
    """What was found, and how well it repeats each recording.

    Attributes:
        parameters: of the make.
        residual_v: root mean square by the recording's name.
    """

    parameters: CellParameters
    residual_v: dict[str, float]


def identify(
    recordings: Sequence[Recording],
    make: str,
    chemistry: Chemistry,
    source: str,
    ocv: OcvTable | None = None,
) -> Fit:
    """Return the parameters of a make.

    Args:
        recordings: of one make; slow ones give the open-circuit voltage.
        make: what the type plate says.
        source: where the recordings come from; kept in the file.
        chemistry: decides on hysteresis and on the noise.
        ocv: taken where no recording is slow.

    Raises:
        IdentifyError: there is no open-circuit voltage, nothing to find the rest from, or more
            than one cell or capacity.
    """
    kinds = sorted({(recording.cell, recording.capacity_ah) for recording in recordings})
    if len(kinds) > 1:
        cells = ", ".join(f"{cell} of {capacity_ah:g} Ah" for cell, capacity_ah in kinds)
        raise IdentifyError(f"{make}: the recordings are of {cells}; name one by --cell")
    slow = [recording for recording in recordings if recording.slow]
    loaded = [recording for recording in recordings if not recording.slow]
    if not loaded:
        raise IdentifyError(
            f"{make}: no recording draws more than C/15; add pulses or a drive cycle"
        )
    if slow:
        ocv = ocv_table(slow)
    if ocv is None:
        raise IdentifyError(
            f"{make}: no recording is as slow as C/15, so the open-circuit voltage is unknown; add "
            "a C/20 discharge and charge, or name a make that has the same by --ocv-from"
        )
    capacity_ah = loaded[0].capacity_ah
    core = _core(loaded)
    loaded = [_at_core(recording, core, ocv_function(ocv)) for recording in loaded]
    rates = _RATES if chemistry == "LFP" else (0.0,)
    problems = [_Problem(loaded, ocv_function(ocv), capacity_ah, rate) for rate in rates]
    best = min(
        (problem.solve() for problem in problems), key=lambda solution: solution.mean_residual_v
    )
    return Fit(
        CellParameters(
            make=make,
            chemistry=chemistry,
            capacity_ah=capacity_ah,
            source=source,
            ocv=best.ocv_table(),
            hysteresis=best.hysteresis(),
            overpotential=best.overpotential(),
            counting=counting(loaded),
            core=core,
            noise=_NOISE.get(chemistry, _NOISE["NMC"]),
        ),
        best.residual_v,
    )


def _core(recordings: Sequence[Recording]) -> Core:
    """Return how much warmer cells are inside; a temperature that stands still is a chamber's."""
    if not any(np.ptp(recording.temperature_c) > 0 for recording in recordings):
        return Core()
    k_per_w = _CORE_K_AH_PER_W / recordings[0].capacity_ah
    return Core(k_per_w=round(k_per_w, 4), lag_s=_CORE_LAG_S)


def _at_core(recording: Recording, core: Core, ocv: Ocv) -> Recording:
    """Return a recording with the temperature inside the cell, by the power that it loses."""
    if core.k_per_w == 0:
        return recording
    over_v = ocv(recording.soc, recording.temperature_c) - recording.voltage_v
    loss_w = np.maximum(recording.current_a * over_v, 0)
    rise_k = core.k_per_w * lag(loss_w, recording.elapsed_s, core.lag_s)
    return replace(recording, temperature_c=recording.temperature_c + rise_k)


class _Problem:
    """The least-squares problem of one hysteresis rate."""

    def __init__(
        self, recordings: Sequence[Recording], ocv: Ocv, capacity_ah: float, rate: float
    ) -> None:
        self.ocv, self.rate, self.capacity_ah = ocv, rate, capacity_ah
        self.names = [recording.name for recording in recordings]
        chambers = sorted({recording.chamber_c for recording in recordings})
        self.range_c = (chambers[0], chambers[-1])
        self.laws = len(_ACTIVATION_K) if len(chambers) > 1 else 1
        near = [c for c in _TABLE_C.tolist() if chambers[0] - 10 < c < chambers[-1] + 10]
        self.table_c = sorted({*near, *chambers})
        self.blocks = [self._block(recording) for recording in recordings]

    def _block(self, recording: Recording) -> tuple[Series, Series]:
        """Return rows of the design matrix and what they should give, in V."""
        fine, coarse = hats(recording.soc, _OCV_SOC), hats(recording.soc, _SOC)
        columns = [fine, coarse * self.warmth(recording.temperature_c)[:, None]]
        if self.rate:
            columns.append(-coarse * hysteresis(recording, self.rate)[:, None])
        laws = self.arrhenius(recording.temperature_c)
        over = (coarse[:, :, None] * laws[:, None, :]).reshape(len(coarse), -1)
        columns += [-over * lagged[:, None] for lagged in _lagged(recording)]
        open_v = self.ocv(recording.soc, recording.temperature_c)
        rows = slice(1, None, _EVERY)
        return np.concatenate(columns, axis=1)[rows], (recording.voltage_v - open_v)[rows]

    def solve(self) -> "_Solution":
        """Solve twice: the second time each recording counts by how well it can be repeated."""
        weights = np.ones(len(self.blocks))
        for _ in range(2):
            normal = sum(w * x.T @ x for w, (x, _) in zip(weights, self.blocks, strict=True))
            right = sum(w * x.T @ y for w, (x, y) in zip(weights, self.blocks, strict=True))
            rows = sum(w * len(y) for w, (_, y) in zip(weights, self.blocks, strict=True))
            found = np.linalg.solve(normal + _SMOOTH * rows * self._smoothing(), right)
            spread = [float(np.sqrt(np.mean((x @ found - y) ** 2))) for x, y in self.blocks]
            weights = 1 / np.maximum(spread, _LEAST_SD_V) ** 2
            weights /= weights.max()
        residual_v: dict[str, float] = dict(zip(self.names, spread, strict=True))
        return _Solution(self, found.astype(np.float64), residual_v)

    def _smoothing(self) -> Series:
        """Neighbours on the SOC grid are alike, and no value is larger than it must be."""
        sizes = [(len(_OCV_SOC), 1, *_OCV_PULL), (len(_SOC), 1, *_ENTROPY_PULL)]
        if self.rate:
            sizes.append((len(_SOC), 1, *_HYSTERESIS_PULL))
        sizes += [(len(_SOC), self.laws, *_RESISTANCE_PULL)] * len(_TERMS)
        total = sum(knots * laws for knots, laws, _, _ in sizes)
        matrix = np.zeros((total, total))
        base = 0
        for knots, laws, alike, small in sizes:
            for place in range(knots * laws):
                row = base + place
                matrix[row, row] += small
                if place < (knots - 1) * laws:
                    pair = [row, row + laws]
                    matrix[np.ix_(pair, pair)] += alike**2 * np.array([[1, -1], [-1, 1]])
            base += knots * laws
        return matrix

    def warmth(self, temperature_c: Series) -> Series:
        """Return how far above the reference it is, inside the range that was measured."""
        return (np.clip(temperature_c, *self.range_c) - _REFERENCE_C) / _ENTROPY_SPAN_K

    def arrhenius(self, temperature_c: Series) -> Series:
        """Return the laws of temperature, shape (samples, laws)."""
        inverse = 1 / (np.clip(temperature_c, *self.range_c) + _KELVIN)
        inverse -= 1 / (_REFERENCE_C + _KELVIN)
        cold = 1 / (_KELVIN - 10) - 1 / (_REFERENCE_C + _KELVIN)
        laws = [np.exp(kelvin * (inverse - cold)) for kelvin in _ACTIVATION_K[: self.laws]]
        return np.stack(laws, axis=1)


@dataclass(frozen=True)
class _Solution:
    """A solved problem, and the tables that it means."""

    problem: _Problem
    found: Series
    residual_v: dict[str, float]

    @property
    def mean_residual_v(self) -> float:
        """Over the recordings, whatever their length."""
        return float(np.mean(list(self.residual_v.values())))

    def ocv_table(self) -> OcvTable:
        soc = _TABLE_SOC
        correction = np.interp(soc, _OCV_SOC, self.found[: len(_OCV_SOC)])
        base = len(_OCV_SOC)
        entropy = np.interp(soc, _SOC, self.found[base : base + len(_SOC)])
        temperatures = self.problem.table_c
        rows = [
            self.problem.ocv(soc, np.full_like(soc, c))
            + correction
            + entropy * self.problem.warmth(np.array([c]))[0]
            for c in temperatures
        ]
        rows = [rising(row) for row in rows]
        return OcvTable(
            soc=rounded(soc, 3),
            temperature_c=rounded(temperatures, 1),
            voltage_v=tuple(rounded(row, 5) for row in rows),
        )

    def hysteresis(self) -> Hysteresis | None:
        if not self.problem.rate:
            return None
        base = len(_OCV_SOC) + len(_SOC)
        half = self.found[base : base + len(_SOC)]
        return Hysteresis(rate=self.problem.rate, soc=rounded(_SOC, 3), voltage_v=rounded(half, 5))

    def overpotential(self) -> Overpotential:
        problem = self.problem
        base = len(_OCV_SOC) + len(_SOC) * (2 if problem.rate else 1)
        law = self.found[base:].reshape(len(_TERMS), len(_SOC), problem.laws)
        temperatures = problem.table_c
        at = problem.arrhenius(np.asarray(temperatures))
        tables = never_negative(np.stack([at @ law[number].T for number in range(len(_TERMS))]))
        terms = tuple(
            Term(
                current=current,
                lag_s=lag_s,
                resistance_ohm=tuple(rounded(row, 8) for row in tables[number]),
            )
            for number, (current, lag_s) in enumerate(_TERMS)
        )
        return Overpotential(
            kinetic_c_rate=_KINETIC_C_RATE,
            soc=rounded(_SOC, 3),
            temperature_c=rounded(temperatures, 1),
            terms=terms,
        )


def never_negative(
    resistance_ohm: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return resistances (terms, temperatures, SOC) of which none adds up to less than a share.

    Where recordings cannot tell a resistance from the open-circuit voltage, least squares may
    take from one what they give to another, until a load would raise the voltage. The first,
    immediate term is raised there.
    """
    whole = resistance_ohm.sum(axis=0)
    least = _LEAST_SHARE * np.median(whole, axis=1, keepdims=True)
    mended = resistance_ohm.copy()
    mended[0] += np.maximum(least - whole, 0)
    return mended


def _lagged(recording: Recording) -> list[Series]:
    """Return the current behind the lag of each term."""
    drives = {
        "linear": recording.current_a,
        "kinetic": kinetic(recording.current_a, _KINETIC_C_RATE * recording.capacity_ah),
    }
    return [lag(drives[current], recording.elapsed_s, lag_s) for current, lag_s in _TERMS]
