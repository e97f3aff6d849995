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
from station.protection.states import ContainerState, InsulationState
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


def search_wishes(
    search: Search, finding: Finding, confirm_s: float, converter: str
) -> dict[Key, Wish]:
    """Return the contactors that a search holds open.

    When it could name no rack, the fault lies on the bus or behind a contactor that only says
    that it is open, so the converter is stopped as well.
    """
    keys = [(rack, Part.CONTACTOR) for rack in search.order[: search.opened]]
    if search.phase is Phase.NOT_FOUND:
        keys.append((converter, Part.CONVERTER))
    return {
        (device, part): Wish(
            device=device,
            part=part,
            container=search.container,
            on=False,
            finding=finding,
            ready=True,
            confirm_s=confirm_s,
            in_local=False,
        )
        for device, part in keys
    }


def _order(view: SearchView) -> tuple[str, ...]:
    racks = [r for r in view.container.racks if r.contactor_closed is not False]
    return tuple(r.device for r in sorted(racks, key=lambda r: not r.insulation_alarm))


def _is_open(view: SearchView, device: str) -> bool:
    return any(
        r.device == device and r.fresh and r.contactor_closed is False for r in view.container.racks
    )


def _monitor(view: SearchView) -> InsulationState | None:
    device = view.finding.device
    return next((m for m in view.container.insulation if m.device == device), None)


def _judge(search: Search, view: SearchView, now_ms: int) -> tuple[Search, tuple[Moment, ...]]:
    monitor = _monitor(view)
    if monitor is None or not monitor.fresh or math.isnan(monitor.resistance_kohm):
        return search, ()
    if monitor.resistance_kohm < view.recovered_kohm:
        return _next(search, view, now_ms)
    if any(_is_open(view, rack) for rack in search.order[search.opened :]):
        # Others were opened meanwhile, by another cause: nobody can be blamed.
        return _end(search, view, now_ms)
    guilty = search.order[search.opened - 1]
    detail = Words(
        f"the insulation fault is in {guilty}: {monitor.resistance_kohm:.0f} kohm once it was open",
        f"绝缘故障位于 {guilty}：断开后绝缘电阻 {monitor.resistance_kohm:.0f} kΩ",
    )
    moment = Moment(
        *("protection.action", guilty, now_ms, detail, monitor.resistance_kohm),
        limit=view.recovered_kohm,
        tag="insulation-found",
    )
    return replace(search, phase=Phase.FOUND, since_ms=now_ms, guilty=guilty), (moment,)


def _next(search: Search, view: SearchView, now_ms: int) -> tuple[Search, tuple[Moment, ...]]:
    """Open the next rack that is not open already; with none left the search ends."""
    opened = search.opened + 1
    while opened <= len(search.order) and _is_open(view, search.order[opened - 1]):
        opened += 1
    if opened <= len(search.order):
        return replace(search, opened=opened, phase=Phase.OPEN, since_ms=now_ms), ()
    return _end(search, view, now_ms)


def _end(search: Search, view: SearchView, now_ms: int) -> tuple[Search, tuple[Moment, ...]]:
    """End a search that could name no rack; what was opened stays open until the reset."""
    ended = replace(search, phase=Phase.NOT_FOUND, since_ms=now_ms)
    detail = _not_found(search, view)
    tag = "insulation-not-found"
    return ended, (Moment("protection.action", view.finding.device, now_ms, detail, tag=tag),)


def _not_found(search: Search, view: SearchView) -> Words:
    """Say where to look when no rack could be named."""
    stuck = [rack for rack in search.order if rack in view.stuck]
    monitor = _monitor(view)
    if monitor is not None and monitor.resistance_kohm >= view.recovered_kohm:
        return Words(
            "the insulation is back since racks were opened together: measure each of them",
            "多个电池簇同时断开后绝缘恢复：请逐簇测量",
        )
    if stuck:
        return Words(
            f"the insulation is still low and {', '.join(stuck)} did not open: look there first",
            f"绝缘仍低且 {'、'.join(stuck)} 未断开：请先检查该簇",
        )
    return Words(
        "all racks say open and the insulation is still low: look at DC bus, converter and for "
        "a welded contactor",
        "所有电池簇均显示断开，绝缘仍低：请检查直流母线、PCS 及接触器是否粘连",
    )
