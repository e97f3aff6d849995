"""Commands to an IED: select, operate, and wait for the device to say that it is done.

The control model (direct or select-before-operate, normal or enhanced security) is the
device's; it is read from it. With enhanced security a command counts as accepted only when
the device's CommandTermination has come. All of this blocks and belongs on a worker thread.
"""

import logging
import threading
import time

from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.iec61850 import lib as m
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.lib import library

log = logging.getLogger(__name__)

_STATUS_ONLY, _DIRECT, _SELECT, _DIRECT_ENHANCED, _SELECT_ENHANCED = range(5)
_AUTOMATIC_STATION = 5  # IEC 61850-7-3, originator category
_ORIGIN = b"stationmaster"

Setting = bool | int | float
"""What a command sets: a switch, a choice, or a set-point in the device's unit."""

ADD_CAUSES = (
    "unknown", "not supported", "blocked by switching hierarchy", "select failed",
    "invalid position", "position reached", "parameter change in execution", "step limit",
    "blocked by mode", "blocked by process", "blocked by interlocking",
    "blocked by synchrocheck", "command already in execution", "blocked by health",
    "1-of-n control", "abortion by cancel", "time limit over", "abortion by trip",
    "object not selected", "object already selected", "no access authority",
    "ended with overshoot", "abortion due to deviation", "abortion by communication loss",
    "abortion by command", "none", "inconsistent parameters", "locked by other client",
)  # fmt: skip
"""IEC 61850-7-2, additional cause diagnosis, by number."""


class CommandRefused(ProtocolError):  # noqa: N818 - reads as a fact: command refused
    """The device said no, and why."""


class CommandTimedOut(ProtocolError):  # noqa: N818 - reads as a fact: command timed out
    """The device did not say in time whether it obeyed."""


class ControlObject:
    """One controllable object of an association."""

    def __init__(self, association: Association, reference: str) -> None:
        """Ask the device for the object's control model and value type.

        Raises:
            CommandRefused: the device has no such object, or does not let it be controlled.
        """
        self.reference = reference
        self._lib = library()
        self._object: int | None = self._lib.ControlObjectClient_create(
            reference.encode(), association.handle
        )
        if not self._object:
            raise CommandRefused(f"{reference} cannot be controlled: the device does not offer it")
        self.model = int(self._lib.ControlObjectClient_getControlModel(self._object))
        self._structured = self._lib.ControlObjectClient_getCtlValType(self._object) == m.STRUCTURE
        self._lib.ControlObjectClient_setOrigin(self._object, _ORIGIN, _AUTOMATIC_STATION)
        self._terminated = threading.Event()
        self._cause = -1
        self._abandoned = False
        self._handler = m.TerminationHandler(self._on_termination)
        self._lib.ControlObjectClient_setCommandTerminationHandler(
            self._object, self._handler, None
        )

    def close(self) -> None:
        """Free the object; before the association is closed."""
        if self._object:
            self._lib.ControlObjectClient_destroy(self._object)
            self._object = None

    def abandon(self) -> None:
        """End the wait for a termination that can no longer come; from any thread."""
        self._abandoned = True
        self._terminated.set()

    def operate(self, value: Setting, deadline_s: float) -> None:
        """Carry the command through as the object's control model asks.

        Args:
            value: in the device's unit.
            deadline_s: on the monotonic clock.

        Raises:
            CommandRefused: with the device's cause.
            CommandTimedOut: the device did not answer before the deadline.
            DeviceUnreachable: the association is gone.
        """
        if self.model == _STATUS_ONLY:
            raise CommandRefused(f"{self.reference} is for reading only (status-only)")
        ctl_value = self._mms(value)
        try:
            self._select(ctl_value)
            if time.monotonic() >= deadline_s:
                self._lib.ControlObjectClient_cancel(self._object)
                raise CommandTimedOut(f"{self.reference}: selected too late, not operated")
            self._terminated.clear()
            done = self._lib.ControlObjectClient_operate(self._object, ctl_value, 0)
            if not done:
                self._refuse("operate")
        finally:
            self._lib.MmsValue_delete(ctl_value)
        if self.model in (_DIRECT_ENHANCED, _SELECT_ENHANCED):
            self._await_termination(deadline_s)

    def _select(self, ctl_value: int) -> None:
        if self.model == _SELECT:
            done = self._lib.ControlObjectClient_select(self._object)
        elif self.model == _SELECT_ENHANCED:
            done = self._lib.ControlObjectClient_selectWithValue(self._object, ctl_value)
        else:
            return
        if not done:
            self._refuse("select")

    def _await_termination(self, deadline_s: float) -> None:
        # An object abandoned before the event was cleared is told by the flag, not the event.
        if not self._abandoned:
            self._terminated.wait(max(0.0, deadline_s - time.monotonic()))
        if self._abandoned:
            raise CommandTimedOut(f"{self.reference}: the link broke before the termination")
        if not self._terminated.is_set():
            raise CommandTimedOut(f"{self.reference}: no command termination before the deadline")
        if self._cause >= 0:
            raise CommandRefused(f"{self.reference}: ended by the device: {_words(self._cause)}")

    def _on_termination(self, _parameter: int | None, control: int) -> None:
        """Note the end of the command; runs on the library's thread."""
        last = self._lib.ControlObjectClient_getLastApplError(control)
        self._cause = int(last.add_cause) if last.error else -1
        self._terminated.set()

    def _refuse(self, step: str) -> None:
        code = int(self._lib.ControlObjectClient_getLastError(self._object))
        last = self._lib.ControlObjectClient_getLastApplError(self._object)
        if code in (m.NOT_CONNECTED, m.CONNECTION_LOST):
            raise DeviceUnreachable(f"{self.reference}: {m.ERRORS[code]} during {step}")
        if code == m.TIMEOUT:
            raise CommandTimedOut(f"{self.reference}: no answer to {step}")
        cause = _words(int(last.add_cause)) if last.error or last.add_cause else ""
        words = cause or m.ERRORS.get(code, f"error {code}")
        raise CommandRefused(f"{self.reference}: {step} refused: {words}")

    def _mms(self, value: Setting) -> int:
        """Return the value as the object's type: a boolean, a number, or a structure with it."""
        if isinstance(value, bool):
            plain = int(self._lib.MmsValue_newBoolean(value))
        elif isinstance(value, int):
            plain = int(self._lib.MmsValue_newIntegerFromInt32(value))
        else:
            plain = int(self._lib.MmsValue_newFloat(value))
        if not self._structured:
            return plain
        structure = int(self._lib.MmsValue_createEmptyStructure(1))
        self._lib.MmsValue_setElement(structure, 0, plain)
        return structure


def _words(cause: int) -> str:
    return ADD_CAUSES[cause] if 0 <= cause < len(ADD_CAUSES) else f"cause {cause}"
