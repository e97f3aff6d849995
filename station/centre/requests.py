"""What the dispatch centre writes: taken whole or refused whole, and forgotten with its link.

Registers 0-6, written in any contiguous part that splits no value of two registers:
heartbeat, enable, active power (2), reactive power (2), mode. Control can be taken only with
an active power that the centre has given since it last came; a request does not survive the
loss of the heartbeat, so that an old set-point never comes back with the link.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from station.centre.port import CentreRequest

HEARTBEAT, ENABLE, POWER, REACTIVE, MODE = 0, 1, 2, 4, 6
SIZE = 7
STEP = 0.1
"""Powers are in steps of 0.1 kW and 0.1 kvar."""
_PAIRS = (POWER, REACTIVE)
_HEARTBEATS = 1 << 16


class Refusal(IntEnum):
    """Why the last write was refused; shown to the centre as a number."""

    NONE = 0
    NO_SUCH_REGISTER = 1
    VALUE_SPLIT = 2
    NOT_A_SWITCH = 3
    POWER_OUT_OF_RANGE = 4
    REACTIVE_OUT_OF_RANGE = 5
    NO_SET_POINT = 6
    NO_HEARTBEAT = 7
    STEP_TOO_LARGE = 8
    COMMAND_TOO_OLD = 9
    NOT_SELECTED = 10
    CLOCK_DIFFERS = 11


REFUSAL_WORDS: dict[Refusal, tuple[str, str]] = {
    Refusal.NONE: ("the last write was taken", "已接受"),
    Refusal.NO_SUCH_REGISTER: ("no such register or point", "寄存器或点号不存在"),
    Refusal.VALUE_SPLIT: ("half of a value of two registers", "双寄存器数值被拆分"),
    Refusal.NOT_A_SWITCH: ("enable and mode are 0 or 1", "投入与方式只能为 0 或 1"),
    Refusal.POWER_OUT_OF_RANGE: ("active power beyond the rating", "有功功率超出额定范围"),
    Refusal.REACTIVE_OUT_OF_RANGE: ("reactive power beyond the rating", "无功功率超出额定范围"),
    Refusal.NO_SET_POINT: ("enabled without an active power", "投入前未给定有功功率"),
    Refusal.NO_HEARTBEAT: ("lost, and the heartbeat does not count on", "心跳丢失且未恢复计数"),
    Refusal.STEP_TOO_LARGE: ("a larger step than is agreed", "设定值步长超出约定"),
    Refusal.COMMAND_TOO_OLD: ("the command's time tag is too old", "命令时标过旧"),
    Refusal.NOT_SELECTED: ("operated without being selected", "未选择即执行"),
    Refusal.CLOCK_DIFFERS: ("the centre's clock is not the station's", "主站对时与站端时钟不符"),
}
"""What the refusals mean, in English and Chinese."""


@dataclass(frozen=True)
class Registers:
    """The centre's seven registers as values; powers in steps of 0.1 kW and 0.1 kvar."""

    heartbeat: int = 0
    enable: int = 0
    power: int = 0
    reactive: int = 0
    mode: int = 0

    def words(self) -> list[int]:
        """Return them as registers, high word first."""
        raw = struct.pack(
            ">HHiiH", self.heartbeat, self.enable, self.power, self.reactive, self.mode
        )
        return list(struct.unpack(f">{SIZE}H", raw))

    @classmethod
    def of(cls, words: Sequence[int]) -> "Registers":
        """Read them from registers."""
        return cls(*struct.unpack(">HHiiH", struct.pack(f">{SIZE}H", *words)))


