"""What the controller watches beside the devices: itself, its link, its queue, its drivers."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from contract.words import Words
from station.alarms import (
    AlarmBook,
    Condition,
    device_conditions,
    limit_condition,
    plain,
    plain_words,
)
from station.clock import now_ms
from station.control.cycle import CycleResult
from station.devices import Devices
from station.dispatch.control_mode import ControlMode
from station.executor import CommandExecutor
from station.fast_clock import Cadence
from station.fast_loop import FastLoop
from station.image import Image, is_estimate
from station.protection_alarms import verdict_conditions
from station.station_row import DEVICE, StationFacts
from station.telemetry import Telemetry
from station.uplink.link import CloudLink

PASSING_MS = 60_000
"""Something that happened once is shown as an alarm for this long."""

QUEUE_FILLING_BATCHES = 60
_CENTRE = "dispatch centre"
"""What the restarts of the process of its port are told under."""
LINK_PATIENCE_MS = 10_000
FIRST_WORD_MS = 60_000
"""A device that was never heard is not silent yet: its driver's process starts beside all others;
on two busy cores twenty racks were first heard after fifteen seconds."""

_ALARM_BITS = {
    "control.not_delivered": 0,
    "schedule.missing": 1,
    "device.stale": 2,
    "device.lost": 2,
    "link.down": 3,
    "queue.filling": 4,
    "order.refused": 5,
    "driver.restarted": 6,
    "protection.stop": 7,
    "protection.trip": 7,
    "protection.latched": 7,
    "control.emergency_stop": 7,
    "clock.unsynchronised": 8,
}
"""Bit of the signal ``station_alarms`` by event code."""


class Watch:
    """Collects the conditions of the moment."""

    def __init__(
        self,
        devices: Devices,
        executor: CommandExecutor,
        telemetry: Telemetry,
        link: CloudLink,
        alarms: AlarmBook,
    ) -> None:
        """Watch these parts."""
        self._devices = devices
        self._executor = executor
        self._telemetry = telemetry
        self._link = link
        self._alarms = alarms
        self._begun_ms = now_ms()
        self._first_word_ms: dict[str, int] = {}
        self._restarts: Counter[str] = Counter()
        self._missed = 0
        self._fast_missed = 0
        self.centre_lost = False
        self.centre_restarts = 0

    def conditions(self, image: Image, result: CycleResult) -> Iterator[Condition]:
        """Yield everything that is worth telling people at this moment."""
        yield from device_conditions(image, self._devices.disconnected())
        yield from self._executor.conditions()
        yield from verdict_conditions(result.verdict, result.at_ms, self._heard(image))
        limits = result.plan.limits
        yield from limit_condition("charge", limits.charge, result.at_ms)
        yield from limit_condition("discharge", limits.discharge, result.at_ms)
        if self.centre_lost:
            yield Condition("dispatch.agc_lost", DEVICE, result.at_ms)
        if result.step.outcome.decision.shift_kw:
            yield Condition("dispatch.frequency_response", DEVICE, result.at_ms)
        if result.mode is ControlMode.SAFE_STATE:
            yield Condition("control.safe_state", DEVICE, result.at_ms)
        if result.step.outcome.alone:
            yield Condition("schedule.missing", DEVICE, result.at_ms)
        if not self._link.is_up and result.at_ms - self._begun_ms > LINK_PATIENCE_MS:
            yield Condition("link.down", DEVICE, result.at_ms)
        if self._telemetry.sender.backlog > QUEUE_FILLING_BATCHES:
            yield Condition("queue.filling", DEVICE, result.at_ms)

    def _heard(self, image: Image) -> Mapping[str, int] | None:
        """Return when devices have spoken first, as long as others may still be on their way."""
        if image.at_ms - self._begun_ms >= FIRST_WORD_MS:
            return None
        for row in image:
            if not is_estimate(row.layout.name):
                self._first_word_ms.setdefault(row.sample.device, image.at_ms)
        return self._first_word_ms

    def note_happenings(self, now_ms: int, missed_cycles: int, fast: Cadence) -> None:
        """Look for what happened since the last cycle: replaced drivers, missed deadlines."""
        if fast.missed > self._fast_missed:
            self._fast_missed = fast.missed
            gap_ms, limit_ms = round(fast.take_longest_gap_ms(), 1), round(fast.deadline_ms, 1)
            condition = Condition(
                "control.fast_overrun", DEVICE, now_ms, value=gap_ms, limit=limit_ms
            )
            self._alarms.raise_for(condition, now_ms + PASSING_MS)
        restarts = {**self._devices.restarts, _CENTRE: self.centre_restarts}
        for driver, count in restarts.items():
            if count > self._restarts[driver]:
                self._restarts[driver] = count
                condition = Condition("driver.restarted", DEVICE, now_ms, driver, plain(driver))
                self._alarms.raise_for(condition, now_ms + PASSING_MS)
        if missed_cycles > self._missed:
            self._missed = missed_cycles
            condition = Condition("control.cycle_overrun", DEVICE, now_ms)
            self._alarms.raise_for(condition, now_ms + PASSING_MS)

    def order_refused(self, code: str, reason: str) -> None:
        """Tell that an order was refused."""
        at_ms = now_ms()
        condition = Condition("order.refused", DEVICE, at_ms, f"{code}.{at_ms}", plain(reason))
        self._alarms.raise_for(condition, at_ms + PASSING_MS)

    def order_failed(self, words: Words) -> None:
        """Tell that an accepted order was not carried out."""
        at_ms = now_ms()
        condition = Condition("order.failed", DEVICE, at_ms, str(at_ms), plain_words(words))
        self._alarms.raise_for(condition, at_ms + PASSING_MS)

    def centre_refused(self, name: str, words: Words) -> None:
        """Tell that something the dispatch centre wanted was refused."""
        at_ms = now_ms()
        condition = Condition("dispatch.centre_refused", DEVICE, at_ms, name, plain_words(words))
        self._alarms.raise_for(condition, at_ms + PASSING_MS)

    def batch_quarantined(self, reason: str) -> None:
        """Tell that the cloud refused a batch for good."""
        at_ms = now_ms()
        condition = Condition("queue.quarantined", DEVICE, at_ms, reason, plain(reason))
        self._alarms.raise_for(condition, at_ms + PASSING_MS)

    def facts(self, image: Image, cycle_ms: float, agc_kw: float, fast: FastLoop) -> StationFacts:
        """Return what the station's own rows say of its parts."""
        p99_ms = fast.cadence.jitter.quantile_ms(0.99)
        codes = self._alarms.active
        bits = {bit for code, bit in _ALARM_BITS.items() if code in codes}
        return StationFacts(
            link_up=self._link.is_up,
            queued_batches=self._telemetry.sender.backlog,
            cycle_ms=cycle_ms,
            devices_stale=len(image.stale_devices() | set(self._devices.disconnected())),
            alarm_bits=sum(1 << bit for bit in bits),
            agc_kw=agc_kw,
            fast_loop_p99_ms=math.nan if p99_ms is None else p99_ms,
            fast_loop_missed=fast.cadence.missed,
        )
