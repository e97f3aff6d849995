"""One second of protection: from the plant to limits, findings, actions and the story.

Plant -> courses of the cells -> quantities -> levels and latches -> effects of the matrix ->
closed loop of actions -> limits. Pure: time and plant come in, the next state goes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contract.limits import LimitReason
from station.protection.actions import Actings, Loop, Now, advance
from station.protection.authority import read_authority
from station.protection.cell_maps import CellMaps, load_cell_maps, map_limits
from station.protection.cells import cell_grid, empty_grid, follow
from station.protection.early_warning import watch
from station.protection.effects import Effects, Key, Part, Wish, effects
from station.protection.feedback import feedback
from station.protection.findings import find, latch, restraint
from station.protection.incident import follow_incident
from station.protection.insulation_search import (
    Search,
    Searches,
    SearchView,
    advance_search,
    search_wishes,
)
from station.protection.judge import Judgement, judge
from station.protection.levels import Level
from station.protection.limits import LimitMargins, station_limits
from station.protection.matrix import Matrix, check_matrix, load_matrix
from station.protection.quantities import Courses, Inner, all_readings, gas_readings
from station.protection.reset import STATION, Refused, reset
from station.protection.restraints import Restraint, Restraints
from station.protection.rules import Quantity, Rules, load_rules
from station.protection.state import ProtectionState
from station.protection.states import PlantState, RackState
from station.protection.verdict import Finding, Moment, Verdict

_LONGEST_STEP_S = 10.0
"""A station that slept or whose clock was set must not let all delays run out at once."""
_EMERGENCY_STOP = "emergency_stop"


@dataclass(frozen=True)
class ProtectionSettings:
    """Rules, matrix, cell maps and margins in force."""

    rules: Rules
    matrix: Matrix
    maps: CellMaps
    margins: LimitMargins

    @classmethod
    def shipped(cls, margins: LimitMargins) -> "ProtectionSettings":
        """Return the settings that ship with the station.

        Raises:
            ConfigError: a file is wrong; names file, key and remedy.
        """
        settings = cls(load_rules(), load_matrix(), load_cell_maps(), margins)
        check_matrix(settings.matrix, settings.rules)
        return settings


def protect(
    plant: PlantState, state: ProtectionState, settings: ProtectionSettings, now_ms: int
) -> tuple[Verdict, ProtectionState]:
    """Return what protection says of one second, and what it remembers.

    Args:
        plant: the plant as the frozen picture shows it.
        state: what was remembered in the last cycle.
        settings: rules, matrix, maps and margins.
        now_ms: station time.
    """
    rules, matrix = settings.rules, settings.matrix
    authority, pressed = read_authority(plant.panel, state.authority)
    known = plant.panel is None or authority.heard
    refusal: tuple[Moment, ...] = ()
    if pressed and plant.panel is not None:
        state, refusal = _reset_on_site(plant.panel.device, state, rules, now_ms)
    state = replace(_judge(plant, state, settings, now_ms), authority=authority)
    findings = find(rules, state.judged, state.latched)
    wanted = effects(findings, plant, (rules, matrix), state.since, now_ms)
    shown = feedback(plant, matrix.closed_loop)
    searches, wishes, found = _search(plant, state, wanted, settings, now_ms)
    loop = advance(
        {**wanted.wishes, **{k: w for k, w in wishes.items() if k not in wanted.wishes}},
        state.actings,
        Now(now_ms, shown, matrix.closed_loop, authority.local, known=known),
    )
    incident, first = follow_incident(state.incident, findings, matrix.first_out.window_s, now_ms)
    restraints = _restraints(plant, findings, wanted, settings, local=authority.local)
    restraints = _while_closing(restraints, loop.actings)
    verdict = Verdict(
        limits=station_limits(plant, settings.margins, restraints),
        level=max((f.level for f in findings), default=Level.NORMAL),
        findings=findings,
        actions=loop.actions,
        moments=(*state.untold, *refusal, *first, *found, *loop.moments),
        held=_held(plant, wanted, loop, local=authority.local),
        first_out=None if incident is None else incident.first_out,
        local=authority.local,
        emergency_stop=any(f.rule == _EMERGENCY_STOP for f in findings),
        control_known=known,
    )
    return verdict, replace(
        state,
        last_ms=now_ms,
        since=wanted.since,
        actings=loop.actings,
        searches=searches,
        incident=incident,
        untold=(),
    )


def _reset_on_site(
    panel: str, state: ProtectionState, rules: Rules, now_ms: int
) -> tuple[ProtectionState, tuple[Moment, ...]]:
    """Carry out the panel's reset button; a refusal is told as well."""
    state, outcome = reset(state, STATION, now_ms, rules)
    if isinstance(outcome, Refused):
        return state, (Moment("protection.reset", panel, now_ms, outcome.words, tag="refused"),)
    return state, ()


def _judge(
    plant: PlantState, state: ProtectionState, settings: ProtectionSettings, now_ms: int
) -> ProtectionState:
    """Return the state with courses, judgements and latches of this second."""
    rules = settings.rules
    dt_s = 0.0 if state.last_ms is None else (now_ms - state.last_ms) / 1000
    dt_s = min(max(dt_s, 0.0), _LONGEST_STEP_S)
    racks = tuple(rack for container in plant.containers for rack in container.racks)
    grid = cell_grid(racks)
    cells = None if grid is None else follow(grid, state.cells, rules.cells)
    early = watch(grid or empty_grid(), gas_readings(plant), state.early, rules.early_warning)
    courses = Courses(cells, early, rules.early_warning)
    readings = all_readings(plant, settings.maps, courses, _inner(plant, state, settings), now_ms)
    judged: dict[str, Judgement] = {
        rule.id: judge(rule, readings[rule.quantity], state.judged.get(rule.id), dt_s)
        for rule in rules.rules
        if rule.quantity in readings
    }
    latched = latch(rules, judged, state.judged, state.latched)
    return replace(state, cells=cells, early=early, judged=judged, latched=latched)


