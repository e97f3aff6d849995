"""Incidents: alarms of one container, or of the station itself, that came close together.

The first cause by the device's time is the first-out; whatever arrived first does not matter, and
what only follows from others (a refused command, a lost connection) never is one. Some devices
date by whole seconds: there two times within a second are a tie, and the cause comes before its
effect, else the more urgent before the other. A trip of the whole station is one incident with
those of the containers around it. A member is marked as a consequence where its definition says
that it may follow from an earlier one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.alarms.definitions import Definitions, Incident, Within
from contract.tags import container_of

SECOND_MS: Final = 1000
"""Whole seconds are as fine as the clocks of many panels tell."""
Key = tuple[int, int]
"""Alarm and onset in ms: one occurrence."""


@dataclass(frozen=True, slots=True)
class Member:
    """One occurrence of an alarm.

    Attributes:
        alarm: its number.
        onset_ms: device time of its beginning.
        end_ms: when its condition was over, None while it stands.
        priority: 1 to 4.
        device, code, tag: the alarm.
    """

    alarm: int
    onset_ms: int
    end_ms: int | None
    priority: int
    device: str
    code: str
    tag: str

    @property
    def key(self) -> Key:
        """Which occurrence it is."""
        return self.alarm, self.onset_ms

    @property
    def scope(self) -> str:
        """Its container, empty for the station's own."""
        return container_of(self.device)

    @property
    def order(self) -> tuple[int, int, str, str, str]:
        """By device time; of one millisecond the more urgent first, never by arrival."""
        return self.onset_ms, self.priority, self.device, self.code, self.tag


@dataclass(frozen=True, slots=True)
class Place:
    """Where an occurrence stands in its incident; `lead` is the first-out of one with others.

    `urgency` is the most urgent priority of the incident, `cause` what it is a consequence of.
    """

    group_ms: int
    lead: bool
    urgency: int
    cause: Key | None


def incidents(members: Iterable[Member], limits: Incident) -> list[list[Member]]:
    """Cut the members of one scope into incidents, each in order of device time."""
    gap_ms, longest_ms = limits.gap_s * 1000, limits.longest_s * 1000
    found: list[list[Member]] = []
    for member in sorted(members, key=lambda one: one.order):
        running = found[-1] if found else None
        if (
            running is None
            or member.onset_ms - running[-1].onset_ms > gap_ms
            or member.onset_ms - running[0].onset_ms > longest_ms
        ):
            found.append([member])
        else:
            running.append(member)
    return found


def place_of(within: Within, device: str) -> str:
    """What two devices must share to be as near as a definition asks."""
    match within:
        case Within.DEVICE:
            return device
        case Within.CONTAINER:
            return container_of(device)
        case Within.STATION:
            return ""


Nearby = dict[tuple[str, Within, str], list[Member]]


def by_place(members: Iterable[Member]) -> Nearby:
    """Index members by code and place, each list in order of device time."""
    found: Nearby = {}
    for member in sorted(members, key=lambda one: one.order):
        for within in Within:
            place = place_of(within, member.device)
            found.setdefault((member.code, within, place), []).append(member)
    return found


def arrange(
    scopes: Mapping[str, Sequence[Member]], station: Nearby, definitions: Definitions
) -> dict[Key, Place]:
    """Find the incidents of a station's scopes and the causes of their members.

    Args:
        scopes: by container, "" for the station itself: its occurrences from the beginning of an
            incident on.
        station: all occurrences of the station among which a cause may be, by their places.
        definitions: which alarms join incidents, and what follows from what.
    """
    groups = [
        group
        for members in scopes.values()
        for group in incidents(
            (one for one in members if definitions.find(one.code, one.tag).joins_incidents),
            definitions.incident,
        )
    ]
    longest_ms = round(definitions.incident.longest_s * 1000)
    places: dict[Key, Place] = {}
    for joined in _joined(groups, definitions):
        every = [member for group in joined for member in group]
        first = first_out(every, definitions) if len(every) > 1 else None
        urgency = min(member.priority for member in every)
        for group in joined:
            for member in group:
                cause = _cause_of(member, station, definitions, longest_ms)
                places[member.key] = Place(group[0].onset_ms, member is first, urgency, cause)
    return places


def _joined(
    groups: Sequence[list[Member]], definitions: Definitions
) -> Iterable[list[list[Member]]]:
    """Groups that are one incident: a trip of the whole station takes those around it in."""
    gap_ms = definitions.incident.gap_s * 1000
    own = sorted((one for one in groups if not one[0].scope), key=lambda one: one[0].order)
    rest = [one for one in groups if one[0].scope]
    for group in own:
        times = [one.onset_ms for one in group if definitions.trips_station(one.code, one.tag)]
        taken = [
            other
            for other in rest
            if any(abs(one.onset_ms - at_ms) <= gap_ms for at_ms in times for one in other)
        ]
        yield [group, *taken]
        rest = [other for other in rest if other not in taken] if taken else rest
    for group in rest:
        yield [group]


def tied(one: Member, other: Member) -> bool:
    """Whether the clocks leave open which was first: within a second, one told as a whole one."""
    whole = one.onset_ms % SECOND_MS == 0 or other.onset_ms % SECOND_MS == 0
    return whole and abs(one.onset_ms - other.onset_ms) < SECOND_MS


def first_out(members: Iterable[Member], definitions: Definitions) -> Member | None:
    """Return the first cause among members of an incident; None: none of them is one."""
    causes = sorted(
        (one for one in members if definitions.find(one.code, one.tag).may_be_first),
        key=lambda one: one.order,
    )
    level = [one for one in causes if one is causes[0] or tied(one, causes[0])]
    free = [
        one
        for one in level
        if not any(_explains(other, one, definitions) for other in level if other is not one)
    ]
    return min(free or level, key=lambda one: (one.priority, one.order), default=None)


def _explains(cause: Member, effect: Member, definitions: Definitions) -> bool:
    """Whether the definitions call one alarm a consequence of the other, at their places."""
    return any(
        cause.code in named.codes
        and place_of(named.within, cause.device) == place_of(named.within, effect.device)
        for named in definitions.find(effect.code, effect.tag).causes
    )


def _before(cause: Member, effect: Member, definitions: Definitions) -> bool:
    """Whether a cause came first; in a tie it did, unless each may follow from the other."""
    if cause.order < effect.order:
        return True
    return tied(cause, effect) and not _explains(effect, cause, definitions)


def _cause_of(
    member: Member, nearby: Nearby, definitions: Definitions, longest_ms: int
) -> Key | None:
    """The earliest alarm that explains a member and stood, or had just stood, when it came."""
    best: Member | None = None
    for cause in definitions.find(member.code, member.tag).causes:
        place = place_of(cause.within, member.device)
        for code in cause.codes:
            for other in nearby.get((code, cause.within, place), ()):
                if other.onset_ms >= member.onset_ms + SECOND_MS or (
                    best is not None and other.order >= best.order
                ):
                    break
                if not _before(other, member, definitions):
                    continue
                if other.end_ms is None or member.onset_ms - other.end_ms <= longest_ms:
                    best = other
                    break
    return None if best is None else best.key
