"""Words, marks and figures of alarms: states, what happens to them, values with their units."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from cloud.alarms.definitions import LINK_LOST, Definition
from cloud.alarms.states import Change, State
from cloud.web import format as form
from cloud.web.language import Words

_MOST_DECIMALS = 3
_SPAN = "span"
_FACT = "fact"
# Unit and decimals of an alarm's value, by code and tag; the first pattern that fits counts. Events
# carry the value in the unit of the signal concerned and not the unit itself. What is only so or
# not so (a detector, a device that is silent) is said by the alarm's words and has no figure.
_FIGURES = (
    (LINK_LOST, _SPAN, 0),
    ("device.stale *", _SPAN, 0),
    ("clock.unsynchronised *", "s", 1),
    ("control.not_delivered *", "kW", 0),
    ("control.*overrun *", "ms", 1),
    ("command.* *power_setpoint_kw*", "kW", 0),
    ("cell.voltage *", "V", 3),
    ("cell.temperature *", "°C", 1),
    ("protection.* *insulation_rack*", _FACT, 0),
    ("protection.* *chiller_fault*", _FACT, 0),
    ("protection.* *ventilation_fault*", _FACT, 0),
    ("protection.* *smoke*", _FACT, 0),
    ("protection.* *heat*", _FACT, 0),
    ("protection.* *fire_state*", _FACT, 0),
    ("protection.* *_silent*", _FACT, 0),
    ("protection.* *emergency_stop*", _FACT, 0),
    ("protection.* *contactor_welded*", _FACT, 0),
    ("protection.* *converter_not_stopped*", _FACT, 0),
    ("protection.* *container_not_isolated*", _FACT, 0),
    ("protection.* *auxiliary_unconfirmed*", _FACT, 0),
    ("protection.* *cell_voltage*", "V", 3),
    ("protection.* *voltage_spread*", "V", 3),
    ("protection.* *temperature_rise*", "K/min", 1),
    ("protection.* *temperature_spread*", "K", 1),
    ("protection.* *temperature*", "°C", 1),
    ("protection.* *charge_cold*", "°C", 1),
    ("protection.* *charge_current*", "× Iₙ", 2),
    ("protection.* *current*", "A", 0),
    ("protection.* *insulation*", "kΩ", 0),
    ("protection.* *coolant_flow*", "l/min", 0),
    ("protection.* *coolant*", "°C", 1),
    ("protection.* *hydrogen*", "ppm", 0),
    ("protection.* *carbon_monoxide*", "ppm", 0),
    ("protection.* *gas*", "ppm", 0),
)

_MARKS: Mapping[State, str] = MappingProxyType({State.UNACKNOWLEDGED: "un", State.RETURNED: "rtn"})


def mark(state: State) -> str:
    """How the mark is drawn: "un" filled, "rtn" dashed, "ack" an outline."""
    return _MARKS.get(state, "ack")


def state_words(t: Words, state: State) -> str:
    """A state as people say it."""
    return {
        State.NORMAL: t("Normal"),
        State.UNACKNOWLEDGED: t("Unacknowledged"),
        State.ACKNOWLEDGED: t("Acknowledged"),
        State.RETURNED: t("Returned, unacknowledged"),
        State.LATCHED: t("Latched, waits for reset"),
        State.SHELVED: t("Shelved"),
        State.SUPPRESSED: t("Suppressed by design"),
        State.OUT_OF_SERVICE: t("Out of service"),
    }[state]


def change_words(t: Words, change: Change) -> str:
    """What happened to an alarm."""
    return {
        Change.RAISED: t("Raised"),
        Change.RETURNED: t("Returned to normal"),
        Change.SUPPRESSED: t("Suppressed by design"),
        Change.UNSUPPRESSED: t("No longer suppressed"),
        Change.ACKNOWLEDGED: t("Acknowledged"),
        Change.RESET: t("Reset"),
        Change.SHELVED: t("Shelved"),
        Change.UNSHELVED: t("Taken from the shelf"),
        Change.SHELF_EXPIRED: t("Shelf time over"),
        Change.TAKEN_OUT: t("Taken out of service"),
        Change.PUT_BACK: t("Put back in service"),
    }[change]


def figure(code: str, tag: str, value: float | None) -> tuple[str, str]:
    """A value and its unit; both empty where there is none."""
    if value is None:
        return "", ""
    name = f"{code} {tag}".strip()
    for pattern, unit, decimals in _FIGURES:
        if fnmatchcase(name, pattern) or fnmatchcase(f"{name} ", pattern):
            if unit == _FACT:
                return "", ""
            if unit == _SPAN:
                return form.span(value), ""
            return form.number(value, decimals), unit
    text = form.number(value, _MOST_DECIMALS)
    return text.rstrip("0").rstrip("."), ""


def minutes(number: int) -> str:
    """A time of whole minutes: "30 min", "8 h", "1 h 30 min"."""
    hours, rest = divmod(number, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))


def left(until_ms: int, now_ms: int) -> str:
    """What is left until then: "3:52", "1:22:48"."""
    seconds = max(0, -(-(until_ms - now_ms) // 1000))
    whole, rest = divmod(seconds, 60)
    hours, whole = divmod(whole, 60)
    return f"{hours}:{whole:02d}:{rest:02d}" if hours else f"{whole}:{rest:02d}"


def limits(t: Words, rule: Definition, tag: str, limit: float | None) -> str:
    """The limit with its dead band and delay: "55.0 °C · dead band 0.5 °C · delay 2 s"."""
    number, unit = figure(rule.code, tag, limit)
    parts = [f"{number} {unit}".strip()] if number else []
    if rule.dead_band:
        band, unit = figure(rule.code, tag, rule.dead_band)
        parts.append(t("dead band {band}", band=f"{band} {unit}".strip()))
    if rule.on_delay_s:
        parts.append(t("delay {span}", span=form.span(rule.on_delay_s)))
    if rule.off_delay_s:
        parts.append(t("return delay {span}", span=form.span(rule.off_delay_s)))
    return " · ".join(parts)