def _inner(plant: PlantState, state: ProtectionState, settings: ProtectionSettings) -> Inner:
    """Return what the actions and searches so far have shown."""
    shown = feedback(plant, settings.matrix.closed_loop)
    failed = [a for a in state.actings.values() if a.failed and not a.confirmed and not a.back]
    stuck = {a.device: a.container for a in failed if a.part is Part.CONTACTOR}
    unstopped = {a.device: a.container for a in failed if a.part is Part.CONVERTER}
    trip = _figures(settings.rules, Quantity.INSULATION_KOHM, Level.TRIP)
    return Inner(
        stuck=frozenset(stuck),
        awaited=frozenset(
            a.device
            for a in state.actings.values()
            if a.part is Part.CONTACTOR and not a.on and not shown.shows(a.device, a.part, on=False)
        ),
        unstopped=frozenset(unstopped),
        # A converter that runs without power lets a stuck contactor break nothing.
        unisolated=frozenset(
            tag
            for tag, name in unstopped.items()
            if name in stuck.values() and not shown.idle(name)
        ),
        idle=frozenset(a.device for a in failed if a.part in (Part.COOLING, Part.VENTILATION)),
        guilty=frozenset(s.guilty for s in state.searches.values() if s.guilty),
        current_low_a=settings.matrix.closed_loop.current_low_a,
        insulation_kohm=trip[0],
    )


def _figures(rules: Rules, quantity: Quantity, level: Level) -> tuple[float, float]:
    """Return (limit, limit and dead band) of the first rule of a quantity, 0 without."""
    for rule in rules.rules:
        figures = rule.level(level) if rule.quantity is quantity else None
        if figures is not None:
            return figures.limit, figures.limit + figures.dead_band
    return 0.0, 0.0


def _search(
    plant: PlantState,
    state: ProtectionState,
    wanted: Effects,
    settings: ProtectionSettings,
    now_ms: int,
) -> tuple[Searches, Mapping[Key, Wish], tuple[Moment, ...]]:
    """Advance the searches for insulation faults; one that nobody wants any more is dropped."""
    _, recovered = _figures(settings.rules, Quantity.INSULATION_KOHM, Level.TRIP)
    searches: dict[str, Search] = {}
    wishes: dict[Key, Wish] = {}
    moments: list[Moment] = []
    stuck = frozenset(a.device for a in state.actings.values() if a.failed and not a.confirmed)
    for container in plant.containers:
        finding = wanted.searches.get(container.name)
        if finding is None:
            continue
        view = SearchView(
            *(container, finding, recovered, stuck),
            loop=settings.matrix.closed_loop,
            settings=settings.matrix.insulation_search,
        )
        search, told = advance_search(state.searches.get(container.name), view, now_ms)
        searches[container.name] = search
        confirm_s = _confirm_s(settings.rules, finding)
        wishes |= search_wishes(search, finding, confirm_s, container.converter.device)
        moments += told
    return searches, wishes, tuple(moments)


def _confirm_s(rules: Rules, finding: Finding) -> float:
    rule = rules.find(finding.rule)
    figures = None if rule is None else rule.level(finding.level)
    return 3.0 if figures is None else figures.confirm_s


def _restraints(
    plant: PlantState,
    findings: tuple[Finding, ...],
    wanted: Effects,
    settings: ProtectionSettings,
    *,
    local: bool,
) -> Restraints:
    racks: dict[str, list[Restraint]] = {}
    containers: dict[str, list[Restraint]] = {k: list(v) for k, v in wanted.neighbours.items()}
    station: list[Restraint] = []
    tags = {rack.device for container in plant.containers for rack in container.racks}
    for finding in findings:
        held = restraint(finding, settings.rules)
        if held is None:
            continue
        if finding.device in tags:
            racks.setdefault(finding.device, []).append(held)
        elif finding.container:
            containers.setdefault(finding.container, []).append(held)
        else:
            station.append(held)
    if local and plant.panel is not None:
        station.append(Restraint(0.0, 0.0, LimitReason.LOCAL_CONTROL, plant.panel.device))
    all_racks: list[RackState] = [r for c in plant.containers for r in c.racks]
    return Restraints(
        racks={tag: tuple(found) for tag, found in racks.items()},
        containers={name: tuple(found) for name, found in containers.items()},
        station=tuple(station),
        maps=map_limits(all_racks, settings.maps),
    )


def _while_closing(restraints: Restraints, actings: Actings) -> Restraints:
    """Hold a container at no power while a contactor in it is being closed again."""
    containers = dict(restraints.containers)
    for acting in actings.values():
        if acting.back and acting.part is Part.CONTACTOR:
            held = Restraint(0.0, 0.0, LimitReason.RACK_UNAVAILABLE, acting.device)
            containers[acting.container] = (*containers.get(acting.container, ()), held)
    return replace(restraints, containers=containers)


def _held(plant: PlantState, wanted: Effects, loop: Loop, *, local: bool) -> frozenset[str]:
    """Return the converters that nobody may start: held by the matrix, or told to stop."""
    if local:
        return frozenset(c.converter.device for c in plant.containers)
    stopped: set[str] = {
        acting.device for acting in loop.actings.values() if acting.part is Part.CONVERTER
    }
    return wanted.held | stopped
