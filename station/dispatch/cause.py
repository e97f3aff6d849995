"""Why a converter that accepted a set-point does not deliver it: the most likely cause.

The checks go from what says most to what says least: a converter that is not heard, is in
local control or has tripped needs no further look; a derated one is asked for its reason; only
when nothing speaks does the meter or the converter itself come into question.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from contract.limits import LimitReason
from contract.states import PCS_ALARM_BITS, PCS_STATE
from contract.words import Words

_RUNNING = (2, 3)
_DERATED = 3
_FAULT = 4
_DC_ALARM_BITS = 0b11
_GRID_ALARM_BITS = 0b11000
_HEATSINK_ALARM_BIT = 0b100000
_LIMIT_TOLERANCE = 0.02


@dataclass(frozen=True)
class DeliveryFacts:
    """What is known of a converter that does not deliver; NaN or None: not known.

    Attributes:
        commanded, measured: set-point in force and what is measured, in `unit` (kW or kvar).
        fresh: the converter's data are not stale. meter_fresh: neither are the meter's.
        state, alarms: signals ``pcs_state`` and ``pcs_alarms``.
        remote: it is in remote control. breaker_closed: its AC breaker is closed.
        dc_voltage_v: DC voltage; whether it suits the converter, the converter's alarms say.
        limit_kw: what its racks allow in this direction, positive; limit_reason and
            limit_device: which limit that is.
        closed_racks: racks with closed contactors.
    """

    commanded: float
    measured: float
    unit: str = "kW"
    fresh: bool = True
    meter_fresh: bool = True
    state: int | None = None
    alarms: int = 0
    remote: bool | None = None
    breaker_closed: bool | None = None
    dc_voltage_v: float = math.nan
    limit_kw: float = math.nan
    limit_reason: LimitReason = LimitReason.NONE
    limit_device: str = ""
    closed_racks: int | None = None


def likely_cause(facts: DeliveryFacts) -> Words:
    """Return the most likely cause that a commanded power is not delivered."""
    for check in _CHECKS:
        found = check(facts)
        if found is not None:
            return found
    power = f"{facts.commanded:.1f} {facts.unit}"
    return Words(
        f"the converter accepted {power} and does not follow, with no cause shown; check its "
        "control and its own power limits",
        f"变流器已接受 {power} 但未跟随，未显示原因；请检查其控制与自身功率限值",
    )


def _unheard(facts: DeliveryFacts) -> Words | None:
    if facts.fresh and math.isfinite(facts.measured):
        return None
    return Words(
        "the converter's data are stale: what it delivers is not known; check its connection",
        "变流器数据过期，实际功率未知；请检查通信",
    )


def _local(facts: DeliveryFacts) -> Words | None:
    if facts.remote is not False:
        return None
    return Words("the converter is in local control", "变流器处于就地控制")


def _tripped(facts: DeliveryFacts) -> Words | None:
    if facts.state == _FAULT:
        en, zh = _alarm_words(facts.alarms)
        return Words(f"the converter has tripped{en}", f"变流器已跳闸{zh}")
    grid = _alarm_words(facts.alarms & _GRID_ALARM_BITS)
    if facts.alarms & _GRID_ALARM_BITS:
        return Words(f"the grid is outside the converter's range{grid.en}", f"电网越限{grid.zh}")
    return None


def _not_running(facts: DeliveryFacts) -> Words | None:
    if facts.breaker_closed is False:
        return Words("the converter's AC breaker is open", "变流器交流断路器断开")
    if facts.state is None or facts.state in _RUNNING:
        return None
    for number, en, zh in PCS_STATE:
        if number == facts.state:
            return Words(f"the converter does not run: {en}", f"变流器未运行：{zh}")
    return Words(f"the converter is in an unknown state {facts.state}", "变流器状态未知")


def _no_rack(facts: DeliveryFacts) -> Words | None:
    if facts.closed_racks != 0:
        return None
    return Words("no rack is connected: all contactors are open", "无电池簇接入：接触器全部断开")


def _dc_window(facts: DeliveryFacts) -> Words | None:
    told = facts.alarms & _DC_ALARM_BITS
    if not told:
        return None
    known = math.isfinite(facts.dc_voltage_v)
    volts = f" {facts.dc_voltage_v:.0f} V" if known else ""
    en, zh = _alarm_words(told)
    return Words(
        f"the DC voltage{volts} is outside the converter's range{en}",
        f"直流电压{volts}{' ' if known else ''}越限{zh}",
    )


def _racks(facts: DeliveryFacts) -> Words | None:
    if not abs(facts.commanded) > facts.limit_kw * (1.0 - _LIMIT_TOLERANCE):
        return None
    words, device = facts.limit_reason.words, facts.limit_device
    of, of_zh = (f" of {device}", f"{device} ") if device else ("", "")
    return Words(
        f"the battery allows {facts.limit_kw:.1f} kW: {words.en}{of}",
        f"电池侧仅允许 {facts.limit_kw:.1f} kW：{of_zh}{words.zh}",
    )


def _derated(facts: DeliveryFacts) -> Words | None:
    hot = bool(facts.alarms & _HEATSINK_ALARM_BIT)
    if not hot and facts.state != _DERATED:
        return None
    if hot:
        return Words("the converter derates: heat sink too warm", "变流器降额：散热器过温")
    en, zh = _alarm_words(facts.alarms)
    return Words(f"the converter derates itself{en}", f"变流器自行降额{zh}")


def _meter(facts: DeliveryFacts) -> Words | None:
    if facts.meter_fresh:
        return None
    return Words(
        "the meter's data are stale: delivery at the meter cannot be confirmed",
        "电表数据过期，无法确认并网点功率",
    )


_CHECKS: tuple[Callable[[DeliveryFacts], Words | None], ...] = (
    _unheard,
    _local,
    _tripped,
    _not_running,
    _no_rack,
    _dc_window,
    _racks,
    _derated,
    _meter,
)


def _alarm_words(alarms: int) -> Words:
    told = [(en, zh) for bit, en, zh in PCS_ALARM_BITS if alarms >> bit & 1]
    if not told:
        return Words("", "")
    en = ", ".join(en for en, _ in told)
    zh = "、".join(zh for _, zh in told)
    return Words(f": {en}", f"：{zh}")
