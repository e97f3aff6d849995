"""Hands commands to the drivers and follows what became of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace

from contract.words import Words
from station.alarms import Condition, plain_words
from station.cause_words import cause_words
from station.clock import now_ms
from station.dispatch.commands import Command, CommandState, ConverterCommands
from station.protocols import Accepted, CommandOutcome, DeviceCommand, Refused, TimedOut

_STOPPING_REASON = "the station stops"

log = logging.getLogger(__name__)

_FAILING_MS = 60_000
"""A device that has refused nothing for so long is no longer told as refusing."""
_DEADLINE_MS = 2000
"""Select and operate take some ms; a device that needs longer has not followed in time."""


class CommandExecutor:
    """Carries commands out, one task each, and collects the changes of their lives."""

    def __init__(
        self,
        carry: Callable[[DeviceCommand], Awaitable[CommandOutcome]],
        points: Mapping[tuple[str, str], ConverterCommands],
        on_accepted: Callable[[int], None],
        likely_cause: Callable[[Command], Words],
    ) -> None:
        """Work on these set-points.

        Args:
            carry: brings a command to its device.
            points: set-points in flight and in force, by (device, point).
            on_accepted: told when a set-point was accepted, epoch ms.
            likely_cause: says why a set-point in force is probably not delivered.
        """
        self._carry = carry
        self._points = points
        self._on_accepted = on_accepted
        self._likely_cause = likely_cause
        self._tasks: set[asyncio.Task[None]] = set()
        self._failing: dict[str, Condition] = {}
        self._failed_ms: dict[str, int] = {}
        self._changed: list[Command] = []
        self._closed = False

    def send(self, command: Command) -> None:
        """Bring a command on its way; once closed, settle it as not sent."""
        if self._closed:
            self._settle_failed(command, now_ms(), _STOPPING_REASON)
            return
        task = asyncio.create_task(self._send(command), name=f"command-{command.device}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def take_changed(self) -> list[Command]:
        """Return the commands whose life went on since the last call."""
        changed, self._changed = self._changed, []
        return changed

    def conditions(self) -> Iterator[Condition]:
        """Yield converters that refuse or do not answer, and those that do not deliver."""
        present_ms = now_ms()
        for device, condition in self._failing.items():
            if present_ms - self._failed_ms[device] < _FAILING_MS:
                yield condition
        for (tag, point), commands in self._points.items():
            if commands.undelivered and commands.in_force is not None:
                at_ms = commands.missed_since_ms or commands.in_force.accepted_ms
                detail = self._why(commands.in_force)
                yield Condition("control.not_delivered", tag, at_ms, point, detail)

    def _why(self, command: Command) -> Words:
        told = cause_words(command.reason or f"{command.point} = {command.value:.1f}")
        cause = self._likely_cause(command)
        return plain_words(Words(f"{told.en}; {cause.en}", f"{told.zh}；{cause.zh}"))

    async def close(self) -> None:
        """Take no more commands and wait for those under way."""
        self._closed = True
        await self.settled()

    async def settled(self) -> None:
        """Wait for the commands under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, command: Command) -> None:
        deadline_ms = now_ms() + _DEADLINE_MS
        outcome = await self._carry(
            DeviceCommand(command.id, command.device, command.point, command.value, deadline_ms)
        )
        match outcome:
            case Accepted(at_ms=at_ms):
                self._accepted(command, at_ms)
            case Refused(at_ms=at_ms, reason=reason):
                self._failed(command, "command.refused", at_ms, reason)
            case TimedOut(at_ms=at_ms, reason=reason):
                self._failed(command, "command.timed_out", at_ms, reason)

    def _accepted(self, command: Command, at_ms: int) -> None:
        if self._failing.pop(command.device, None) is not None:
            log.info("event=commands_accepted_again device=%s", command.device)
        commands = self._points.get((command.device, command.point))
        if commands is None:
            settled = replace(command, state=CommandState.ACCEPTED, accepted_ms=at_ms)
            self._changed.append(settled)
            return
        self._changed += commands.accept(at_ms)
        self._on_accepted(at_ms)

    def _failed(self, command: Command, code: str, at_ms: int, reason: str) -> None:
        known = command.device in self._failing
        present_ms = now_ms()
        if known and present_ms - self._failed_ms[command.device] >= _FAILING_MS:
            known = False  # a new failure, not the old one that went on
        self._failed_ms[command.device] = present_ms
        if not known:
            log.warning(
                "event=command_failed device=%s point=%s value=%.1f reason=%r",
                command.device,
                command.point,
                command.value,
                reason,
            )
            why, asked = cause_words(reason), f"{command.point} = {command.value:g}"
            detail = plain_words(Words(f"{asked}: {why.en}", f"{asked}：{why.zh}"))
            self._failing[command.device] = Condition(
                code, command.device, at_ms, detail=detail, value=command.value
            )
        self._settle_failed(command, at_ms, reason)

    def _settle_failed(self, command: Command, at_ms: int, reason: str) -> None:
        commands = self._points.get((command.device, command.point))
        if commands is not None:
            self._changed += commands.fail(at_ms, reason)
        else:
            state = CommandState.FAILED
            self._changed.append(replace(command, state=state, settled_ms=at_ms, reason=reason))
