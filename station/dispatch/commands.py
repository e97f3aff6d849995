"""Every set-point is a command with a life: issued, accepted, delivered, or failed and why.

* *issued*: handed to the driver. One command per converter is in flight at a time.
* *accepted*: the device confirmed it. *failed*: it refused, or gave no answer in time.
* *delivered*: the converter's own measurement shows the power, within tolerance.
* *superseded*: a newer set-point was accepted before this one was seen delivered.
* "Commanded but not delivered": the measurement has missed every set-point in force for
  longer than allowed; the command of the moment fails and an alarm is raised. A stream of new
  set-points does not restart that clock, only a measurement that fits does.

An unchanged set-point is repeated at the refresh period; a change within the dead band is
not sent, unless a limit has become tighter than what is in force.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from contract.signals import SIGNALS

SETPOINT = "active_power_setpoint_kw"
REACTIVE = "reactive_power_setpoint_kvar"
MEASURED_POINTS = frozenset({SETPOINT, REACTIVE})
"""Points whose delivery a measurement shows."""

ACTIVE_KW = SIGNALS[SETPOINT].scale / 2
"""Half the resolution of a set-point; less than this is no power."""

RETRY_PAUSE_MS = 2000
"""A device that refused or stayed silent is asked again after this time."""


class CommandState(StrEnum):
    """Where in its life a command is."""

    ISSUED = "issued"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Command:
    """One command and its life so far; times are epoch ms, 0 when not reached.

    Attributes:
        id: unique.
        device, point, value: what is written where, value in the point's unit.
        requester: the order (or ``safe_state``) that asked for it.
        bound_by: the limit that bit, in words; empty when none did.
        reason: why it failed; empty otherwise.
        source: name of the source of power that decided, in small letters; empty when it was
            none (a start, a stop, a protective action names its rule in `requester`).
    """

    id: str
    device: str
    point: str
    value: float
    requester: str
    bound_by: str
    issued_ms: int
    state: CommandState = CommandState.ISSUED
    accepted_ms: int = 0
    settled_ms: int = 0
    reason: str = ""
    source: str = ""

    @property
    def unit(self) -> str:
        """Unit of the power that a set-point asks for; the point's name ends with it."""
        return "kvar" if self.point.endswith("_kvar") else "kW"


@dataclass(frozen=True)
class DeliveryRules:
    """When a set-point of one converter is sent again and when it counts as delivered.

    Attributes:
        dead_band_kw: smaller changes are not sent.
        refresh_ms: an unchanged set-point is repeated after this time.
        tolerance_kw: a measurement this close to the set-point means delivered.
        deliver_within_ms: longer without a fitting measurement is a failure.
    """

    dead_band_kw: float
    refresh_ms: int
    tolerance_kw: float
    deliver_within_ms: int


@dataclass
class ConverterCommands:
    """The commands of one converter: at most one in flight, one in force."""

    rules: DeliveryRules
    in_flight: Command | None = None
    in_force: Command | None = None
    before: Command | None = None
    missed_since_ms: int | None = None
    undelivered: bool = False
    failed_ms: int = 0

    def wants(self, value: float, limit_kw: float, now_ms: int) -> bool:
        """Whether a set-point has to be sent now.

        Args:
            value: the set-point of this cycle, kW.
            limit_kw: magnitude that the converter may not pass in the direction in force.
            now_ms: time of the cycle.
        """
        if self.in_flight is not None or now_ms - self.failed_ms < RETRY_PAUSE_MS:
            return False
        last = self.in_force
        if last is None or now_ms - last.issued_ms >= self.rules.refresh_ms:
            return True
        if abs(last.value) > limit_kw and value != last.value:
            return True
        return abs(value - last.value) > self.rules.dead_band_kw

    def issue(self, command: Command) -> None:
        """Note that a command is on its way."""
        self.in_flight = command

    def accept(self, at_ms: int) -> list[Command]:
        """The device confirmed; return the commands whose state changed."""
        if self.in_flight is None:
            return []
        accepted = replace(self.in_flight, state=CommandState.ACCEPTED, accepted_ms=at_ms)
        changed = [accepted]
        if self.in_force is not None and self.in_force.state is CommandState.ACCEPTED:
            changed.append(replace(self.in_force, state=CommandState.SUPERSEDED, settled_ms=at_ms))
        self.before, self.in_force, self.in_flight = self.in_force, accepted, None
        return changed

    def fail(self, at_ms: int, reason: str) -> list[Command]:
        """The device refused or stayed silent; return the commands whose state changed."""
        if self.in_flight is None:
            return []
        failed = replace(self.in_flight, state=CommandState.FAILED, settled_ms=at_ms, reason=reason)
        self.in_flight, self.failed_ms = None, at_ms
        # What the device follows after a silence is not known, so the next cycle sends anew.
        self.before, self.in_force = self.in_force, None
        return [failed]

    def stop(self, at_ms: int) -> list[Command]:
        """The converter runs no more: it follows nothing, and what it had to deliver has failed.

        Returns the commands whose state changed.
        """
        current = self.in_force
        self.before = self.in_force = None
        self.missed_since_ms, self.undelivered = None, False
        if current is None or current.state is not CommandState.ACCEPTED:
            return []
        reason = "the converter stopped before it was delivered"
        return [replace(current, state=CommandState.FAILED, settled_ms=at_ms, reason=reason)]

    def observe(self, measured_kw: float, measured_ms: int, now_ms: int) -> list[Command]:
        """Compare a measurement with what is in force; return commands whose state changed.

        Args:
            measured_kw: active power of the converter, NaN when not known.
            measured_ms: device time of the measurement.
            now_ms: time of the cycle.
        """
        current = self.in_force
        if current is None:
            return []
        tolerance = self.rules.tolerance_kw
        if abs(measured_kw - current.value) <= tolerance:
            if measured_ms < current.accepted_ms:  # it says neither that it was, nor that not
                return []
            self.missed_since_ms, self.undelivered = None, False
            if current.state is not CommandState.ACCEPTED:
                return []
            self.in_force = replace(current, state=CommandState.DELIVERED, settled_ms=now_ms)
            return [self.in_force]
        if self.before is not None and abs(measured_kw - self.before.value) <= tolerance:
            young = now_ms - current.accepted_ms < self.rules.deliver_within_ms
            if young and self.missed_since_ms is None:
                return []
        if self.missed_since_ms is None:
            waiting = current.state is CommandState.ACCEPTED
            self.missed_since_ms = current.accepted_ms if waiting else now_ms
        return self._overdue(current, measured_kw, now_ms)

    def _overdue(self, current: Command, measured_kw: float, now_ms: int) -> list[Command]:
        missed_ms = now_ms - (self.missed_since_ms or now_ms)
        if missed_ms < self.rules.deliver_within_ms:
            return []
        self.undelivered = True
        if current.state is not CommandState.ACCEPTED:
            return []
        known = math.isfinite(measured_kw)
        measured = f"{measured_kw:.1f} {current.unit} measured" if known else "nothing measured"
        reason = (
            f"not delivered: {measured}, {current.value:.1f} {current.unit} commanded, "
            f"for {missed_ms / 1000:.0f} s"
        )
        self.in_force = replace(
            current, state=CommandState.FAILED, settled_ms=now_ms, reason=reason
        )
        return [self.in_force]
