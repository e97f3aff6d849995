"""How uneven a plant stands at the start: SOC, capacity and resistance of containers and racks."""

from dataclasses import dataclass

import numpy as np

from simulator.physics.cells import CellBank
from simulator.physics.tables import Floats


@dataclass(frozen=True)
class Unevenness:
    """Relative half ranges over the racks of a container; SOC in absolute 0..1.

    `container_soc` gives the containers their SOC, repeated when there are more containers.
    """

    container_soc: tuple[float, ...] = ()
    rack_soc: float = 0.0
    rack_capacity: float = 0.0
    rack_resistance: float = 0.0


def make_uneven(
    cells: CellBank, containers: int, start_soc: float, uneven: Unevenness, seed: int
) -> None:
    """Spread the racks evenly over the ranges, in an order drawn by `seed`.

    Evenly spaced values in a random order give every plant the same spread, so that results of
    different seeds can be compared.
    """
    rng = np.random.default_rng(seed)
    racks = cells.soc.shape[0]
    per = racks // containers
    if uneven.container_soc:
        wanted = np.resize(np.array(uneven.container_soc), containers)
        cells.soc += np.repeat(wanted - start_soc, per)[:, None]
    cells.soc += _spread(containers, per, uneven.rack_soc, rng)
    cells.capacity_ah *= 1 + _spread(containers, per, uneven.rack_capacity, rng)
    cells.resistance_factor *= 1 + _spread(containers, per, uneven.rack_resistance, rng)
    np.clip(cells.soc, 0.0, 1.0, out=cells.soc)


def _spread(containers: int, per: int, half: float, rng: np.random.Generator) -> Floats:
    """Evenly spaced in -half..half within each container, each in its own order, (racks, 1)."""
    steps = np.linspace(-half, half, per) if per > 1 else np.zeros(1)
    return np.concatenate([rng.permutation(steps) for _ in range(containers)])[:, None]
