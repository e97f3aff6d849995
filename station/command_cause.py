"""Why a command was probably not carried out: the facts of the moment, judged by dispatch's rules.

It is a help for the person who looks, not a finding; the device's own words are kept beside it.
"""

import math

from contract.layouts import METER, PCS
from contract.limits import LimitReason
from contract.words import Words
from station.config import Role, StationConfig
from station.control.plan import Plan
from station.dispatch.cause import DeliveryFacts, likely_cause
from station.dispatch.commands import MEASURED_POINTS, SETPOINT, Command
from station.image import Image, PointRow

_SILENT = Words(
    "no fresh data from the device: check its line and supply", "设备无新数据：检查通信与电源"
)
_NOT_TAKEN = Words(
    "the device did not take it: interlock, operating mode or control channel",
    "设备未接受：联锁、运行方式或控制通道",
)
_UNKNOWN = Words(
    "not visible in the data: see the device's own log", "数据中看不出原因：查看设备日志"
)
_NO_LIMIT = math.nan, LimitReason.NONE, ""


def cause_of(command: Command, image: Image, config: StationConfig, plan: Plan | None) -> Words:
    """Return the likely cause of a command that failed or is not delivered.

    Args:
        command: what was asked.
        image: the picture of the moment.
        config: which device is the meter.
        plan: limits and racks of this second, None before the first.
    """
    row = image.get(command.device, PCS.name)
    if command.point in MEASURED_POINTS and row is not None:
        return likely_cause(_facts(command, row, image, config, plan))
    if command.device in image.stale_devices():
        return _SILENT
    return _UNKNOWN if command.accepted_ms else _NOT_TAKEN


def _facts(
    command: Command, row: PointRow, image: Image, config: StationConfig, plan: Plan | None
) -> DeliveryFacts:
    meters = config.with_role(Role.METER)
    meter = image.get(meters[0].tag, METER.name) if meters else None
    active = command.point == SETPOINT
    limit_kw, reason, device = _limit(command, plan) if active else _NO_LIMIT
    return DeliveryFacts(
        commanded=command.value,
        measured=row.number("active_power_kw" if active else "reactive_power_kvar"),
        unit=command.unit,
        fresh=not row.stale,
        meter_fresh=meter is None or not meter.stale,
        state=row.integer("pcs_state"),
        alarms=row.integer("pcs_alarms") or 0,
        remote=_flag(row, "remote_control"),
        breaker_closed=_flag(row, "breaker_closed"),
        dc_voltage_v=row.number("dc_voltage_v"),
        limit_kw=limit_kw,
        limit_reason=reason,
        limit_device=device,
        closed_racks=_closed(command.device, plan),
    )


def _flag(row: PointRow, signal: str) -> bool | None:
    value = row.integer(signal)
    return None if value is None else bool(value)


def _limit(command: Command, plan: Plan | None) -> tuple[float, LimitReason, str]:
    """Return what the converter may do in the direction of the command, and why not more."""
    limits = None if plan is None else plan.limits.converters.get(command.device)
    if limits is None:
        return _NO_LIMIT
    bound = limits.discharge if command.value >= 0 else limits.charge
    return bound.kw, bound.reason, bound.device


def _closed(converter: str, plan: Plan | None) -> int | None:
    for container in () if plan is None else plan.plant.containers:
        if container.converter.device == converter:
            return sum(rack.contactor_closed is not False for rack in container.racks)
    return None
