"""First-out: which trip came first, by the clocks of the devices and not by arrival.

An incident begins with a trip and ends when no trip stands or is latched. A cause whose
device time lies before that of the one told first takes its place, and this is said. Device
clocks that are wrong by more than the window are not believed: such a cause counts from when
it arrived.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from contract.words import Words
from station.protection.levels import Level
from station.protection.verdict import Cause, Finding, FirstOut, Moment


@dataclass(frozen=True)
class Incident:
    """A running incident: when it began (station time), and its causes by device time."""

    begun_ms: int
    causes: tuple[Cause, ...]
    corrected: bool = False

    @property
    def first_out(self) -> FirstOut:
        """The first cause and the sequence so far."""
        first = self.causes[0]
        return FirstOut(
            *(first.rule, first.device, first.at_ms, first.words),
            sequence=self.causes,
            corrected=self.corrected,
        )


def follow_incident(
    incident: Incident | None, findings: Iterable[Finding], window_s: float, now_ms: int
) -> tuple[Incident | None, tuple[Moment, ...]]:
    """Return the incident with this cycle's trips, and what is to be told of its first cause."""
    trips = [f for f in findings if f.level is Level.TRIP]
    if not trips:
        return None, ()
    known = () if incident is None else incident.causes
    told = {(c.rule, c.device) for c in known}
    begun_ms = now_ms if incident is None else incident.begun_ms
    added = [
        Cause(f.rule, f.device, _believed_ms(f, begun_ms, window_s, now_ms), f.words)
        for f in trips
        if (f.rule, f.device) not in told
    ]
    if not added and incident is not None:
        return incident, ()
    causes = tuple(sorted((*known, *added), key=lambda c: c.at_ms))
    overtaken = bool(known) and causes[0] != known[0]
    before = False if incident is None else incident.corrected
    followed = Incident(begun_ms, causes, corrected=before or overtaken)
    if not known:
        return followed, (_moment(causes[0], causes[0].words),)
    return followed, (_correction(causes[0], known[0]),) if overtaken else ()


def _believed_ms(finding: Finding, begun_ms: int, window_s: float, now_ms: int) -> int:
    window_ms = round(window_s * 1000)
    earliest, latest = begun_ms - window_ms, now_ms + window_ms
    return finding.since_ms if earliest <= finding.since_ms <= latest else now_ms


def _correction(first: Cause, before: Cause) -> Moment:
    earlier_s = (before.at_ms - first.at_ms) / 1000
    words = Words(
        f"{first.words.en}; corrected: by device time {earlier_s:.1f} s before "
        f"{before.words.en} at {before.device}",
        f"{first.words.zh}；更正：按设备时间比 {before.device} 的 {before.words.zh} "
        f"早 {earlier_s:.1f} 秒",
    )
    return _moment(first, words)


def _moment(first: Cause, words: Words) -> Moment:
    return Moment("protection.first_out", first.device, first.at_ms, words, tag=first.rule)
