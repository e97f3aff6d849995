"""Scenarios as the launcher sees them: the cable to the cloud, and what the dispatch centre asks.

The plant reads the same file for what concerns its devices.
"""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.errors import ScenarioError
from launcher.paths import SCENARIOS

_CUT = "uplink_cut"


@dataclass(frozen=True)
class CableCut:
    """The link between station and cloud is silent for a while."""

    at_s: float
    for_s: float


@dataclass(frozen=True)
class AgcRequest:
    """The dispatch centre asks for a power, kW at the meter, discharge positive, for a while."""

    at_s: float
    for_s: float
    power_kw: float


@dataclass(frozen=True)
class Happening:
    """An event in words; `at_s` from the scenario's begin."""

    at_s: float
    words: str


@dataclass(frozen=True)
class Story:
    """What a scenario is about, and its events in time order without the cuts of the cable."""

    description: str
    happenings: tuple[Happening, ...]


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
    cuts = []
    for number, event in _events(path, _CUT):
        try:
            cuts.append(CableCut(float(event["at_s"]), float(event["for_s"])))
        except (KeyError, TypeError, ValueError) as error:
            raise ScenarioError(
                f"{path}: event {number} (uplink_cut) needs at_s and for_s in seconds."
            ) from error
    return sorted(cuts, key=lambda cut: cut.at_s)


def agc_requests(path: Path) -> list[AgcRequest]:
    """What the dispatch centre asks in a scenario file, in time order; without `for_s`, for ever.

    Raises:
        ScenarioError: the file is no TOML, or a request lacks its time or power.
    """
    requests = []
    for number, event in _events(path, "agc_request"):
        try:
            at_s, power_kw = float(event["at_s"]), float(event["value"])
            requests.append(AgcRequest(at_s, float(event.get("for_s", math.inf)), power_kw))
        except (KeyError, TypeError, ValueError) as error:
            raise ScenarioError(
                f"{path}: event {number} (agc_request) needs at_s in seconds and value in kW."
            ) from error
    return sorted(requests, key=lambda request: request.at_s)


def story(path: Path) -> Story:
    """Tell a scenario in words.

    Raises:
        ScenarioError: the file is no TOML, or an event lacks its time.
    """
    document = _document(path)
    happenings = []
    for number, event in enumerate(document.get("events", []), 1):
        if event.get("kind") == _CUT:
            continue
        try:
            happenings.append(Happening(float(event["at_s"]), _words(event)))
        except (KeyError, TypeError, ValueError) as error:
            raise ScenarioError(
                f"{path}: event {number} needs at_s in seconds and kind."
            ) from error
    happenings.sort(key=lambda happening: happening.at_s)
    return Story(str(document.get("description", "")), tuple(happenings))


def _words(event: dict[str, Any]) -> str:
    """Return for instance `cell heat at C2-R04/217, value 200, for 120 s`."""
    words = str(event["kind"]).replace("_", " ")
    if event.get("target"):
        words += f" at {event['target']}"
    if "value" in event:
        words += f", value {float(event['value']):g}"
    return words + (f", for {float(event['for_s']):g} s" if "for_s" in event else "")


def _events(path: Path, kind: str) -> list[tuple[int, dict[str, Any]]]:
    """The events of one kind, with their numbers in the file."""
    events = _document(path).get("events", [])
    return [(number, event) for number, event in enumerate(events, 1) if event.get("kind") == kind]


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: {error}. Remedy: mend the file.") from error
