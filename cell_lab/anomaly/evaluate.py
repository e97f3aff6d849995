"""How well the detector finds faults that were put into racks, and how often it errs.

A trial is a rack with one fault in one cell; beside it run healthy racks through the same duty.
A rack's score is its highest from the fault's beginning on; AUROC is the chance that a faulty
rack's is above a healthy one's. What share of the trials was found is told with the interval that
so few of them leave at 95 %.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cell_lab.anomaly.duties import Duty
from cell_lab.anomaly.false_alarms import FalseAlarms
from cell_lab.anomaly.faults import FROM_THE_START, NOT_CLAIMED, SIZES, UNITS, Fault, FaultType
from cell_lab.anomaly.racks import BLOCK, Racks, Spread
from cell_lab.anomaly.rivals import Forest, Thresholds
from station.estimators.anomaly import Detector, Kind, judge, start
from station.estimators.cell_model import CellModel

Floats = npt.NDArray[np.float32]

_HOUR_S = 3600.0
STACK = 3
RIVALS = ("thresholds", "isolation forest")
_KIND_OF: dict[FaultType, tuple[Kind, ...]] = {
    FaultType.TEMPERATURE_JUMP: (Kind.TEMPERATURE_JUMP,),
    FaultType.CURRENT_PULSE: (Kind.CURRENT_PULSE,),
    FaultType.SOC_DRIFT: (Kind.SOC_DRIFT,),
    FaultType.INTERNAL_SHORT: (Kind.INTERNAL_SHORT,),
    FaultType.LOOSE_CONNECTION: (Kind.LOOSE_CONNECTION, Kind.HIGH_RESISTANCE),
    FaultType.FROZEN_SENSOR: (Kind.FROZEN_SENSOR,),
    FaultType.BIASED_SENSOR: (Kind.BIASED_SENSOR,),
    FaultType.LOW_CAPACITY: (Kind.LOW_CAPACITY,),
    FaultType.HIGH_RESISTANCE: (Kind.HIGH_RESISTANCE,),
    FaultType.COOLING_LOSS: (Kind.TEMPERATURE_JUMP,),
}
"""What a finding may be called to count as named rightly."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Trial:
    """One faulty rack, and what became of it.

    Attributes:
        source: recorded or made up.
        type, size: of the fault.
        own, others: highest score from the fault on: this rack's and its healthy neighbours', by
            detector.
        found_s: from the fault to the first warning; None: none came.
        threshold_s: from the fault to the first plain threshold; None: none was passed.
        left_s: from the fault to the end of the trial.
        kind: of the first warning, as it is called once it was looked at again.
        right_cell: whether it named the cell; of a current pulse, the rack.
    """

    source: str
    type: FaultType
    size: float
    own: dict[str, float]
    others: dict[str, tuple[float, ...]]
    found_s: float | None
    threshold_s: float | None
    left_s: float
    kind: Kind
    right_cell: bool


@dataclass(frozen=True)
class Set:
    """Duties of one make on which all faults are tried.

    Attributes:
        source: name in the table.
        model: of the make.
        duties: taken in turn.
        hours: of each trial; at_hour: when faults begin.
    """

    source: str
    model: CellModel
    duties: Sequence[Duty]
    hours: float
    at_hour: float


def run_trials(
    detector: Detector,
    trial_set: Set,
    repeats: int,
    *,
    cells: int,
    seed: int,
    progress: Progress | None = None,
) -> list[Trial]:
    """Return every fault in every size, each tried some times."""
    wanted = [(type_, size) for type_ in FaultType for size in SIZES[type_] for _ in range(repeats)]
    rng = np.random.default_rng(seed)
    wanted = [wanted[each] for each in rng.permutation(len(wanted)).tolist()]
    wanted.sort(key=lambda pair: pair[0] in NOT_CLAIMED)
    claimed = sum(pair[0] not in NOT_CLAIMED for pair in wanted)
    trials: list[Trial] = []
    for part, per_sensor in ((wanted[:claimed], 1), (wanted[claimed:], 4)):
        tell = (lambda share: progress(trial_set.source, share)) if progress else None
        trials += _run(
            detector,
            trial_set,
            part,
            cells=cells,
            per_sensor=per_sensor,
            seed=int(rng.integers(1_000_000_000)),
            tell=tell,
        )
    return trials