class Requests:
    """What the centre asks for, and whether it lives. Times are handed in."""

    def __init__(self, rated_kw: float, rated_kvar: float, timeout_s: float, now_s: float) -> None:
        """Start without a request; the centre has `timeout_s` to come.

        Args:
            rated_kw: active powers beyond it are refused.
            rated_kvar: reactive powers beyond it are refused.
            timeout_s: so long without a change of the heartbeat, and the centre is lost.
            now_s: monotonic seconds.
        """
        self.registers = Registers()
        self.refusal = Refusal.NONE
        self._rated = (rated_kw, rated_kvar)
        self._timeout_s = timeout_s
        self._alive_s = now_s
        self._has_power = self._has_reactive = False
        self._written = False
        self._received_ms = 0

    def write(self, address: int, values: Sequence[int], now_s: float, now_ms: int) -> Refusal:
        """Take one write whole, or refuse it whole.

        Args:
            address: of the first register, from 0.
            values: 16-bit registers.
            now_s: monotonic seconds.
            now_ms: epoch milliseconds.
        """
        self.refusal = self._judge(address, values, lost=self.lost(now_s))
        if self.refusal is Refusal.NONE:
            self._take(address, values, now_s, now_ms)
        return self.refusal

    def hear(self, now_s: float) -> None:
        """Count the heartbeat on for a centre whose link itself is its sign of life."""
        self.registers = replace(
            self.registers, heartbeat=(self.registers.heartbeat + 1) % _HEARTBEATS
        )
        self._alive_s = now_s

    @property
    def asked_kw(self) -> float | None:
        """The active power that was asked for last; None before, and after a loss."""
        return self.registers.power * STEP if self._has_power else None

    @property
    def asked_kvar(self) -> float | None:
        """The same of the reactive power."""
        return self.registers.reactive * STEP if self._has_reactive else None

    def _judge(self, address: int, values: Sequence[int], *, lost: bool) -> Refusal:
        end = address + len(values)
        if not 0 <= address < end <= SIZE:
            return Refusal.NO_SUCH_REGISTER
        if any((address <= high < end) != (address <= high + 1 < end) for high in _PAIRS):
            return Refusal.VALUE_SPLIT
        asked = self._with(address, values)
        can_enable = self._has_power or address <= POWER < end
        objections = {
            Refusal.NOT_A_SWITCH: not {asked.enable, asked.mode} <= {0, 1},
            Refusal.POWER_OUT_OF_RANGE: abs(asked.power) * STEP > self._rated[0],
            Refusal.REACTIVE_OUT_OF_RANGE: abs(asked.reactive) * STEP > self._rated[1],
            Refusal.NO_HEARTBEAT: lost and asked.heartbeat == self.registers.heartbeat,
            Refusal.NO_SET_POINT: bool(asked.enable) and not can_enable,
        }
        return next((refusal for refusal, holds in objections.items() if holds), Refusal.NONE)

    def _take(self, address: int, values: Sequence[int], now_s: float, now_ms: int) -> None:
        before, self.registers = self.registers, self._with(address, values)
        self._written = True
        if address <= POWER < address + len(values):
            self._has_power = True
        if address <= REACTIVE < address + len(values):
            self._has_reactive = True
        if self.registers.heartbeat != before.heartbeat:
            self._alive_s = now_s
        if address + len(values) > ENABLE:
            self._received_ms = now_ms

    def _with(self, address: int, values: Sequence[int]) -> Registers:
        words = self.registers.words()
        words[address : address + len(values)] = values
        return Registers.of(words)

    def lost(self, now_s: float) -> bool:
        """Return whether the heartbeat has stayed away too long; the request goes with it."""
        gone = now_s - self._alive_s > self._timeout_s
        if gone and self._written:
            self.registers = Registers(heartbeat=self.registers.heartbeat)
            self._has_power = self._has_reactive = self._written = False
        return gone

    def request(self, now_s: float) -> CentreRequest | None:
        """Return what the centre asks for; None when it has asked nothing or is lost."""
        if self.lost(now_s) or not self._has_power:
            return None
        asked = self.registers
        return CentreRequest(
            enabled=bool(asked.enable),
            power_kw=asked.power * STEP,
            reactive_kvar=asked.reactive * STEP if asked.mode else None,
            received_ms=self._received_ms,
            heartbeat_ms=round((now_s - self._alive_s) * 1000),
        )
