"""What the estimator process does with a moment: every group's model ticks, and perhaps a second.

A second model runs beside the one in force on the same samples and decides nothing; whatever goes
wrong in it ends it alone. The two can change places.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from contract.words import Words
from station.errors import StationError
from station.estimation.charge_book import ChargeBook
from station.estimation.charge_desk import ChargeDesk
from station.estimation.combining import combined
from station.estimation.keeping import Kept, KeptGroup, KeptStateError
from station.estimation.resuming import Recalled, begin_from, nothing_known, recalled
from station.estimation.running import (
    GroupMoment,
    Model,
    Running,
    advance,
    begin_beside,
    load_model,
    moment_of,
)
from station.estimation.wire import Began, Doubt, Finding, GroupSetup, ModelReport, Moment, Setup
from station.estimators import Estimates, state_to_bytes
from station.estimators.cell_model import Floats
from station.estimators.samples import Flags

log = logging.getLogger(__name__)

_WAIT_MS = 15_000
"""So long the first racks' SOC is waited for before the others start without one."""
_OLDEST_S = 30 * 86_400.0
"""An older state knows no better than the BMS."""


@dataclass
class Group:
    """The racks of one make at work.

    Attributes:
        setup: of the group.
        racks, cells: its places in the station's arrays.
        model: in force.
        running: the same with its state; None before the first moment.
        second: the model beside it.
        charges: of its racks.
    """

    setup: GroupSetup
    racks: slice
    cells: slice
    model: Model
    charges: ChargeDesk
    running: Running | None = None
    second: Running | None = None


@dataclass(frozen=True, eq=False)
class Made:
    """What was made of a moment, of all racks and cells in the order of the setup."""

    racks: dict[str, Floats]
    cells: dict[str, Floats]
    station: dict[str, float]
    active: ModelReport
    second: ModelReport | None
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]


class Engine:
    """The estimators of one station.

    Attributes:
        shadow_error: why the second model ended by itself; empty where it did not.
        at_ms: of the last moment, 0 before the first.
    """

    def __init__(self, setup: Setup) -> None:
        """Load the models.

        Raises:
            EstimatorError: a bundle in force is missing or wrong.
        """
        self._setup = setup
        self._groups = _groups(setup)
        self._began_waiting_ms = 0
        self._recalled: list[Recalled] = []
        self.shadow_error = ""
        self.at_ms = 0

    def begin(self, moment: Moment, kept: Kept | None) -> Began | None:
        """Come to a state at the first moment; None while a rack's SOC is waited for.

        Raises:
            KeptStateError: what was kept does not fit; nothing has begun.
        """
        self._recalled = self._recalled or self._recall(moment, kept)
        told = moment.arrays["bms_soc"]
        cold = np.concatenate([known.cold for known in self._recalled])
        self._began_waiting_ms = self._began_waiting_ms or moment.at_ms
        is_told = np.isfinite(told[cold]).all()
        if not is_told and moment.at_ms - self._began_waiting_ms < _WAIT_MS:
            return None
        away_s = 0.0 if kept is None else (moment.at_ms - kept.at_ms) / 1000
        began = self._begun(cold, away_s)
        for group, known in zip(self._groups, self._recalled, strict=True):
            group.running = begin_from(group.model, known, told[group.racks], away_s)
        self._recalled = []
        self._begin_second()
        return began

    def take(self, moment: Moment) -> Made:
        """Make estimates of a moment."""
        parts = [self._advanced(group, moment) for group in self._groups]
        self.at_ms = moment.at_ms
        first = parts[0]
        second = self._second(self._groups[0], first[2])
        estimates = [part[0] for part in parts]
        weights = [float(np.sum(g.model.settings.rack_capacity_ah)) for g in self._groups]
        return Made(
            racks=_joined([e.racks for e in estimates]),
            cells=_joined([e.cells for e in estimates]),
            station=combined([e.station for e in estimates], weights),
            active=first[1],
            second=second,
            findings=tuple(
                finding
                for group, e in zip(self._groups, estimates, strict=True)
                for finding in _findings(group, e, moment.at_ms)
            ),
            doubts=tuple(
                doubt
                for group, e in zip(self._groups, estimates, strict=True)
                for doubt in _doubts(group, e)
            ),
        )

    @property
    def soh_unused(self) -> Words:
        """Why SOH models of bundles in force are not used; empty where all are, or none is."""
        found = [group.model.bundle.soh_unused for group in self._groups]
        told = sorted({words for words in found if words is not None})
        return Words("; ".join(w.en for w in told), "；".join(w.zh for w in told))

    def shadow(self, folder: Path) -> None:
        """Let another model run beside the one in force; what cannot be loaded is told."""
        group = self._groups[0]
        group.second, self.shadow_error = None, ""
        if group.running is None:
            group.setup = _with_second(group.setup, str(folder))
            return
        try:
            model = load_model(folder, group.setup, self._setup)
            group.second = begin_beside(model, group.running)
        except Exception as error:
            log.exception("event=second_model_not_begun")
            self._end_second(group, error)

    def promote(self) -> None:
        """Let the two models change places; without a second one nothing changes."""
        group = self._groups[0]
        if group.running is not None and group.second is not None:
            group.running, group.second = group.second, group.running
            group.model = group.running.model

    def drop_shadow(self) -> None:
        """Let the model in force run alone."""
        self._groups[0].second, self.shadow_error = None, ""

    def kept(self) -> Kept | None:
        """Return what is to be kept now; None before there is anything."""
        groups = tuple(
            KeptGroup(g.setup.racks, g.model.title, state_to_bytes(g.running.state))
            for g in self._groups
            if g.running is not None
        )
        return Kept(self.at_ms, groups) if self.at_ms and groups else None

    def _recall(self, moment: Moment, kept: Kept | None) -> list[Recalled]:
        """Return what is known of each group's racks from before.

        Raises:
            KeptStateError: nothing of what was kept can be used.
        """
        if kept is None:
            return [nothing_known(len(group.setup.racks)) for group in self._groups]
        away_s = (moment.at_ms - kept.at_ms) / 1000
        if away_s > _OLDEST_S:
            raise KeptStateError(f"the kept state is {away_s / 86_400:.0f} days old")
        found = [recalled(group.model, group.setup.racks, kept) for group in self._groups]
        if not any(known.parts for known in found):
            reasons = dict.fromkeys(reason for known in found for reason in known.reasons)
            raise KeptStateError("; ".join(reasons) or "the kept state is of other racks")
        return found

    def _begun(self, cold: Flags, away_s: float) -> Began:
        """Return how the racks begin, of which `cold` tells those that know nothing."""
        tags = [tag for group in self._groups for tag in group.setup.racks]
        if cold.all():
            return Began("cold", 0.0, "", 0, tuple(tags))
        anew = tuple(tag for tag, is_cold in zip(tags, cold, strict=True) if is_cold)
        reasons = dict.fromkeys(reason for known in self._recalled for reason in known.reasons)
        return Began("resumed", away_s, "; ".join(reasons), len(tags) - len(anew), anew)

    def _begin_second(self) -> None:
        second = self._groups[0].setup.second
        if second:
            self.shadow(Path(second))

    def _advanced(self, group: Group, moment: Moment) -> tuple[Estimates, ModelReport, GroupMoment]:
        if group.running is None:
            raise EngineNotBegunError
        of_group = moment_of(moment.arrays, group.racks, group.cells, group.setup.parallel)
        running, estimates, report = advance(group.running, of_group)
        group.charges.note(running, estimates.charge_ends)
        group.running = group.charges.attend(running)
        return estimates, report, of_group

    def _second(self, group: Group, moment: GroupMoment) -> ModelReport | None:
        if group.second is None:
            return None
        try:
            group.second, _, report = advance(group.second, moment)
        except Exception as error:
            log.exception("event=second_model_failed")
            self._end_second(group, error)
            return None
        return report

    def _end_second(self, group: Group, error: Exception) -> None:
        """End a second model: it came from elsewhere, and nothing in it may harm the first."""
        group.second = None
        self.shadow_error = str(error) or type(error).__name__


