"""One second of the network for all cells, and every 16 seconds one token for all racks.

What a cell carries from second to second is its GRU's state; what a rack carries are the keys
and values of its last tokens, the context that they gave, and the sums of the token to come.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import Floats
from station.estimators.network import Network
from station.estimators.samples import Indices

ERROR_SCALE = 0.1
LOG_SD_AT_0, LOG_SD_RANGE = -3.0, (-6.5, -0.5)
"""How the network's two numbers become an error of SOC and the logarithm of its deviation."""
_NEVER = np.float32(-1e9)


@dataclass(frozen=True)
class NetworkState:
    """What cells and racks remember.

    Attributes:
        hidden: of the GRU, shape (cells, hidden).
        context: what each rack's Transformer told last, shape (racks, context).
        cache: keys and values, the youngest last, shape (racks, layers, window, 2 * key).
        sums: of the rack's mean inputs and their squares since the last token,
            shape (2, racks, inputs).
        tokens: heard so far, up to the window.
        seconds: heard since the last token.
    """

    hidden: Floats
    context: Floats
    cache: Floats
    sums: npt.NDArray[np.float64]
    tokens: int
    seconds: int


def start_network(network: Network, cells: int, racks: int) -> NetworkState:
    """Return the state of cells and racks that have heard nothing."""
    facts = network.facts
    in_racks = racks if facts.context else 0
    return NetworkState(
        hidden=np.zeros((cells, facts.hidden), np.float32),
        context=np.zeros((in_racks, facts.context), np.float32),
        cache=np.zeros((in_racks, facts.layers, facts.window, 2 * facts.key), np.float32),
        sums=np.zeros((2, in_racks, len(facts.inputs)), np.float64),
        tokens=0,
        seconds=0,
    )


def run_second(
    network: Network, state: NetworkState, inputs: Floats, rack: Indices
) -> tuple[NetworkState, Floats, Floats]:
    """Take one second.

    Args:
        network: loaded.
        state: before; it is left as it is.
        inputs: shape (inputs, cells).
        rack: of each cell, shape (cells,).

    Returns:
        The state after; how far SOC is off, true minus given, a share of 1; and the logarithm of
        its standard deviation, both of shape (cells,).
    """
    given: dict[str, npt.NDArray[np.generic]] = {"inputs": inputs, "hidden": state.hidden}
    if network.racks is not None:
        given |= {"context": state.context, "rack": rack.astype(np.int64, copy=False)}
    told, hidden = network.cells.run(["told", "hidden_after"], given)
    error = told[:, 0] * np.float32(ERROR_SCALE)
    log_sd = np.clip(told[:, 1] + np.float32(LOG_SD_AT_0), *LOG_SD_RANGE)
    state = replace(state, hidden=hidden)
    if network.racks is not None:
        state = _heard(network, state, inputs, rack)
    return state, error, log_sd


def _heard(network: Network, state: NetworkState, inputs: Floats, rack: Indices) -> NetworkState:
    """Add a second to the token to come; when it is whole, let the Transformer hear it."""
    mean = _means(inputs, rack, len(state.context)).astype(np.float64)
    sums, seconds = state.sums + np.stack([mean, mean * mean]), state.seconds + 1
    if seconds < network.facts.patch_s:
        return replace(state, sums=sums, seconds=seconds)
    assert network.racks is not None  # noqa: S101 - asked before
    facts = network.facts
    mean, square = sums / seconds
    spread = np.sqrt(np.maximum(square - mean * mean, 0) + facts.least_variance)
    token = np.concatenate([mean, spread], axis=1).astype(np.float32)
    tokens = min(state.tokens + 1, facts.window)
    age = np.arange(facts.window - 1, -1, -1, dtype=np.float32)
    mask = np.where(age < tokens, -np.array(facts.slopes, np.float32)[:, None] * age, _NEVER)
    shape = (len(token), facts.heads, 1, facts.window)
    context, cache = network.racks.run(
        ["context", "cache_after"],
        {
            "token": token,
            "cache": state.cache,
            "mask": np.broadcast_to(mask[:, None], shape).astype(np.float32),
        },
    )
    return replace(
        state, context=context, cache=cache, sums=np.zeros_like(sums), tokens=tokens, seconds=0
    )


def _means(inputs: Floats, rack: Indices, racks: int) -> Floats:
    """Return the mean inputs of each rack, shape (racks, inputs); 0 for one without cells."""
    if (np.diff(rack) < 0).any():
        order = np.argsort(rack, kind="stable")
        inputs, rack = inputs[:, order], rack[order]
    edges = np.searchsorted(rack, np.arange(racks + 1))
    counts = np.diff(edges)
    kept = counts > 0
    means = np.zeros((racks, len(inputs)), np.float32)
    means[kept] = (np.add.reduceat(inputs, edges[:-1][kept], axis=1) / counts[kept]).T
    return means
