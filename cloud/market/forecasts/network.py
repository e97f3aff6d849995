"""Small neural networks, averaged: the counterpart of the published DNN.

Inputs and transformation are LEAR's; all times of the day are outputs of one network, as in Lago
et al. 2021 (see lear.py), section 4.3. Each network sees another share of the days, and is
stopped where the days it does not see are forecast best.
"""

import datetime as dt
import warnings
from typing import Any, Final

import numpy as np

from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.lear import FIRST_ROW, lear_inputs
from cloud.market.forecasts.scaling import Asinh

_MARKS: Final = 7
_FARTHEST: Final = 4.0  # of a transformed input: the networks are not asked beyond
_HIDDEN: Final = (128, 96)


class Networks:
    """An average of networks, fitted anew every so many days.

    Attributes:
        name: as "networks".
    """

    def __init__(
        self,
        name: str = "networks",
        *,
        count: int = 4,
        window: int = 1456,
        refit_days: int = 28,
        penalty: float = 1e-2,
        rounds: int = 60,
    ) -> None:
        self.name, self._count, self._window = name, count, window
        self._refit_days, self._penalty, self._rounds = refit_days, penalty, rounds
        self._fitted: tuple[dt.date, list[Any], Asinh, Asinh] | None = None
        self._inputs: tuple[DayTable, Floats] | None = None

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Return a day's forecast, shape (points,); fits where that is due."""
        if self._inputs is None or self._inputs[0] is not table:
            self._inputs = table, lear_inputs(table)
        inputs, day = self._inputs[1], table.dates[row]
        if self._fitted is None or not 0 <= (day - self._fitted[0]).days < self._refit_days:
            self._fitted = (day, *self._fit(inputs, table, row))
        _, nets, scale_in, scale_out = self._fitted
        seen = _scaled(inputs[row : row + 1], scale_in)
        said = np.stack([net.predict(seen)[0] for net in nets]).mean(axis=0, dtype=np.float64)
        return scale_out.back(np.asarray(said))

    def _fit(self, inputs: Floats, table: DayTable, row: int) -> tuple[list[Any], Asinh, Asinh]:
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - slow to load
        from sklearn.neural_network import MLPRegressor  # noqa: PLC0415

        first = max(FIRST_ROW, row - self._window)
        scale_in = Asinh.of(inputs[first:row, :-_MARKS])
        scale_out = Asinh.of(table.price[first:row])
        seen = _scaled(inputs[first:row], scale_in)
        wanted = scale_out.to(table.price[first:row]).astype(np.float32)
        nets = []
        for seed in range(self._count):
            net = MLPRegressor(
                hidden_layer_sizes=_HIDDEN,
                alpha=self._penalty,
                batch_size=64,
                early_stopping=True,
                max_iter=self._rounds,
                n_iter_no_change=8,
                validation_fraction=0.15,
                random_state=seed,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                nets.append(net.fit(seen, wanted))
        return nets, scale_in, scale_out


def _scaled(inputs: Floats, scale: Asinh) -> Any:
    values = np.clip(scale.to(inputs[:, :-_MARKS]), -_FARTHEST, _FARTHEST)
    return np.hstack([values, inputs[:, -_MARKS:]]).astype(np.float32)
