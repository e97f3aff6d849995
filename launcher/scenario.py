"""Scenarios as the launcher sees them: the events that concern the cable to the cloud.

The plant reads the same file for what concerns its devices.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import ScenarioError
from launcher.paths import SCENARIOS


@dataclass(frozen=True)
class CableCut:
    """The link between station and cloud is silent for a while."""

    at_s: float
    for_s: float


def find(name: str) -> Path:
    """The scenario's file, by name or by path.

    Raises:
        ScenarioError: there is none.
    """
    for candidate in (SCENARIOS / f"{name}.toml", Path(name)):
        if candidate.is_file():
            return candidate.resolve()
    known = ", ".join(sorted(path.stem for path in SCENARIOS.glob("*.toml")))
    raise ScenarioError(f"no scenario is called {name!r}; there are: {known}; or give a file.")


def cable_cuts(path: Path) -> list[CableCut]:
    """The cuts of the uplink in a scenario file, in time order.

    Raises:
        ScenarioError: the file is no TOML, or a cut lacks its times.
    """
    try:
        events = tomllib.loads(path.read_text()).get("events", [])
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: {error}. Remedy: mend the file.") from error
    cuts = []
    for number, event in enumerate(events, 1):
        if event.get("kind") != "uplink_cut":
            continue
        try:
            cuts.append(CableCut(float(event["at_s"]), float(event["for_s"])))
        except (KeyError, TypeError, ValueError) as error:
            raise ScenarioError(
                f"{path}: event {number} (uplink_cut) needs at_s and for_s in seconds."
            ) from error
    return sorted(cuts, key=lambda cut: cut.at_s)
