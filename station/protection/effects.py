"""What the matrix wants of each device now, because of the findings of the moment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from station.protection.findings import restraint
from station.protection.levels import Scope
from station.protection.matrix import Deed, Effect, Matrix, Row
from station.protection.restraints import Restraint
from station.protection.rules import Rules
from station.protection.states import ContainerState, PlantState, RackState
from station.protection.verdict import Finding


class Part(StrEnum):
    """What of a device is told to do something."""

    CONTACTOR = "contactor"
    CONVERTER = "converter"
    COOLING = "cooling"
    VENTILATION = "ventilation"


Key = tuple[str, Part]
Since = Mapping[tuple[str, str, str], int]
"""Station time at which a cause (row, rule, device) began to act."""


@dataclass(frozen=True)
class Wish:
    """What a device shall do.

    Attributes:
        device, part: who.
        container: where it stands.
        on: contactor closed, converter running, cooling or ventilation on.
        cause: ``rule:device`` that wants it.
        finding: the finding itself.
        ready: its time has come.
        confirm_s: the plant must show it within.
        in_local: also sent in local control.
    """

    device: str
    part: Part
    container: str
    on: bool
    finding: Finding
    ready: bool
    confirm_s: float
    in_local: bool

    @property
    def cause(self) -> str:
        """The cause as it stands in actions and logs."""
        return f"{self.finding.rule}:{self.finding.device}"


@dataclass(frozen=True)
class Effects:
    """Everything the matrix wants.

    Attributes:
        wishes: by device and part.
        neighbours: restraints on containers beside a cause.
        held: converters that must not be started or given power.
        searches: the finding by container whose faulty rack must be found.
        since: when each cause began to act, for the next cycle.
    """

    wishes: Mapping[Key, Wish]
    neighbours: Mapping[str, tuple[Restraint, ...]]
    held: frozenset[str]
    searches: Mapping[str, Finding]
    since: Since


@dataclass
class _Collected:
    wishes: dict[Key, Wish] = field(default_factory=dict)
    neighbours: dict[str, list[Restraint]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    searches: dict[str, Finding] = field(default_factory=dict)
    since: dict[tuple[str, str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Cause:
    """One finding that makes one row act."""

    row: Row
    finding: Finding
    acting_ms: int
    confirm_s: float


def effects(
    findings: Sequence[Finding],
    plant: PlantState,
    settings: tuple[Rules, Matrix],
    since: Since,
    now_ms: int,
) -> Effects:
    """Return what the matrix wants; the first row that wants something of a device decides."""
    rules, matrix = settings
    found = _Collected()
    for row in matrix.rows:
        for finding in _causes(row, findings):
            key = (row.id, finding.rule, finding.device)
            found.since[key] = since.get(key, now_ms)
            cause = _Cause(row, finding, now_ms - found.since[key], _confirm_s(finding, rules))
            _act(cause, plant, matrix, found)
            _restrain_neighbours(cause, plant, rules, found)
            if row.block_restart:
                found.held |= {
                    c.converter.device for c in _reached(row.reach, finding, plant.containers)
                }
    return Effects(
        found.wishes,
        {name: tuple(listed) for name, listed in found.neighbours.items()},
        frozenset(found.held),
        found.searches,
        found.since,
    )


def _causes(row: Row, findings: Iterable[Finding]) -> Iterator[Finding]:
    pairs = row.pairs
    return (f for f in findings if f.rule in pairs and f.level >= pairs[f.rule])


def _confirm_s(finding: Finding, rules: Rules) -> float:
    rule = rules.find(finding.rule)
    figures = None if rule is None else rule.level(finding.level)
    return 3.0 if figures is None else figures.confirm_s


def _reached(
    reach: Scope, finding: Finding, containers: Sequence[ContainerState]
) -> Sequence[ContainerState]:
    """Return the containers that a cause reaches; one without a place reaches all."""
    if reach is Scope.STATION or not finding.container:
        return containers
    return [c for c in containers if c.name == finding.container]


def _act(cause: _Cause, plant: PlantState, matrix: Matrix, found: _Collected) -> None:
    finding = cause.finding
    for effect in cause.row.effects:
        reach = effect.reach or cause.row.reach
        for container in _reached(reach, finding, plant.containers):
            if effect.do is Deed.FIND_INSULATION_FAULT:
                found.searches.setdefault(container.name, finding)
                continue
            for wish in _wishes(cause, effect, reach, container, matrix):
                found.wishes.setdefault((wish.device, wish.part), wish)


def _wishes(
    cause: _Cause, effect: Effect, reach: Scope, container: ContainerState, matrix: Matrix
) -> Iterator[Wish]:
    due = cause.acting_ms >= effect.after_s * 1000

    def wish(device: str, part: Part, *, on: bool, ready: bool = True) -> Wish:
        return Wish(
            device=device,
            part=part,
            container=container.name,
            on=on,
            finding=cause.finding,
            ready=due and ready,
            confirm_s=cause.confirm_s,
            in_local=cause.row.in_local,
        )

    if effect.do is Deed.STOP_CONVERTER:
        yield wish(container.converter.device, Part.CONVERTER, on=False)
    elif effect.do is Deed.OPEN_CONTACTORS:
        for rack in container.racks:
            if reach is not Scope.RACK or rack.device == cause.finding.device:
                ready = _may_open(rack, effect, cause.acting_ms, matrix)
                yield wish(rack.device, Part.CONTACTOR, on=False, ready=ready)
    elif effect.do is Deed.VENTILATION_ON and container.ventilation is not None:
        yield wish(container.ventilation.device, Part.VENTILATION, on=True)
    elif effect.do in (Deed.COOLING_ON, Deed.COOLING_OFF) and container.chiller is not None:
        yield wish(container.chiller.device, Part.COOLING, on=effect.do is Deed.COOLING_ON)


def _may_open(rack: RackState, effect: Effect, acting_ms: int, matrix: Matrix) -> bool:
    """Whether a contactor may open: its current is low, or was waited for long enough."""
    if effect.until_current_low_s is None:
        return True
    low = rack.fresh and abs(rack.current_a) <= matrix.closed_loop.current_low_a
    return low or acting_ms >= (effect.after_s + effect.until_current_low_s) * 1000


def _restrain_neighbours(cause: _Cause, plant: PlantState, rules: Rules, found: _Collected) -> None:
    """Lower what stands beside the cause: its container for a rack, else the next ones."""
    factor, finding = cause.row.neighbours, cause.finding
    why = restraint(finding, rules)
    if factor is None or why is None or not finding.container:
        return
    names = [c.name for c in plant.containers]
    beside = [finding.container]
    if cause.row.reach is not Scope.RACK and finding.container in names:
        k = names.index(finding.container)
        beside = [*names[max(0, k - 1) : k], *names[k + 1 : k + 2]]
    for name in beside:
        held = Restraint(factor, factor, why.reason, finding.device, finding.cell)
        found.neighbours.setdefault(name, []).append(held)