class EngineNotBegunError(StationError):
    """Estimates were asked for before there was a state: a mistake of the process itself."""


def _groups(setup: Setup) -> list[Group]:
    groups, rack, cell = [], 0, 0
    book = ChargeBook(Path(setup.state_file).parent / "charges")
    for group in setup.groups:
        racks, cells = len(group.racks), sum(group.cells)
        model = load_model(Path(group.bundle), group, setup)
        charges = ChargeDesk(group.racks, book)
        places = slice(rack, rack + racks), slice(cell, cell + cells)
        groups.append(Group(group, *places, model, charges))
        rack, cell = rack + racks, cell + cells
    return groups


def _with_second(group: GroupSetup, folder: str) -> GroupSetup:
    return replace(group, second=folder)


def _joined(parts: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """Return the arrays of all groups one behind the other."""
    return {
        name: np.concatenate([np.asarray(part[name], np.float32) for part in parts])
        for name in parts[0]
    }


def _findings(group: Group, estimates: Estimates, at_ms: int) -> list[Finding]:
    """Return the anomalies that begin, with the station's numbers of racks and cells from 1."""
    return [
        Finding(
            rack=group.racks.start + found.rack,
            cell=found.cell + 1,
            kind=int(found.kind),
            level=found.level,
            en=found.reason.en,
            zh=found.reason.zh,
            since_ms=at_ms - round(1000 * found.window_start_s),
        )
        for found in estimates.findings
    ]


def _doubts(group: Group, estimates: Estimates) -> list[Doubt]:
    """Return the racks with doubtful cells, with the station's numbers of racks."""
    if estimates.doubtful is None or not estimates.doubtful.any():
        return []
    rack = group.model.settings.rack
    first = group.model.settings.by_rack.first
    doubts = []
    for number in np.unique(rack[estimates.doubtful]).tolist():
        cells = np.flatnonzero(estimates.doubtful & (rack == number)) - first[number]
        doubts.append(Doubt(group.racks.start + number, len(cells), int(cells[0]) + 1))
    return doubts