def _run(
    detector: Detector,
    trial_set: Set,
    wanted: Sequence[tuple[FaultType, float]],
    *,
    cells: int,
    per_sensor: int,
    seed: int,
    tell: Callable[[float], None] | None,
) -> list[Trial]:
    rng = np.random.default_rng(seed)
    at_block = int(trial_set.at_hour * _HOUR_S / BLOCK)
    faults = []
    for number, (type_, size) in enumerate(wanted):
        rack = number * STACK
        cell = int(rng.integers(0, cells))
        if per_sensor > 1 and cell % per_sensor == 0:
            cell += 1 if cell + 1 < cells else -1
        later = int(rng.uniform(0, 0.5) * _HOUR_S / BLOCK)
        faults.append(Fault(type_, size, rack, rack * cells + cell, at_block + later))
    seconds = int(trial_set.hours * _HOUR_S)
    duties = [
        _cut(trial_set.duties[each % len(trial_set.duties)], seconds) for each in range(len(wanted))
    ]
    racks = Racks(
        trial_set.model,
        duties,
        cells,
        stack=STACK,
        seed=seed,
        spread=Spread(per_sensor=per_sensor),
        faults=faults,
    )
    return _watch(detector, trial_set, racks, tell, seed)


def _watch(
    detector: Detector,
    trial_set: Set,
    racks: Racks,
    tell: Callable[[float], None] | None,
    seed: int,
) -> list[Trial]:
    place, faults = racks.place, racks.faults
    state = start(racks.model, place)
    thresholds = Thresholds()
    forest = Forest()
    scores = np.zeros((racks.blocks, place.racks), np.float32)
    plain = np.zeros((racks.blocks, place.racks), np.float32)
    levels = np.zeros((racks.blocks, place.racks), np.int8)
    first: dict[int, tuple[int, Kind, int]] = {}
    began = {fault.rack: _begins(fault) for fault in faults}
    for number in range(racks.blocks):
        block = racks.advance()
        state, told = judge(detector, racks.model, place, state, block)
        scores[number], levels[number] = told.rack_score, told.level
        plain[number] = thresholds.look(block, place)
        forest.look(block, place)
        for finding in told.findings:
            fresh = finding.rack not in first and number >= began.get(finding.rack, 0)
            if fresh and finding.level >= 2:  # noqa: PLR2004 - a warning
                first[finding.rack] = (number, finding.kind, finding.cell)
            elif finding.renamed and finding.rack in first:
                when, _, cell = first[finding.rack]
                first[finding.rack] = (when, finding.kind, cell)
        if tell and number % 50 == 0:
            tell(number / racks.blocks)
    sick = np.isin(place.rack, list(began))
    strange = forest.scores(~sick, place, seed)
    ends = np.array(forest.ends)
    return [
        _trial(
            trial_set,
            fault,
            racks,
            scores=scores,
            plain=plain,
            strange=strange[ends > fault.at_block],
            first=first,
        )
        for fault in faults
    ]


def _trial(
    trial_set: Set,
    fault: Fault,
    racks: Racks,
    *,
    scores: Floats,
    plain: Floats,
    strange: Floats,
    first: dict[int, tuple[int, Kind, int]],
) -> Trial:
    since = fault.at_block
    mates = range(fault.rack + 1, fault.rack + STACK)
    tops = {
        "stationmaster": scores[since:].max(axis=0),
        "thresholds": plain[since:].max(axis=0),
        "isolation forest": strange.max(axis=0),
    }
    begins = _begins(fault)
    passed = np.flatnonzero(plain[begins:, fault.rack] >= 1)
    number, kind, cell = first.get(fault.rack, (-1, Kind.NONE, -1))
    of_the_rack = fault.type is FaultType.CURRENT_PULSE
    wanted = -1 if of_the_rack else fault.cell - fault.rack * racks.cells
    return Trial(
        source=trial_set.source,
        type=fault.type,
        size=fault.size,
        own={name: float(top[fault.rack]) for name, top in tops.items()},
        others={name: tuple(float(top[each]) for each in mates) for name, top in tops.items()},
        found_s=float((number - begins) * BLOCK) if number >= 0 else None,
        threshold_s=float(passed[0] * BLOCK) if len(passed) else None,
        left_s=float((racks.blocks - begins) * BLOCK),
        kind=kind,
        right_cell=cell == wanted,
    )


