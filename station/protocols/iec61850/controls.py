"""All controllable objects of one association: commands of different objects run side by side.

A stop must not wait until a set-point is terminated, nor a set-point until the data set is
read. Only commands of one and the same object follow one another, because the device holds
one selection of it at a time.
"""

import threading
import time
from collections.abc import Iterable

from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.control import (
    CommandRefused,
    CommandTimedOut,
    ControlObject,
    Setting,
)


class Controls:
    """The control objects of one association; its methods block, except `abandon`."""

    def __init__(self, association: Association, references: Iterable[str]) -> None:
        """Prepare; nothing is asked yet."""
        self._association = association
        self._turns = {reference: threading.Lock() for reference in references}
        self._objects: dict[str, ControlObject] = {}
        self._abandoned = False

    @property
    def references(self) -> tuple[str, ...]:
        """The objects that may be commanded."""
        return tuple(self._turns)

    def prepare(self, reference: str) -> None:
        """Ask for an object's control model, so that no command has to wait for it.

        Raises:
            CommandRefused, DeviceUnreachable: why it cannot be had.
        """
        with self._turns[reference]:
            self._connected(reference)
            with self._association.in_use():
                self._object(reference)

    def operate(self, reference: str, value: Setting, deadline_s: float) -> None:
        """Carry out one command.

        Args:
            reference: the object's.
            value: in the device's unit.
            deadline_s: on the monotonic clock.

        Raises:
            CommandRefused, CommandTimedOut, DeviceUnreachable: what became of it.
        """
        turn = self._turns[reference]
        if not turn.acquire(timeout=max(0.0, deadline_s - time.monotonic())):
            raise CommandTimedOut(f"{reference}: an earlier command is still in execution")
        try:
            if time.monotonic() >= deadline_s:
                raise CommandTimedOut(f"{reference}: too late, not sent")
            self._connected(reference)
            with self._association.in_use():
                self._object(reference).operate(value, deadline_s)
        finally:
            turn.release()

    def _connected(self, reference: str) -> None:
        if self._abandoned:
            raise CommandRefused(f"{reference}: the device is not connected")

    def _object(self, reference: str) -> ControlObject:
        control = self._objects.get(reference)
        if control is None:
            control = self._objects[reference] = ControlObject(self._association, reference)
        return control

    def abandon(self) -> None:
        """Let commands that wait for their termination end now: it can no longer come."""
        self._abandoned = True
        for control in list(self._objects.values()):
            control.abandon()

    def close(self) -> None:
        """Free all objects; once nothing uses the association any more."""
        for control in self._objects.values():
            control.close()
        self._objects.clear()
