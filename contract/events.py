"""Alarm and state-change events: what happened, where, when by the device's own clock.

An event is one edge of a condition: `active` true when it appears, false when it clears. Its
code is from the catalogue; the text is fixed at the station in both languages, so that an old
event reads the same for ever.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from contract.errors import EventError
from contract.words import Words

MAX_EVENTS = 10_000
MAX_EVENTS_BYTES = 4 << 20
_MAX_TEXT = 500
_MAX_NAME = 64


class Severity(IntEnum):
    """How much an operator must care, after ISA-18.2 priorities; 4 is the most urgent."""

    INFORMATION = 1
    WARNING = 2
    ALARM = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class EventKind:
    """A catalogued event: its severity and its text in both languages."""

    severity: Severity
    words: Words


@dataclass(frozen=True, slots=True)
class Event:
    """One edge of a condition. `value` and `limit` are in the unit of the signal concerned.

    `tag` tells apart several conditions of one code at one device (a bit of an alarm word, the
    rule of a protection); code, device and tag together are the identity of a condition.
    """

    id: str
    station: str
    device: str
    code: str
    severity: int
    active: bool
    at_ms: int
    text_en: str
    text_zh: str
    value: float | None = None
    limit: float | None = None
    tag: str = ""

    def __post_init__(self) -> None:
        """Refuse what no reader could show or store."""
        _check(self)

    def text(self, language: str) -> str:
        """Return the text for a language tag: Chinese for "zh..." and English for others."""
        return Words(self.text_en, self.text_zh).text(language)


def make(
    code: str,
    *,
    id: str,  # noqa: A002 - the field's name
    station: str,
    device: str,
    active: bool,
    at_ms: int,
    value: float | None = None,
    limit: float | None = None,
    detail: Words | None = None,
    tag: str = "",
) -> Event:
    """Build an event of a catalogued code; `detail` is added to the text after a colon."""
    if code not in EVENT_CODES:
        msg = f"event code {code!r} is not in the catalogue; it has {sorted(EVENT_CODES)}"
        raise EventError(msg)
    kind = EVENT_CODES[code]
    en, zh = kind.words
    if detail is not None:
        en, zh = f"{en}: {detail.en}", f"{zh}:{detail.zh}"
    return Event(
        *(id, station, device, code, int(kind.severity), active, at_ms),
        *(en, zh, value, limit, tag),
    )


def to_json(events: Sequence[Event]) -> bytes:
    """Return a list of events as UTF-8 JSON, the plaintext of an EVENTS envelope."""
    return json.dumps(
        [asdict(e) for e in events], ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def from_json(blob: bytes) -> list[Event]:
    """Read `to_json`'s bytes; EventError naming the event that is wrong."""
    if len(blob) > MAX_EVENTS_BYTES:
        msg = f"{len(blob)} bytes of events are over the limit of {MAX_EVENTS_BYTES}"
        raise EventError(msg)
    try:
        found = json.loads(blob)
    except (ValueError, RecursionError) as error:
        msg = f"events are no JSON: {error}"
        raise EventError(msg) from error
    if not isinstance(found, list) or len(found) > MAX_EVENTS:
        msg = f"events must be a list of at most {MAX_EVENTS}"
        raise EventError(msg)
    return [_read(item, index) for index, item in enumerate(found)]


_FIELDS = tuple(f.name for f in fields(Event))
_SINCE_TAGS = frozenset({"tag"})
"""Fields that events of earlier stations do not have."""


def _read(item: Any, index: int) -> Event:
    if (
        not isinstance(item, dict)
        or set(_FIELDS) - _SINCE_TAGS - set(item)
        or set(item) - set(_FIELDS)
    ):
        msg = f"event {index} must have exactly the fields {_FIELDS}"
        raise EventError(msg)
    try:
        return Event(**item)
    except EventError as error:
        msg = f"event {index}: {error}"
        raise EventError(msg) from error


