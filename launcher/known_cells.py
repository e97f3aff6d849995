"""What a station that has been at work knows of its cells, for a demo that has just begun.

A station that starts anew searches for the SOC of its cells until they come to an end of their
curve, which takes hours; one that has been at work for weeks has long found it. The demo's is such
a one: the kept state of its estimators holds the SOC that the plant begins with, give or take 2 %.
A scenario that makes the plant uneven is none that a state was kept of: there it searches.
"""

import time
import tomllib
from dataclasses import replace
from pathlib import Path

from launcher.demo_config import CELLS_PER_RACK

_SOC_SD = 0.01
_START_SOC = 0.5
"""Of the virtual plant, where the scenario says nothing else."""


def keep_known_soc(station_config: Path, scenario: Path) -> Path | None:
    """Write the kept state of a station's estimators; return its file, None where there is none."""
    import numpy as np

    from station.config import Role, load
    from station.estimation.keeping import Kept, KeptGroup, keep
    from station.estimators import Settings, known_start, start, state_to_bytes
    from station.estimators.bundle import load_bundle

    begins = tomllib.loads(scenario.read_text("utf-8")).get("start", {})
    config = load(station_config)
    if config.estimators is None or set(begins) - {"soc"}:
        return None
    tags = tuple(rack.tag for rack in config.with_role(Role.RACK))
    bundle = load_bundle(config.estimators.bundle)
    settings = Settings(
        model=bundle.model,
        rack=np.repeat(np.arange(len(tags)), CELLS_PER_RACK),
        racks=len(tags),
        rack_capacity_ah=np.full(len(tags), bundle.model.capacity_ah, np.float32),
        soc_min=config.station.soc_min,
        soc_max=config.station.soc_max,
        rack_rated_kw=np.ones(len(tags), np.float32),
        network=bundle.network,
        anomaly=bundle.anomaly,
    )
    soc = np.full(len(settings.rack), begins.get("soc", _START_SOC), np.float32)
    known = known_start(settings.model, settings.rack, settings.racks, soc, _SOC_SD)
    state = state_to_bytes(replace(start(settings, soc), soc=known))
    file = config.station.data_dir / "estimators" / "state.bin"
    model = f"{bundle.name} v{bundle.version}"
    keep(file, Kept(time.time_ns() // 1_000_000, (KeptGroup(tags, model, state),)))
    return file
