"""What a trained network told of series that it was not trained on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cell_lab.network.architecture import TransformerGru
from cell_lab.network.prepare import Arrays
from cell_lab.network.training import Settings
from station.estimators.cell_model import NORMAL_90
from station.estimators.network import NOTHING, Trust

_SETTLE_S = 600
_NOMINAL = 0.9
_AT_ONCE = 16
_LEAST_TIMES = 1.1
"""The recordings that trust is found on are few: no less than this is taken from them."""


@dataclass(frozen=True)
class Trial:
    """What a network said of series, shape (series, seconds); the first ten minutes left out.

    Attributes:
        error: what it told minus the truth, a share of 1; NaN where a series has ended.
        sd: what it expected of itself.
        before: error of the belief that it was given.
        soc: the truth.
    """

    error: npt.NDArray[np.float32]
    sd: npt.NDArray[np.float32]
    before: npt.NDArray[np.float32]
    soc: npt.NDArray[np.float32]


def try_network(
    network: TransformerGru, arrays: Arrays, wanted: npt.NDArray[np.bool_], settings: Settings
) -> Trial:
    """Run a network over whole series of the wanted rows."""
    rows = np.flatnonzero(wanted)
    seconds = arrays.inputs.shape[1]
    told = np.zeros((2, len(rows), seconds), np.float32)
    inputs_count = network.shape.inputs
    with torch.no_grad():
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            inputs = torch.from_numpy(arrays.inputs[part, :, :inputs_count].astype(np.float32))
            said, _ = network(inputs)
            told[0, first : first + len(part)] = said.error.numpy()
            told[1, first : first + len(part)] = said.log_sd.numpy()
    truth = arrays.error[rows].astype(np.float32)
    before = -truth
    if settings.raw:
        truth = arrays.soc[rows].astype(np.float32) - np.float32(0.5)
    ended = np.arange(seconds) >= arrays.length[rows][:, None]
    error = np.where(ended, np.nan, told[0] - truth).astype(np.float32)
    cut = np.s_[:, _SETTLE_S:]
    soc = arrays.soc[rows].astype(np.float32)
    return Trial(error[cut], np.exp(told[1])[cut], before[cut], soc[cut])


def trust_of(network: TransformerGru, arrays: Arrays, settings: Settings) -> Trust:
    """Return by how much errors exceed what the network expects, where it was not trained.

    That is no leave to ask it: it is trusted in nothing until it was tried beside the filter
    (cell_lab/network/folds.py).
    """
    wanted = arrays.validates if arrays.validates.any() else np.ones(len(arrays.length), bool)
    trial = try_network(network, arrays, wanted, settings)
    known = np.isfinite(trial.error)
    if not known.any():
        return NOTHING
    times = np.abs(trial.error[known]) / (NORMAL_90 * trial.sd[known])
    sd_times = round(max(float(np.quantile(times, _NOMINAL)), _LEAST_TIMES), 2)
    return NOTHING.model_copy(update={"sd_times": sd_times})