def _check(event: Event) -> None:
    for name in ("id", "station", "device", "code"):
        _require_text(name, getattr(event, name), _MAX_NAME)
    for name in ("text_en", "text_zh"):
        _require_text(name, getattr(event, name), _MAX_TEXT)
    if event.tag:
        _require_text("tag", event.tag, _MAX_NAME)
    elif event.tag != "":
        msg = f"tag {event.tag!r:.80} must be text"
        raise EventError(msg)
    if type(event.severity) is not int or event.severity not in set(Severity):
        msg = f"severity {event.severity!r} must be 1..4"
        raise EventError(msg)
    if type(event.active) is not bool:
        msg = f"active {event.active!r} must be true or false"
        raise EventError(msg)
    if type(event.at_ms) is not int or not 0 <= event.at_ms < 1 << 53:
        msg = f"at_ms {event.at_ms!r} must be epoch milliseconds"
        raise EventError(msg)
    for name in ("value", "limit"):
        number = getattr(event, name)
        if number is not None and not _is_number(number):
            msg = f"{name} {number!r} must be a finite number or null"
            raise EventError(msg)


def _is_number(number: object) -> bool:
    return type(number) in {int, float} and abs(number) < 1 << 53 and math.isfinite(number)  # type: ignore[arg-type]


def _require_text(name: str, text: object, most: int) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= most or not text.isprintable():
        msg = f"{name} {text!r:.80} must be 1..{most} printable characters"
        raise EventError(msg)


def _kind(severity: Severity, en: str, zh: str) -> EventKind:
    return EventKind(severity, Words(en, zh))


_INFO, _WARN, _ALARM, _CRITICAL = Severity

