"""What a dispatch centre commands over IEC 60870-5-104, judged like what it writes over Modbus.

A command is a write to the request of `station.centre.requests`, after the checks that a point
list adds: the range of the point, the step, the age of the command's time tag.
"""

import math
from typing import NamedTuple

from station.centre import requests
from station.centre.requests import STEP, Refusal, Requests
from station.iec104.point_list import Command, ControlPoint, PointList

_HEARTBEATS = 1 << 16
_REGISTERS = {
    Command.HEARTBEAT: requests.HEARTBEAT,
    Command.ENABLE: requests.ENABLE,
    Command.POWER: requests.POWER,
    Command.REACTIVE: requests.REACTIVE,
    Command.REACTIVE_ENABLE: requests.MODE,
}
_BEYOND = {
    Command.POWER: Refusal.POWER_OUT_OF_RANGE,
    Command.REACTIVE: Refusal.REACTIVE_OUT_OF_RANGE,
}
_LARGEST = 0x7FFF_FFFF


class Measured(NamedTuple):
    """What the meter shows, kW and kvar; NaN where it is not known."""

    power_kw: float
    reactive_kvar: float


class CommandJudge:
    """Takes or refuses commands of one point list."""

    def __init__(self, points: PointList, taken: Requests) -> None:
        """Judge by this list, and keep what is taken in this request."""
        self._points = points
        self._controls = points.controls
        self._taken = taken

    def judge(
        self,
        ioa: int,
        transmitted: float,
        tag_ms: int | None,
        *,
        now_s: float,
        now_ms: int,
        measured: Measured,
    ) -> Refusal:
        """Take one command, or refuse it whole.

        Args:
            ioa: address of the command.
            transmitted: its value as it travelled.
            tag_ms: the command's time tag, epoch ms; None without.
            now_s: monotonic seconds.
            now_ms: epoch milliseconds.
            measured: powers at the meter, from which a first step is counted.
        """
        point = self._controls.get(ioa)
        refusal = (
            Refusal.NO_SUCH_REGISTER
            if point is None
            else self._objection(point, transmitted * point.scale, tag_ms, now_ms, measured)
        )
        if point is None or refusal is not Refusal.NONE:
            self._taken.refusal = refusal
            return refusal
        words = _words(point.signal, transmitted * point.scale)
        return self._taken.write(_REGISTERS[point.signal], words, now_s, now_ms)

    def _objection(
        self,
        point: ControlPoint,
        value: float,
        tag_ms: int | None,
        now_ms: int,
        measured: Measured,
    ) -> Refusal:
        if tag_ms is not None and abs(now_ms - tag_ms) > self._points.command_max_age_s * 1000:
            return Refusal.COMMAND_TOO_OLD
        if point.signal not in _BEYOND:
            return Refusal.NONE if math.isfinite(value) else Refusal.NOT_A_SWITCH
        low = -math.inf if point.low is None else point.low
        high = math.inf if point.high is None else point.high
        if not (math.isfinite(value) and low <= value <= high) or abs(value / STEP) > _LARGEST:
            return _BEYOND[point.signal]
        before = self._before(point.signal, measured)
        if point.max_step is not None and abs(value - before) > point.max_step:
            return Refusal.STEP_TOO_LARGE
        return Refusal.NONE

    def _before(self, command: Command, measured: Measured) -> float:
        """Return from where a step is counted; from 0 where nothing is known."""
        if command is Command.REACTIVE:
            asked, found = self._taken.asked_kvar, measured.reactive_kvar
        else:
            asked, found = self._taken.asked_kw, measured.power_kw
        if asked is not None:
            return asked
        return found if math.isfinite(found) else 0.0


def _words(command: Command, value: float) -> list[int]:
    """Return the registers that hold a command's value."""
    if command in _BEYOND:
        steps = round(value / STEP) & 0xFFFF_FFFF
        return [steps >> 16, steps & 0xFFFF]
    return [round(value) % _HEARTBEATS]
