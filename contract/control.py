"""What control orders ask for: a manual set-point, its release, a reset, a self-test.

Both tiers read and write the payloads here, so that the cloud refuses what a station would. A
schedule has a form of its own, in `contract.schedule`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract.errors import ControlError

STATION = "station"
"""The target of a reset that means everything which may be reset together."""
_MAX_TARGET = 64


@dataclass(frozen=True, slots=True)
class Setpoint:
    """A person's power at the meter.

    Attributes:
        power_kw: discharge positive.
        until_ms: when it ends, epoch ms; None: with the order.
    """

    power_kw: float
    until_ms: int | None = None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Setpoint":
        """Read the payload of a SETPOINT order.

        Raises:
            ControlError: naming the field that is wrong.
        """
        if "power_kw" not in payload or set(payload) - {"power_kw", "until_ms"}:
            msg = "a set-point has power_kw and, if it ends before the order, until_ms"
            raise ControlError(msg)
        power, until = payload["power_kw"], payload.get("until_ms")
        if type(power) not in {int, float} or not math.isfinite(power):
            msg = f"power_kw = {power!r} is no number of kW"
            raise ControlError(msg)
        if until is not None and type(until) is not int:
            msg = f"until_ms = {until!r} must be epoch milliseconds"
            raise ControlError(msg)
        return cls(float(power), until)

    def to_payload(self) -> dict[str, Any]:
        """Return the payload of a SETPOINT order."""
        ends = {} if self.until_ms is None else {"until_ms": self.until_ms}
        return {"power_kw": self.power_kw, **ends}


@dataclass(frozen=True, slots=True)
class Reset:
    """The reset of what protection has latched: at one device, or at the whole station."""

    target: str = STATION

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Reset":
        """Read the payload of a RESET order.

        Raises:
            ControlError: naming what is wrong.
        """
        target = payload.get("target")
        printable = isinstance(target, str) and target.isprintable()
        if set(payload) != {"target"} or not printable or not 1 <= len(str(target)) <= _MAX_TARGET:
            msg = f"a reset has target alone: the tag of a device, or {STATION!r}; not {payload!r}"
            raise ControlError(msg)
        return cls(str(target))

    def to_payload(self) -> dict[str, Any]:
        """Return the payload of a RESET order."""
        return {"target": self.target}


def require_empty(payload: Mapping[str, Any]) -> None:
    """Refuse a payload where the kind of order says it all (release, self-test).

    Raises:
        ControlError: there is something in it.
    """
    if payload:
        msg = f"this order has no content; leave {sorted(payload)} out"
        raise ControlError(msg)
