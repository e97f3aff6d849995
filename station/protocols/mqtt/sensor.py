"""One sensor: what it has told of each signal, and for how long that still counts.

Every value ages by itself, from the sensor's own time where it tells one, else from its arrival.
A message that the broker has kept (retained) may be of any age: without the sensor's own time it
shows nothing. One that is older by the sensor's own time than what is known changes nothing: it
was kept, or came twice. Times are handed in.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from contract.frame import Quality
from station.protocols.driver import DeviceSpec, Reading
from station.protocols.mqtt.payload import NotTold, body_of, find, time_ms_of, value_of
from station.protocols.mqtt.profile import MqttProfile, SignalSource

_PLACE = "{topic}"


@dataclass(frozen=True)
class _Told:
    """A value as it was told.

    Attributes:
        measured_ms: when, by the sensor's own time where it tells one.
        until_ms: when it stops counting.
    """

    raw: float
    quality: Quality
    measured_ms: float
    until_ms: float


class Sensor:
    """The state of one sensor.

    Attributes:
        spec: which device it is.
        profile: how it speaks.
        topics: everything that it speaks under.
        offline: somebody has told that it is not there.
    """

    def __init__(self, spec: DeviceSpec, profile: MqttProfile) -> None:
        """Start without knowing anything."""
        self.spec = spec
        self.profile = profile
        self.offline = False
        self._sources: dict[str, list[SignalSource]] = {}
        for source in profile.signals:
            self._sources.setdefault(self._topic(source.topic), []).append(source)
        available = profile.availability
        self._availability = "" if available is None else self._topic(available.topic)
        self.topics = frozenset({*self._sources, self._availability} - {""})
        self._told: dict[str, _Told] = {}

    def _topic(self, pattern: str) -> str:
        return pattern.replace(_PLACE, self.spec.topic)

    def hear(self, topic: str, payload: bytes, now_ms: int, *, retained: bool) -> bool:
        """Take a message; return whether it told something that counts.

        Args:
            topic: under which it came.
            payload: its bytes.
            now_ms: when it came, epoch ms.
            retained: the broker had kept it.
        """
        try:
            body = body_of(payload)
        except NotTold:
            return False
        if topic == self._availability:
            self._note_availability(body)
        found = False
        for source in self._sources.get(topic, ()):
            told = self._read(body, source, now_ms, retained=retained)
            if told is not None:
                self._told[source.signal] = told
                found = True
        self.offline = self.offline and not found
        return found

    def _note_availability(self, body: Any) -> None:
        place = self.profile.availability
        if place is None:
            return
        try:
            word = str(find(body, place.path))
        except NotTold:
            return
        if word in {place.online, place.offline}:
            self.offline = word == place.offline

    def _read(
        self, body: Any, source: SignalSource, now_ms: int, *, retained: bool
    ) -> _Told | None:
        """Return what a message tells of one signal, None when nothing that counts."""
        place = self.profile.time
        at_ms = time_ms_of(body, place)
        if at_ms is None and retained:
            return None
        measured_ms = now_ms if at_ms is None else min(at_ms, now_ms)
        until_ms = measured_ms + 1000 * (source.stale_s or self.profile.stale_s)
        known = self._told.get(source.signal)
        overtaken = at_ms is not None and known is not None and measured_ms < known.measured_ms
        if until_ms <= now_ms or overtaken:
            return None
        try:
            told = find(body, source.path)
        except NotTold:
            return None
        columns = self.profile.columns
        signal = columns.columns[columns.column(source.signal)].signal
        raw, quality = value_of(told, source, signal)
        ahead = place is not None and at_ms is not None and at_ms - now_ms > place.max_lead_s * 1000
        if ahead and quality is Quality.GOOD:
            quality = Quality.QUESTIONABLE
        return _Told(raw, quality, measured_ms, until_ms)

    def lives(self, now_ms: int) -> bool:
        """Whether anything that it has told still counts."""
        return not self.offline and any(told.until_ms > now_ms for told in self._told.values())

    def ends_ms(self) -> float:
        """When the last of its values stops counting; 0 when none ever counted."""
        return max((told.until_ms for told in self._told.values()), default=0.0)

    def reading(self, now_ms: int) -> Reading:
        """Return the sensor's picture; what it does not tell, or no longer, is missing."""
        layout = self.profile.columns
        values, quality = [], np.zeros(layout.width, np.uint8)
        for number, column in enumerate(layout.columns):
            told = self._told.get(column.signal.name)
            counts = told is not None and told.until_ms > now_ms
            raw = told.raw if told is not None and counts else 0.0
            quality[number] = told.quality if told is not None and counts else Quality.MISSING
            values.append(np.array([raw], dtype=column.signal.dtype))
        return Reading(self.spec.device, layout.name, now_ms, now_ms, tuple(values), quality)
