"""Incidents: alarms of one container, or of the station itself, that came close together.

The first by the device's time is the first-out; whatever arrived first does not matter. A member
is marked as a consequence where its definition says that it may follow from an earlier one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cloud.alarms.definitions import Definitions, Incident, Within

_CONTAINER: Final = re.compile(r"^(?P<container>[A-Za-z]+\d+)-")

Key = tuple[int, int]
"""Alarm and onset in ms: one occurrence."""


@lru_cache(maxsize=16_384)
def container_of(device: str) -> str:
    """Container that a device's tag names ("C1" of "C1-R07"); empty for the station's own."""
    found = _CONTAINER.match(device)
    return found["container"] if found else ""


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


def arrange(scope: Sequence[Member], station: Nearby, definitions: Definitions) -> dict[Key, Place]:
    """Find the incidents of one scope and the causes of its members.

    Args:
        scope: occurrences of one container, or of the station itself, from the beginning of an
            incident on.
        station: all occurrences of the station among which a cause may be, by their places.
        definitions: which alarms join incidents, and what follows from what.
    """
    joining = [one for one in scope if definitions.find(one.code, one.tag).joins_incidents]
    longest_ms = round(definitions.incident.longest_s * 1000)
    places: dict[Key, Place] = {}
    for group in incidents(joining, definitions.incident):
        first = group[0]
        urgency = min(member.priority for member in group)
        for member in group:
            places[member.key] = Place(
                first.onset_ms,
                member is first and len(group) > 1,
                urgency,
                _cause_of(member, station, definitions, longest_ms),
            )
    return places


def _cause_of(
    member: Member, nearby: Nearby, definitions: Definitions, longest_ms: int
) -> Key | None:
    """The earliest alarm that explains a member and stood, or had just stood, when it came."""
    best: Member | None = None
    for cause in definitions.find(member.code, member.tag).causes:
        place = place_of(cause.within, member.device)
        for code in cause.codes:
            for other in nearby.get((code, cause.within, place), ()):
                if other.order >= member.order or (best is not None and other.order >= best.order):
                    break
                if other.end_ms is None or member.onset_ms - other.end_ms <= longest_ms:
                    best = other
                    break
    return None if best is None else best.key
