"""How long a cell will live, told after its first hundred cycles from its discharge curves.

What tells is how the charge over voltage has changed between an early and a late cycle (Severson
et al. 2019, Nature Energy 4:383): the logarithm of its variance alone, a line, is the baseline that
they published. Here a Gaussian process (Rasmussen and Williams 2006, ch. 2) learns from it, from
the shape of the change, and from the capacity's own course; two sets of inputs, averaged. Its own
spread, scaled by cells that were left out one by one, makes the interval.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from cell_lab.errors import EarlyLifeError
from cell_lab.life_scores import LifeScore, score_life
from station.estimators.soh import NOMINAL_COVERAGE

Values = npt.NDArray[np.float64]

CYCLES, VOLTAGES = 99, 200
NAME, LINE = "severson", "line over the variance"
PUBLISHED = (
    {"estimator": "CNN-LSTM-Transformer, published", "rmse_cycles": 88.0},
    {"estimator": "linear models, published", "rmse_cycles": 122.0},
)
INPUT_SETS = (
    ("variance", "least", "late_slope", "first_ah"),
    ("variance", "least", "shape_1", "shape_2", "first_ah", "rise_ah", "late_slope"),
)
"""Chosen by the error on cells of the training set that were left out one by one."""
_EARLY, _LATE, _ABOUT = 8, 94, 4
"""Places of cycles 10 and 96; medians of the nine cycles about them."""
_SHAPES, _TINY = 3, 1e-12
_LEAST_CELLS = 20


@dataclass(frozen=True)
class EarlyCells:
    """Cells of a file: charge over voltage of cycles 2 to 100, and the cycles that they lived.

    Attributes:
        charge_ah: shape (cells, 99, 200), over voltage falling from full to empty.
        life_cycles: shape (cells,).
    """

    charge_ah: Values
    life_cycles: Values


class EarlyLifeModel(BaseModel):
    """All that a prediction needs; JSON of some tens of kilobytes.

    Attributes:
        shape_mean, shapes: mean change of the charge over voltage, and its main directions.
        processes: one for each of INPUT_SETS.
        scale: spreads of the processes' mean that hold nine cells in ten.
        line: slope and level of the baseline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape_mean: tuple[float, ...]
    shapes: tuple[tuple[float, ...], ...]
    processes: tuple["Process", ...]
    scale: float
    line: tuple[float, float]


