"""What the demo's 8,320 cells cost: the real estimator process, fed with moments over its pipe."""

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from launcher.demo_config import CELLS_PER_RACK, CONTAINERS, PCS_RATED_KW, RACKS_PER_CONTAINER
from launcher.paths import DATA
from station.estimation import Answer, EstimatorHost, GroupSetup, HostPorts, Moment, Setup
from station.estimation.keeping import Kept, KeptGroup, keep
from station.estimation.running import load_model
from station.estimators import known_start, start, state_to_bytes

_RACKS = CONTAINERS * RACKS_PER_CONTAINER
_CELLS = _RACKS * CELLS_PER_RACK
_WARM, _MOMENTS = 10, 60
_PATIENCE_S = 300.0


def demo_core_pct() -> float:
    """Return the share of a core, %, of one moment each second; all cells have settled."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> float:
    setup = _setup(folder)
    begun_ms = time.time_ns() // 1_000_000
    keep(Path(setup.state_file), Kept(begun_ms, (_settled(setup),)))
    answers: asyncio.Queue[Answer] = asyncio.Queue()
    ports = HostPorts(answers.put_nowait, lambda _began: None, lambda _reason: None)
    host = EstimatorHost(setup, ports, silence_s=60.0)
    host.start()
    try:
        rng = np.random.default_rng(1)
        begun_s = 0.0
        for number in range(1, _WARM + _MOMENTS + 1):
            while not host.take(_moment(begun_ms + 1000 * number, rng)):  # noqa: ASYNC110 - at the start
                await asyncio.sleep(0.01)  # until the process is there
            await asyncio.wait_for(answers.get(), _PATIENCE_S)
            if number == _WARM:
                begun_s = _used_s(host)
        return 100 * (_used_s(host) - begun_s) / _MOMENTS
    finally:
        await host.close()


def _used_s(host: EstimatorHost) -> float:
    """Return the processor seconds that the process has used."""
    used = psutil.Process(host.pid).cpu_times()
    return float(used.user + used.system)


def _setup(folder: Path) -> Setup:
    group = GroupSetup(
        bundle=str(DATA / "models" / "lfp-280ah"),
        second="",
        racks=tuple(f"R{number:02d}" for number in range(_RACKS)),
        cells=(CELLS_PER_RACK,) * _RACKS,
        parallel=1,
        rated_kw=(PCS_RATED_KW / RACKS_PER_CONTAINER,) * _RACKS,
        health_curves=str(DATA / "battery" / "health-derating.toml"),
    )
    return Setup(
        groups=(group,),
        soc_min=0.05,
        soc_max=0.95,
        confidence=0.9,
        state_file=str(folder / "state.bin"),
        state_period_s=60.0,
        cells_period_s=10.0,
    )


def _settled(setup: Setup) -> KeptGroup:
    group = setup.groups[0]
    model = load_model(Path(group.bundle), group, setup)
    settings = model.settings
    told = np.full(_CELLS, 0.5, np.float32)
    known = known_start(settings.model, settings.rack, _RACKS, told, 0.01)
    state = replace(start(settings, told), soc=known)
    return KeptGroup(group.racks, model.title, state_to_bytes(state))


def _moment(at_ms: int, rng: np.random.Generator) -> Moment:
    """Return a second of a drive: a changing current, noise on every voltage and temperature."""

    def racks(value: float) -> npt.NDArray[np.float32]:
        return np.full(_RACKS, value, np.float32)

    current_a = racks(float(rng.normal(0, 60)))
    noise_v, noise_c = rng.normal(0, 1e-3, _CELLS), rng.normal(0, 0.1, _CELLS)
    return Moment(
        at_ms,
        {
            "elapsed_s": racks(1.0),
            "current_a": current_a,
            "mean_current_a": current_a,
            "charge_current_limit_a": racks(280.0),
            "discharge_current_limit_a": racks(280.0),
            "bms_soc": racks(0.5),
            "voltage_v": racks(3.297 * CELLS_PER_RACK),
            "power_kw": current_a * np.float32(3.297e-3 * CELLS_PER_RACK),
            "rack_power_kw": current_a * np.float32(3.297e-3 * CELLS_PER_RACK),
            "current_good": np.ones(_RACKS, np.uint8),
            "together": np.ones(_RACKS, np.uint8),
            "available": np.ones(_RACKS, np.uint8),
            "charge_guarded": np.zeros(_RACKS, np.uint8),
            "discharge_guarded": np.zeros(_RACKS, np.uint8),
            "cell_voltage_v": (3.297 - 4e-4 * current_a[0] + noise_v).astype(np.float32),
            "cell_temperature_c": (25 + noise_c).astype(np.float32),
            "cell_good": np.ones(_CELLS, np.uint8),
        },
    )