EVENT_CODES: Mapping[str, EventKind] = MappingProxyType(
    {
        "station.started": _kind(_INFO, "station controller started", "站控系统已启动"),
        "station.stopped": _kind(_INFO, "station controller stopped", "站控系统已停止"),
        "control.mode_changed": _kind(_INFO, "control mode changed", "控制模式切换"),
        "control.safe_state": _kind(_ALARM, "station in safe state", "电站进入安全状态"),
        "control.not_delivered": _kind(
            _ALARM, "power commanded but not delivered", "功率指令未执行到位"
        ),
        "control.cycle_overrun": _kind(_WARN, "control cycle overrun", "控制周期超时"),
        "limit.charge": _kind(_INFO, "charge power limited", "充电功率受限"),
        "limit.discharge": _kind(_INFO, "discharge power limited", "放电功率受限"),
        "protection.warning": _kind(_WARN, "protection warning", "保护预警"),
        "protection.derate": _kind(_ALARM, "protection derates power", "保护降额"),
        "protection.stop": _kind(_ALARM, "protection stops power", "保护停机"),
        "protection.trip": _kind(_CRITICAL, "protection trip", "保护动作"),
        "protection.latched": _kind(_ALARM, "protection waits for reset", "保护已闭锁，等待复归"),
        "protection.first_out": _kind(_INFO, "first cause of a trip", "首出原因"),
        "protection.action": _kind(_INFO, "protective action", "保护动作执行"),
        "protection.confirmed": _kind(_INFO, "protective action confirmed", "保护动作已确认"),
        "protection.escalated": _kind(
            _CRITICAL, "protective action not confirmed, escalated", "保护动作未确认，已升级"
        ),
        "protection.reset": _kind(_INFO, "protection reset", "保护复归"),
        "runaway.warning": _kind(_CRITICAL, "early signs of thermal runaway", "热失控早期征兆"),
        "control.clock": _kind(_INFO, "wall clock stepped", "系统时钟跳变"),
        "control.local": _kind(_WARN, "station in local control", "电站处于就地控制"),
        "control.emergency_stop": _kind(_CRITICAL, "emergency stop pressed", "急停按钮已按下"),
        "control.cycle_failed": _kind(
            _CRITICAL, "control cycle fails: protection only", "控制周期失败：仅保护运行"
        ),
        "control.fast_overrun": _kind(_WARN, "fast control loop overrun", "快速控制环超时"),
        "dispatch.agc_lost": _kind(_ALARM, "dispatch centre lost", "调度中心通信中断"),
        "dispatch.centre_refused": _kind(
            _WARN, "request of the dispatch centre refused", "调度中心请求被拒绝"
        ),
        "dispatch.frequency_response": _kind(_INFO, "frequency response active", "频率响应动作"),
        "dispatch.self_test": _kind(_INFO, "self-test", "自检"),
        "dispatch.self_test_failed": _kind(_ALARM, "self-test failed", "自检未通过"),
        "ventilation.fault": _kind(_ALARM, "ventilation fault", "通风故障"),
        "schedule.accepted": _kind(_INFO, "schedule accepted", "计划曲线已接受"),
        "schedule.missing": _kind(_WARN, "no valid schedule", "无有效计划曲线"),
        "order.accepted": _kind(_INFO, "order accepted", "指令已接受"),
        "order.refused": _kind(_ALARM, "order refused", "指令被拒绝"),
        "order.failed": _kind(
            _ALARM, "accepted order could not be carried out", "已接受的指令未能执行"
        ),
        "order.on_site": _kind(_INFO, "order from the site carried out", "现场指令已执行"),
        "order.on_site_refused": _kind(_INFO, "order from the site refused", "现场指令被拒绝"),
        "command.refused": _kind(_ALARM, "device refused a command", "设备拒绝命令"),
        "command.timed_out": _kind(_ALARM, "device did not answer a command", "设备命令超时"),
        "device.lost": _kind(_ALARM, "communication with device lost", "设备通信中断"),
        "device.stale": _kind(_WARN, "device data stale", "设备数据过期"),
        "driver.restarted": _kind(_WARN, "protocol driver restarted", "协议驱动重启"),
        "estimator.lost": _kind(_WARN, "estimators lost", "估计器中断"),
        "estimator.resumed": _kind(
            _INFO, "estimators resumed from their kept state", "估计器已从保存的状态恢复"
        ),
        "estimator.cold_start": _kind(_INFO, "estimators began anew", "估计器冷启动"),
        "estimator.soc_differs": _kind(
            _WARN, "SOC of the BMS is outside the estimate's interval", "BMS 的 SOC 超出估计区间"
        ),
        "estimator.doubtful": _kind(
            _WARN, "voltages of cells are unlike those of their make", "单体电压与电芯型号不符"
        ),
        "data.frozen_cells": _kind(_WARN, "values of cells stand still", "单体数值冻结"),
        "data.unit_mistake": _kind(_ALARM, "values in a wrong unit", "数据单位错误"),
        "estimator.soh_model_unused": _kind(_INFO, "SOH model not used", "SOH 模型未启用"),
        "anomaly.hint": _kind(_INFO, "unusual behaviour of cells", "单体行为异常提示"),
        "anomaly.warning": _kind(_WARN, "anomaly of cells, warning", "单体异常预警"),
        "anomaly.alarm": _kind(_ALARM, "anomaly of cells, alarm", "单体异常告警"),
        "link.down": _kind(_WARN, "cloud link down", "云端通信中断"),
        "queue.filling": _kind(_WARN, "telemetry queue filling", "遥测队列积压"),
        "queue.quarantined": _kind(
            _ALARM,
            "telemetry batch refused by the cloud and kept aside",
            "遥测批次被云端拒收并隔离",
        ),
        "clock.unsynchronised": _kind(_WARN, "clock not synchronised", "时钟未同步"),
        "security.certificate_expiring": _kind(
            _WARN, "station certificate expires soon", "电站证书即将到期"
        ),
        "model.shadow": _kind(_INFO, "estimator model runs in shadow", "估计模型开始影子运行"),
        "model.promoted": _kind(_INFO, "estimator model put in force", "估计模型已启用"),
        "model.confirmed": _kind(_INFO, "estimator model has proved itself", "估计模型已通过考核"),
        "model.rolled_back": _kind(_WARN, "estimator model taken back", "估计模型已回退"),
        "model.drift": _kind(_WARN, "estimator model drifts", "估计模型漂移"),
        "pcs.alarm": _kind(_ALARM, "PCS alarm", "PCS 告警"),
        "pcs.trip": _kind(_CRITICAL, "PCS tripped", "PCS 跳闸"),
        "rack.warning": _kind(_WARN, "rack warning (BMS)", "电池簇预警（BMS）"),
        "rack.alarm": _kind(_ALARM, "rack alarm (BMS)", "电池簇告警（BMS）"),
        "rack.isolated": _kind(_ALARM, "rack isolated", "电池簇已隔离"),
        "cell.voltage": _kind(_ALARM, "cell voltage out of limits", "单体电压越限"),
        "cell.temperature": _kind(_ALARM, "cell temperature out of limits", "单体温度越限"),
        "chiller.alarm": _kind(_ALARM, "chiller alarm", "液冷机组告警"),
        "insulation.alarm": _kind(_ALARM, "insulation alarm", "绝缘告警"),
        "fire.prealarm": _kind(_ALARM, "fire pre-alarm", "消防预警"),
        "fire.alarm": _kind(_CRITICAL, "fire alarm", "火警"),
        "fire.fault": _kind(_WARN, "fire panel fault", "消防主机故障"),
    }
)
"""Every event code with its severity and its words."""
