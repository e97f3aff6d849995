"""Why a command was probably not carried out: what the picture of the moment says of its device.

The first rule that fits gives the cause, the nearest to the wire first: silence, then the switch
at the cabinet, then the converter's own state and alarms, then who limits it. It is a help for
the person who looks, not a finding; the device's own words are kept beside it.
"""

from contract.layouts import PCS
from contract.limits import LimitReason
from contract.states import PCS_ALARM_BITS
from contract.words import Words
from station.dispatch.commands import Command
from station.image import Image, PointRow
from station.plant import PcsState

_SILENT = Words(
    "no fresh data from the device: check its line and supply", "设备无新数据：检查通信与电源"
)
_NOT_TAKEN = Words(
    "the device did not take it: interlock, operating mode or control channel",
    "设备未接受：联锁、运行方式或控制通道",
)
_LOCAL = Words("the device is switched to local control", "设备处于就地控制")
_UNKNOWN = Words(
    "not visible in the data: see the device's own log", "数据中看不出原因：查看设备日志"
)
_STATES = {
    PcsState.OFF: Words("the converter is off", "变流器停机"),
    PcsState.STANDBY: Words("the converter is in standby", "变流器待机"),
    PcsState.FAULT: Words("the converter is in fault", "变流器故障"),
    PcsState.MAINTENANCE: Words("the converter is in maintenance", "变流器检修"),
    PcsState.DERATED: Words("the converter derates itself", "变流器自行降额"),
}


def likely_cause(command: Command, image: Image, limit: LimitReason = LimitReason.NONE) -> Words:
    """Return the likely cause of a failed command, in both languages.

    Args:
        command: one that has failed.
        image: the picture of the moment.
        limit: what limits the converter now, on the side of the command.
    """
    row = image.get(command.device, PCS.name)
    if command.device in image.stale_devices():
        return _SILENT
    if row is not None and (found := _of_converter(row)) is not None:
        return found
    if limit is not LimitReason.NONE:
        en, zh = limit.words
        return Words(f"limited meanwhile: {en}", f"期间受限：{zh}")
    return _UNKNOWN if command.accepted_ms else _NOT_TAKEN


def _of_converter(row: PointRow) -> Words | None:
    """Return what a converter says of itself, None when it runs as it should."""
    if row.integer("remote_control") == 0:
        return _LOCAL
    alarms = row.integer("pcs_alarms") or 0
    named = [Words(en, zh) for bit, en, zh in PCS_ALARM_BITS if alarms >> bit & 1]
    number = row.integer("pcs_state")
    state = _STATES.get(PcsState(number)) if number in set(PcsState) else None
    if state is None and not named:
        return None
    parts = [*([state] if state else []), *named]
    return Words("; ".join(p.en for p in parts), "；".join(p.zh for p in parts))