def _begins(fault: Fault) -> int:
    """Return the block from which a fault can be found; some are there from the start."""
    return 0 if fault.type in FROM_THE_START else fault.at_block


def auroc(own: Sequence[float], others: Sequence[float]) -> float:
    """Return the chance that one of the first is above one of the second; equals count half."""
    high, low = np.asarray(own)[:, None], np.asarray(others)[None]
    return float(((high > low) + 0.5 * (high == low)).mean())


def share_interval(found: int, trials: int) -> tuple[float, float]:
    """Return where a share lies with 95 % confidence (Wilson 1927, JASA 22)."""
    share, z2 = found / trials, 1.96**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _cut(duty: Duty, seconds: int) -> Duty:
    if len(duty.current) <= seconds:
        return duty
    return Duty(
        duty.name,
        duty.current[:seconds],
        duty.soc[:seconds],
        None if duty.voltage_v is None else duty.voltage_v[:seconds],
        duty.temperature_c[:seconds],
    )


def as_rows(trials: Sequence[Trial], alarms: FalseAlarms | None) -> list[dict[str, object]]:
    """Return the table: one row for each type and size, one for all that is claimed."""
    groups: dict[tuple[str, float], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.type, trial.size].append(trial)
    pools = {
        claimed: {
            name: [
                score
                for trial in trials
                if (trial.type not in NOT_CLAIMED) == claimed
                for score in trial.others[name]
            ]
            for name in ("stationmaster", *RIVALS)
        }
        for claimed in (True, False)
    }
    rate = None if alarms is None else round(alarms.per_rack_year, 2)
    rows = [
        _row(type_, size, group, pools[type_ not in NOT_CLAIMED], rate)
        for (type_, size), group in sorted(
            groups.items(),
            key=lambda pair: (
                list(FaultType).index(FaultType(pair[0][0])),
                SIZES[FaultType(pair[0][0])].index(pair[0][1]),
            ),
        )
    ]
    claimed = [trial for trial in trials if trial.type not in NOT_CLAIMED]
    if not claimed:
        return rows
    return [*rows, _row("all claimed", None, claimed, pools[True], rate)]


def _row(
    type_: str,
    size: float | None,
    group: Sequence[Trial],
    pool: dict[str, list[float]],
    rate: float | None,
) -> dict[str, object]:
    found = [trial for trial in group if trial.found_s is not None]
    leads = [
        (trial.left_s if trial.threshold_s is None else trial.threshold_s) - trial.found_s
        for trial in found
        if trial.found_s is not None
    ]
    named = [trial.kind in _KIND_OF[trial.type] for trial in found]
    scores = {
        name: round(auroc([trial.own[name] for trial in group], pool[name]), 3)
        for name in ("stationmaster", *RIVALS)
    }
    low, high = share_interval(len(found), len(group))
    return {
        "type": str(type_),
        "size": size,
        "unit": UNITS[FaultType(type_)] if size is not None else "",
        "trials": len(group),
        "auroc": scores["stationmaster"],
        "detected_pct": round(100 * len(found) / len(group), 1),
        "detected_at_least_pct": round(100 * low, 1),
        "detected_at_most_pct": round(100 * high, 1),
        "found_s": _middle([trial.found_s for trial in found if trial.found_s is not None]),
        "lead_s": _middle(leads),
        "threshold_detected_pct": round(
            100 * sum(trial.threshold_s is not None for trial in group) / len(group), 1
        ),
        "lead_is_at_least": any(trial.threshold_s is None for trial in found),
        "named_pct": round(100 * float(np.mean(named)), 1) if named else None,
        "cell_pct": round(100 * float(np.mean([t.right_cell for t in found])), 1)
        if found
        else None,
        "auroc_thresholds": scores["thresholds"],
        "auroc_isolation_forest": scores["isolation forest"],
        "false_alarms_per_rack_year": rate,
        "claimed": type_ not in NOT_CLAIMED,
    }


def _middle(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 0) if values else None
