"""A power conversion system (PCS): follows P and Q set-points, loses power, trips.

Discharge is positive. The set-point is followed on a ramp; the DC side gives what the AC side
delivers plus the loss. A tripped converter carries nothing until it is started again.
"""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum

ALARM_DC_OVERVOLTAGE = 1 << 0
ALARM_DC_UNDERVOLTAGE = 1 << 1
ALARM_HEATSINK = 1 << 5
ALARM_TRIP = 1 << 7


class PcsState(IntEnum):
    """Operating state as published (ZINV1.GridModSt)."""

    OFF = 0
    STANDBY = 1
    RUNNING = 2
    DERATED = 3
    FAULT = 4
    MAINTENANCE = 5


class Point(StrEnum):
    """What a client can command."""

    ACTIVE_POWER = "active_power_setpoint_w"
    REACTIVE_POWER = "reactive_power_setpoint_var"
    START = "start"
    STOP = "stop"


class Denial(StrEnum):
    """Why a command is refused."""

    LOCAL = "in local control"
    NOT_A_NUMBER = "not a number"
    RATING = "beyond the rating"
    TRIPPED = "tripped"
    CAUSE_STANDS = "the cause of the trip stands"


@dataclass(frozen=True)
class ConverterParameters:
    """Loss = rated * (fixed + linear*s + square*s^2), s = apparent power / rated.

    The three terms give 98.5 % at full load and a best point of about 98.7 % near half load,
    the course of the published curves of central storage converters. Full power in `ramp_s`:
    grid codes ask for a response within some hundred ms to 2 s; slower ramps would hide
    tracking errors of the controller.
    """

    rated_w: float
    overload: float = 1.1
    loss_fixed: float = 0.003
    loss_linear: float = 0.004
    loss_square: float = 0.008
    standby_w: float = 500.0
    ramp_s: float = 1.0
    dc_window_v: tuple[float, float] = (1000.0, 1515.0)
    dc_derating_v: float = 10.0
    ac_voltage_v: float = 690.0
    heatsink_rise_k: float = 42.0
    heatsink_time_s: float = 180.0
    heatsink_limit_c: float = 95.0


class Converter:
    """State of one converter."""

    def __init__(self, parameters: ConverterParameters, ambient_c: float) -> None:
        self.parameters = parameters
        self.state = PcsState.RUNNING
        self.local = False
        self.alarms = 0
        self.hold_trip = False
        self.interlocked = False
        self.delivers = 1.0
        """Part of its set-point that it can give, without saying so: a scenario's weakness."""
        self.active_setpoint_w = 0.0
        self.reactive_setpoint_var = 0.0
        self.active_w = 0.0
        self.reactive_var = 0.0
        self.heatsink_c = ambient_c

    @property
    def connected(self) -> bool:
        """Whether the breaker is closed and the bridge switches."""
        return self.state in (PcsState.RUNNING, PcsState.DERATED)

    def refusal(self, point: Point, value: float) -> Denial | None:
        """Why a command would be refused now, or None when it would be accepted."""
        power = point in (Point.ACTIVE_POWER, Point.REACTIVE_POWER)
        tripped = self.state is PcsState.FAULT
        if self.local:
            return Denial.LOCAL
        if not math.isfinite(value):
            return Denial.NOT_A_NUMBER
        if power and abs(value) > self.parameters.rated_w:
            return Denial.RATING
        if power and tripped:
            return Denial.TRIPPED
        if point is Point.START and tripped and (self.hold_trip or self.interlocked):
            return Denial.CAUSE_STANDS
        return None

    def command(self, point: Point, value: float) -> None:
        """Carry out an accepted command."""
        match point:
            case Point.ACTIVE_POWER:
                self.active_setpoint_w = value
            case Point.REACTIVE_POWER:
                self.reactive_setpoint_var = value
            case Point.START if value:
                self.alarms = 0
                self.state = PcsState.RUNNING
            case Point.STOP if value and self.state is not PcsState.FAULT:
                self.state = PcsState.STANDBY
            case _:
                pass

    def trip(self, alarm: int) -> None:
        """Open at once; set-points fall to zero."""
        self.state = PcsState.FAULT
        self.alarms |= alarm
        self.active_setpoint_w = self.reactive_setpoint_var = 0.0
        self.active_w = self.reactive_var = 0.0

    def want(self, dc_voltage_v: float, dt_s: float) -> float:
        """Move along the ramp and return the DC power wanted over the next step, in W."""
        if not self.connected:
            self.active_w = self.reactive_var = 0.0
            return 0.0
        p = self.parameters
        reach = p.rated_w / p.ramp_s * dt_s
        target = self.active_setpoint_w * self._derating(dc_voltage_v, self.active_setpoint_w)
        derated = abs(target) < abs(self.active_setpoint_w)
        self.state = PcsState.DERATED if derated else PcsState.RUNNING
        target *= self.delivers
        self.active_w += min(max(target - self.active_w, -reach), reach)
        room = math.sqrt(max((p.overload * p.rated_w) ** 2 - self.active_w**2, 0.0))
        q = min(max(self.reactive_setpoint_var, -room), room)
        self.reactive_var += min(max(q - self.reactive_var, -reach), reach)
        return self.active_w + self.loss_w()

    def settle(
        self, dc_power_w: float, dc_voltage_v: float, ambient_c: float, dt_s: float
    ) -> tuple[float, float]:
        """Take what the bus really gave, warm the heat sink, watch the limits.

        Returns:
            AC power and loss during the step, in W; a trip acts from the next step on.
        """
        p = self.parameters
        loss = self.loss_w()
        delivered = 0.0
        if self.connected:
            self.active_w = delivered = dc_power_w - loss
            if dc_voltage_v <= 0.0:
                self.trip(ALARM_DC_UNDERVOLTAGE)
            elif dc_voltage_v > p.dc_window_v[1]:
                self.trip(ALARM_DC_OVERVOLTAGE)
        full = p.rated_w * (p.loss_fixed + p.loss_linear + p.loss_square)
        target = ambient_c + p.heatsink_rise_k * loss / full
        self.heatsink_c += (target - self.heatsink_c) * -math.expm1(-dt_s / p.heatsink_time_s)
        if self.heatsink_c > p.heatsink_limit_c:
            self.trip(ALARM_HEATSINK)
        return delivered, loss

    def loss_w(self) -> float:
        """Loss at the present power; a converter that does not switch loses nothing on DC."""
        if not self.connected:
            return 0.0
        p = self.parameters
        s = math.hypot(self.active_w, self.reactive_var) / p.rated_w
        return p.rated_w * (p.loss_fixed + p.loss_linear * s + p.loss_square * s * s)

    def standby_w(self) -> float:
        """Consumption of the control supply, drawn from the grid."""
        return self.parameters.standby_w

    def _derating(self, dc_voltage_v: float, power_w: float) -> float:
        low, high = self.parameters.dc_window_v
        room = dc_voltage_v - low if power_w > 0 else high - dc_voltage_v
        return min(max(room / self.parameters.dc_derating_v, 0.0), 1.0)
