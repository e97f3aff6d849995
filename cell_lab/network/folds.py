"""Networks of all folds, each tried where it never was, and trusted by what the others did.

The network of a fold is tried at the temperatures that the fold holds out, with tables that have
not seen them either. How far it is trusted is decided by what became of the *other* folds at
theirs, so that no figure of a fold has had a say in its own trust, and for each chemistry apart.
The network that ships, which saw every temperature, is trusted as all folds together allow; at a
chemistry that it was not tried on, in nothing. Held-out cycles have no say at all.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from cell_lab.disturb import DEFAULT
from cell_lab.errors import TrainingError
from cell_lab.evaluate_soc import Case, cases_of
from cell_lab.network.caution import Tried, choose_each, degrees, try_degrees
from cell_lab.network.prepare import tables_of
from cell_lab.network.splits import Splits
from cell_lab.recordings import Recording
from station.estimators.cell_model import CellModel
from station.estimators.network import FACTS_FILE, NOTHING, NetworkFacts, Trust, load_network

Progress = Callable[[str, float], None]
SHIPS = "all"
MIXED = "mixed"
_DISTURBANCES = ("soc", "current offset", "cold start")
_LONGEST_STEP_S = 2.0
_LONGEST_S = 14_400.0
"""A case is followed for four hours: a cold start begins where the one from full is by then."""


@dataclass(frozen=True)
class Fold:
    """A fold's trust and what it rests on.

    Attributes:
        name: of the fold.
        trusts: that the other folds allow, by chemistry.
        tried: at what it holds out, all degrees of trust.
        offered: the degrees, in the same order.
    """

    name: str
    trusts: Mapping[str, Trust]
    tried: Sequence[Tried]
    offered: Sequence[Trust]


@dataclass(frozen=True)
class _Group:
    name: str
    cycles: str
    model: CellModel
    cases: Sequence[Case]


def folder_of(networks: Path, fold: str) -> Path:
    """Return where the network of a fold lies."""
    return networks if fold == SHIPS else networks / "held-out" / fold


def try_folds(
    recordings: Sequence[Recording], splits: Splits, networks: Path, progress: Progress
) -> list[Fold]:
    """Try the networks of all folds and return their trust, the one that ships last.

    Raises:
        TrainingError: the splits have fewer than two folds that hold something out.
        NetworkError: a fold has no network.
    """
    names = [name for name, held in splits.folds.items() if held]
    if len(names) < 2:  # noqa: PLR2004 - one to trust, another one to know how far
        raise TrainingError("trust needs two folds that hold temperatures out; add one to splits")
    offered = degrees(max(_facts(networks, name).trust.sd_times for name in (*names, SHIPS)))
    tried: dict[str, list[Tried]] = {}
    for name in names:
        network = load_network(folder_of(networks, name))
        tried[name] = [
            found
            for group in _held_out(recordings, splits, name)
            for found in try_degrees(
                network,
                group.model,
                group.cases,
                offered,
                partial(progress, f"{name}: {group.name}"),
                cycles=group.cycles,
            )
        ]
    return [
        Fold(name, _allowed(tried, offered, without=name), tried.get(name, ()), offered)
        for name in (*names, SHIPS)
    ]


def write_trust(fold: Fold, networks: Path) -> None:
    """Write a fold's trust into its network's file."""
    path = folder_of(networks, fold.name) / FACTS_FILE
    known = _facts(networks, fold.name)
    nothing = NOTHING.model_copy(update={"sd_times": known.trust.sd_times})
    facts = known.model_copy(update={"trust": nothing, "by_chemistry": dict(fold.trusts)})
    path.write_text(json.dumps(facts.model_dump(mode="json"), indent=1) + "\n", "utf-8")


def _facts(networks: Path, fold: str) -> NetworkFacts:
    return load_network(folder_of(networks, fold)).facts


def _allowed(
    tried: Mapping[str, Sequence[Tried]], offered: Sequence[Trust], without: str
) -> dict[str, Trust]:
    others = [
        group
        for name, groups in tried.items()
        if name != without
        for group in groups
        if group.cycles == MIXED
    ]
    return choose_each(others, offered)


def _held_out(recordings: Sequence[Recording], splits: Splits, fold: str) -> Iterator[_Group]:
    """Yield what a fold holds out, by cell, kind of cycles and temperature."""
    wanted = [each for each in DEFAULT if each.name in _DISTURBANCES]
    groups: dict[tuple[str, str, float], list[Recording]] = {}
    for each in recordings:
        is_held = each.chamber_c in splits.held_out_c(each.cell, fold)
        is_coarse = float(np.median(each.elapsed_s)) > _LONGEST_STEP_S
        if each.slow or is_coarse or not is_held:
            continue
        kept = [part for part in splits.held_out_cycles if part in each.profile]
        groups.setdefault((each.cell, kept[0] if kept else MIXED, each.chamber_c), []).append(each)
    for (cell, cycles, chamber_c), group in groups.items():
        cases = [_shortened(case) for case in cases_of(group, wanted)]
        if cases:
            model = tables_of(recordings, cell, splits, fold)
            yield _Group(f"{cell} at {chamber_c:g} °C, {cycles}", cycles, model, cases)


def _shortened(case: Case) -> Case:
    recording = case.disturbed.recording
    cut = slice(0, int(np.searchsorted(recording.time_s, recording.time_s[0] + _LONGEST_S)))
    columns = ("time_s", "elapsed_s", "voltage_v", "current_a", "temperature_c", "soc")
    shorter = replace(recording, **{name: getattr(recording, name)[cut] for name in columns})
    disturbed = replace(case.disturbed, recording=shorter, lost=case.disturbed.lost[cut])
    return replace(case, disturbed=disturbed)
