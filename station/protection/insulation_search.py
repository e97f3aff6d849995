"""Which rack of a container has the insulation fault, when one monitor watches them all.

The container is brought to no power; then one rack after the other is opened, and after each
the monitor is given its time. When the resistance is back, the rack opened last is guilty:
it stays open until somebody has mended it and resets it by name. The others that were opened
wait for the reset of the container. Racks whose own BMS reports low insulation come first.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from contract.words import Words
from station.protection.effects import Key, Part, Wish
from station.protection.matrix import ClosedLoop, InsulationSearch
from station.protection.states import ContainerState
from station.protection.verdict import Finding, Moment


class Phase(StrEnum):
    """Where a search stands."""

    BRING_DOWN = "bring_down"
    OPEN = "open"
    SETTLE = "settle"
    FOUND = "found"
    NOT_FOUND = "not_found"


@dataclass(frozen=True)
class Search:
    """One search in one container.

    Attributes:
        container: where.
        order: racks in the order of their opening.
        opened: how many of them have been opened.
        phase, since_ms: where it stands, and since when (station time).
        guilty: the rack found.
    """

    container: str
    order: tuple[str, ...]
    opened: int
    phase: Phase
    since_ms: int
    guilty: str = ""


Searches = Mapping[str, Search]


@dataclass(frozen=True)
class SearchView:
    """What a search looks at in one cycle.

    Attributes:
        container: the container now.
        finding: the insulation fault that is searched for.
        recovered_kohm: resistance from which the fault is away.
        stuck: racks whose contactor does not open.
        loop, settings: figures of the matrix.
    """

    container: ContainerState
    finding: Finding
    recovered_kohm: float
    stuck: frozenset[str]
    loop: ClosedLoop
    settings: InsulationSearch


def advance_search(
    search: Search | None, view: SearchView, now_ms: int
) -> tuple[Search, tuple[Moment, ...]]:
    """Return a search after one more cycle, and what is to be told of it."""
    if search is None:
        return Search(view.container.name, _order(view), 0, Phase.BRING_DOWN, now_ms), ()
    waited_s = (now_ms - search.since_ms) / 1000
    if search.phase is Phase.BRING_DOWN:
        low = all(abs(r.current_a) <= view.loop.current_low_a for r in view.container.racks)
        if low or waited_s >= view.settings.bring_down_s:
            return _next(search, view, now_ms)
    elif search.phase is Phase.OPEN:
        rack = search.order[search.opened - 1]
        if rack in view.stuck:
            return _next(search, view, now_ms)
        if _is_open(view, rack):
            return replace(search, phase=Phase.SETTLE, since_ms=now_ms), ()
    elif search.phase is Phase.SETTLE and waited_s >= view.settings.settle_s:
        return _judge(search, view, now_ms)
    return search, ()


def search_wishes(search: Search, finding: Finding, confirm_s: float) -> dict[Key, Wish]:
    """Return the contactors that a search holds open."""
    return {
        (rack, Part.CONTACTOR): Wish(
            device=rack,
            part=Part.CONTACTOR,
            container=search.container,
            on=False,
            finding=finding,
            ready=True,
            confirm_s=confirm_s,
            in_local=False,
        )
        for rack in search.order[: search.opened]
    }


def _order(view: SearchView) -> tuple[str, ...]:
    racks = [r for r in view.container.racks if r.contactor_closed is not False]
    return tuple(r.device for r in sorted(racks, key=lambda r: not r.insulation_alarm))


def _is_open(view: SearchView, device: str) -> bool:
    return any(
        r.device == device and r.fresh and r.contactor_closed is False for r in view.container.racks
    )


def _judge(search: Search, view: SearchView, now_ms: int) -> tuple[Search, tuple[Moment, ...]]:
    device = view.finding.device
    monitor = next((m for m in view.container.insulation if m.device == device), None)
    if monitor is None or not monitor.fresh or math.isnan(monitor.resistance_kohm):
        return search, ()
    if monitor.resistance_kohm < view.recovered_kohm:
        return _next(search, view, now_ms)
    guilty = search.order[search.opened - 1]
    detail = Words(
        f"the insulation fault is in {guilty}: {monitor.resistance_kohm:.0f} kohm once it was open",
        f"绝缘故障位于 {guilty}:断开后绝缘电阻 {monitor.resistance_kohm:.0f} kΩ",
    )
    moment = Moment(
        *("protection.action", guilty, now_ms, detail, monitor.resistance_kohm),
        limit=view.recovered_kohm,
        tag="insulation-found",
    )
    return replace(search, phase=Phase.FOUND, since_ms=now_ms, guilty=guilty), (moment,)


def _next(search: Search, view: SearchView, now_ms: int) -> tuple[Search, tuple[Moment, ...]]:
    """Open the next rack; with none left the fault is in no rack."""
    if search.opened < len(search.order):
        return (
            replace(search, opened=search.opened + 1, phase=Phase.OPEN, since_ms=now_ms),
            (),
        )
    detail = Words(
        "all racks are open and the insulation is still low: look at DC bus and converter",
        "所有电池簇均已断开,绝缘仍低:请检查直流母线和 PCS",
    )
    moment = Moment(
        "protection.action", view.finding.device, now_ms, detail, tag="insulation-not-found"
    )
    return replace(search, phase=Phase.NOT_FOUND, since_ms=now_ms), (moment,)