class Process(BaseModel):
    """A fitted Gaussian process over standardised inputs, of the logarithm of life.

    Attributes:
        mean, sd: of the inputs; target_mean, target_sd: of the logarithm.
        constant, length: of the squared-exponential kernel; linear: sigma of the linear one.
        noise: variance of a cell's own.
        points: standardised inputs of the training cells; weights: of each; inverse: of the
            kernel matrix.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    target_mean: float
    target_sd: float
    constant: float
    length: float
    linear: float
    noise: float
    points: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]

    def tell(self, inputs: Values) -> tuple[Values, Values]:
        """Return mean and standard deviation of the logarithm of life, shape (cells,) each."""
        scaled = (inputs - np.array(self.mean)) / np.array(self.sd)
        points = np.array(self.points)
        square = ((scaled[:, None] - points[None]) ** 2).sum(axis=2)
        near = self.constant * np.exp(-square / (2 * self.length**2))
        kernel = near + self.linear**2 + scaled @ points.T
        own = self.constant + self.linear**2 + (scaled**2).sum(axis=1) + self.noise
        told = self.target_mean + self.target_sd * (kernel @ np.array(self.weights))
        variance = own - ((kernel @ np.array(self.inverse)) * kernel).sum(axis=1)
        return told, self.target_sd * np.sqrt(np.maximum(variance, _TINY))


@dataclass(frozen=True)
class Prediction:
    """Cycles that each cell will live, with the ends of its interval, shape (cells,) each."""

    life: Values
    low: Values
    high: Values


def read_early_cells(path: Path) -> EarlyCells:
    """Read an NPZ file with qd_ah (cells, 99, 200) and cycle_life (cells,).

    Raises:
        EarlyLifeError: the file is missing or wrong.
    """
    try:
        with np.load(path) as file:
            found = {name: file[name].astype(np.float64) for name in ("qd_ah", "cycle_life")}
    except (OSError, ValueError, KeyError) as error:
        raise EarlyLifeError(path, str(error)) from error
    charge_ah, life = found["qd_ah"], found["cycle_life"]
    if charge_ah.shape != (len(life), CYCLES, VOLTAGES):
        raise EarlyLifeError(path, f"qd_ah has the shape {charge_ah.shape}")
    if not (np.isfinite(charge_ah).all() and (life > 0).all()):
        raise EarlyLifeError(path, "a charge is missing, or a life is not above 0")
    return EarlyCells(charge_ah, life)


def early_inputs(charge_ah: Values, model: EarlyLifeModel | None) -> dict[str, Values]:
    """Return what tells of a life, by name, shape (cells,) each; shapes only with a model."""
    change = changed(charge_ah)
    capacity = charge_ah.max(axis=2)
    late = np.arange(CYCLES - 50, CYCLES, dtype=np.float64)
    centred = late - late.mean()
    inputs = {
        "single_variance": _log(np.var(charge_ah[:, -1] - charge_ah[:, _EARLY], axis=1)),
        "variance": _log(change.var(axis=1)),
        "least": _log(np.abs(change.min(axis=1))),
        "first_ah": capacity[:, 0],
        "rise_ah": capacity.max(axis=1) - capacity[:, 0],
        "late_slope": 1e4 * (capacity[:, -50:] @ centred) / (centred @ centred),
    }
    if model is not None:
        away = (change - np.array(model.shape_mean)) @ np.array(model.shapes).T
        inputs |= {f"shape_{number}": away[:, number] for number in range(_SHAPES)}
    return inputs


def changed(charge_ah: Values) -> Values:
    """Return the change of the charge over voltage from about cycle 10 to about cycle 96."""

    def about(place: int) -> Values:
        rows = slice(max(0, place - _ABOUT), place + _ABOUT + 1)
        return np.asarray(np.median(charge_ah[:, rows], axis=1))

    return about(_LATE) - about(_EARLY)


def train_early_life(cells: EarlyCells, path: Path) -> tuple[EarlyLifeModel, LifeScore]:
    """Return a model, and its score on the training cells left out one by one.

    Raises:
        EarlyLifeError: too few cells.
    """
    count = len(cells.life_cycles)
    if count < _LEAST_CELLS:
        raise EarlyLifeError(path, f"{count} cells; {_LEAST_CELLS} are needed at the least")
    target = np.log(cells.life_cycles)
    model = _fitted(cells, np.arange(count))
    told, spread = np.zeros(count), np.zeros(count)
    for out in range(count):
        left = _fitted(cells, np.delete(np.arange(count), out), model.processes)
        mean, sd = _tell(left, cells.charge_ah[out : out + 1])
        told[out], spread[out] = mean[0], sd[0]
    ratios = np.sort(np.abs(told - target) / spread)
    rank = min(count, int(np.ceil(NOMINAL_COVERAGE * (count + 1))))
    model = model.model_copy(update={"scale": float(ratios[rank - 1])})
    inside = np.abs(told - target) <= model.scale * spread
    names = np.arange(count).astype(np.str_)
    return model, score_life(cells.life_cycles, np.exp(told), names, inside)


def predict_early_life(model: EarlyLifeModel, charge_ah: Values) -> Prediction:
    """Return how long cells will live, from cycles 2 to 100 of each."""
    told, sd = _tell(model, charge_ah)
    away = model.scale * sd
    return Prediction(np.exp(told), np.exp(told - away), np.exp(told + away))


def line_of(model: EarlyLifeModel, charge_ah: Values) -> Values:
    """Return what the baseline tells, shape (cells,)."""
    slope, level = model.line
    told: Values = np.exp(level + slope * early_inputs(charge_ah, None)["single_variance"])
    return told


def load_early_life(path: Path) -> EarlyLifeModel:
    """Read a model.

    Raises:
        EarlyLifeError: the file is missing or wrong.
    """
    try:
        return EarlyLifeModel.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EarlyLifeError(path, error.strerror or "cannot be read") from error
    except ValidationError as error:
        raise EarlyLifeError(path, str(error.errors()[0]["msg"])) from error


def _log(values: Values) -> Values:
    logarithm: Values = np.log10(np.maximum(values, _TINY))
    return logarithm


def _tell(model: EarlyLifeModel, charge_ah: Values) -> tuple[Values, Values]:
    inputs = early_inputs(charge_ah, model)
    told = [
        process.tell(np.column_stack([inputs[name] for name in names]))
        for names, process in zip(INPUT_SETS, model.processes, strict=True)
    ]
    mean = np.mean([each for each, _ in told], axis=0)
    return mean, np.mean([sd for _, sd in told], axis=0)


def _fitted(
    cells: EarlyCells, rows: npt.NDArray[np.intp], like: Sequence[Process] = ()
) -> EarlyLifeModel:
    """Return a model of some of the cells; its kernels are those of `like`, if there are any."""
    charge_ah, target = cells.charge_ah[rows], np.log(cells.life_cycles[rows])
    change = changed(charge_ah)
    mean = change.mean(axis=0)
    shapes = np.linalg.svd(change - mean, full_matrices=False)[2][:_SHAPES]
    variance = early_inputs(charge_ah, None)["single_variance"]
    slope, level = np.polyfit(variance, target, 1)
    model = EarlyLifeModel(
        shape_mean=tuple(mean.tolist()),
        shapes=tuple(tuple(row) for row in shapes.tolist()),
        processes=(),
        scale=1.0,
        line=(float(slope), float(level)),
    )
    inputs = early_inputs(charge_ah, model)
    processes = tuple(
        _process(
            np.column_stack([inputs[name] for name in names]),
            target,
            like[number] if like else None,
        )
        for number, names in enumerate(INPUT_SETS)
    )
    return model.model_copy(update={"processes": processes})


def _process(inputs: Values, target: Values, like: Process | None) -> Process:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - only training needs it
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415
    from sklearn.gaussian_process.kernels import (  # noqa: PLC0415
        RBF,
        ConstantKernel,
        DotProduct,
        WhiteKernel,
    )

    mean, sd = inputs.mean(axis=0), inputs.std(axis=0)
    scaled = (inputs - mean) / sd
    constant, length, linear, noise = (
        (1.0, 3.0, 1.0, 0.05)
        if like is None
        else (like.constant, like.length, like.linear, like.noise)
    )
    process = GaussianProcessRegressor(
        ConstantKernel(constant) * RBF(length)
        + DotProduct(linear)
        + WhiteKernel(noise, (1e-2, 1.0)),
        normalize_y=True,
        n_restarts_optimizer=1 if like is None else 0,
        optimizer="fmin_l_bfgs_b" if like is None else None,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound of the noise is no fault
        process.fit(scaled, target)
    kernel = process.kernel_.get_params()
    lower = np.linalg.inv(process.L_)
    return Process(
        mean=tuple(mean.tolist()),
        sd=tuple(sd.tolist()),
        target_mean=float(target.mean()),
        target_sd=float(target.std()),
        constant=float(kernel["k1__k1__k1__constant_value"]),
        length=float(kernel["k1__k1__k2__length_scale"]),
        linear=float(kernel["k1__k2__sigma_0"]),
        noise=float(kernel["k2__noise_level"]),
        points=tuple(tuple(row) for row in scaled.tolist()),
        weights=tuple(process.alpha_.ravel().tolist()),
        inverse=tuple(tuple(row) for row in (lower.T @ lower).tolist()),
    )
