"""What happened once is told once: an incident's story, a new decider, the clock, a self-test."""

import logging

from contract.events import Event
from contract.words import Words
from station.alarms import AlarmBook, plain_words
from station.command_book import CommandBook
from station.control.cycle import ControlCycle, CycleResult
from station.dispatch.sources import SelfTestOutcome
from station.protection_alarms import confirmations, moment_conditions

log = logging.getLogger(__name__)


class Story:
    """Turns the moments of each second into events."""

    def __init__(self, alarms: AlarmBook, commands: CommandBook, control: ControlCycle) -> None:
        """Tell through `alarms`, and settle in `commands` what the plant has confirmed."""
        self._alarms = alarms
        self._commands = commands
        self._control = control
        self._decider = ""

    def tell(self, result: CycleResult, clock: Words | None) -> list[Event]:
        """Return the events of this second.

        Args:
            result: what was found and decided.
            clock: what has happened to the wall clock, None when nothing has.
        """
        moments = result.verdict.moments
        told = [self._alarms.tell(condition) for condition in moment_conditions(moments)]
        for device, point, at_ms, done in confirmations(moments):
            self._commands.settle(device, point, at_ms, delivered=done)
        told += self._decider_changed(result)
        if clock is not None:
            told.append(self._alarms.note("control.clock", result.at_ms, plain_words(clock)))
        return told + self._self_test_ended(result)

    def _decider_changed(self, result: CycleResult) -> list[Event]:
        decision = result.step.outcome.decision
        decider = f"{result.mode.name} {decision.requester}"
        if decider == self._decider:
            return []
        self._decider = decider
        log.info("event=mode_changed mode=%s by=%s", result.mode.name, decision.requester or "-")
        words = plain_words(decision.words())
        return [self._alarms.note("control.mode_changed", result.at_ms, words)]

    def _self_test_ended(self, result: CycleResult) -> list[Event]:
        test = self._control.self_test
        if test is None or test.outcome is SelfTestOutcome.RUNNING:
            return []
        self._control.forget_self_test()
        failed = test.outcome is SelfTestOutcome.FAILED
        code = "dispatch.self_test_failed" if failed else "dispatch.self_test"
        return [self._alarms.note(code, result.at_ms, plain_words(test.words()))]
