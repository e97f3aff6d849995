"""Recordings of a made cell at three temperatures, and arrays from them."""

import numpy as np
import pytest

from cell_lab.network.prepare import Amounts, Arrays, prepare
from cell_lab.network.splits import Splits
from cell_lab.recordings import Recording

SPLITS = Splits(
    held_out_cycles=("US06",),
    validation_cycles=("Mixed8",),
    folds={"all": {}, "cold": {"esc26650": (0.0,)}},
)


def made_recording(profile: str, chamber_c: float, rate: float) -> Recording:
    """Return half an hour of a drive, or a slow discharge, of a simple cell of 2 Ah."""
    slow = profile.startswith("ocv")
    seconds = 1800
    time_s = np.arange(seconds) * (30.0 if slow else 1.0)
    seed = int(chamber_c) + 100 + len(profile)
    drive = np.random.default_rng(seed).normal(rate, rate, seconds // 20).repeat(20)
    current_a = np.full(seconds, 0.08) if slow else 2.0 * drive
    elapsed_s = np.diff(time_s, prepend=-time_s[1])
    soc = 1 - np.cumsum(current_a * elapsed_s) / 3600 / 2.0
    return Recording(
        cell="esc26650",
        profile=profile,
        chamber_c=chamber_c,
        capacity_ah=2.0,
        time_s=time_s,
        elapsed_s=elapsed_s,
        voltage_v=3.1 + 0.3 * soc - 0.02 * current_a * (1 + (25 - chamber_c) / 50),
        current_a=current_a,
        temperature_c=np.full(seconds, chamber_c),
        soc=soc,
    )


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    return [
        made_recording(profile, chamber_c, rate)
        for chamber_c in (-10.0, 0.0, 25.0, 40.0)
        for profile, rate in (("ocvdis", 0.04), ("Mixed1", 0.8), ("Mixed8", 0.7), ("US06", 0.9))
    ]


@pytest.fixture(scope="session")
def arrays(recordings: list[Recording]) -> Arrays:
    amounts = Amounts(seconds=512, variants=2, made=8)
    return prepare(
        recordings, SPLITS, "cold", amounts, seed=1, workers=1, progress=lambda _share: None
    )
