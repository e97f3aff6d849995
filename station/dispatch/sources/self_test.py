"""Self-test: a sequence of small steps of power, each of which must be seen at the meter.

Somebody orders it; it runs only while nobody of higher priority decides. Each step is passed
when the measured power comes within the tolerance in time and stays there. The first step that
is not passed ends the test: a plant that does not follow is not driven further.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from contract.words import Words
from station.dispatch.proposal import Proposal, Source


class SelfTestOutcome(StrEnum):
    """What became of a test."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True)
class SelfTestSettings:
    """The sequence and what counts as passed.

    Attributes:
        rated_kw: power that per cents refer to.
        steps_pct: powers in order, discharge positive; small, so that a test at any state of
            charge moves little energy.
        settle_s: time for a step to be seen, stay_s: time it must then stay.
        tolerance_pct: distance that counts as reached.
    """

    rated_kw: float
    steps_pct: tuple[float, ...] = (0.0, 5.0, 0.0, -5.0, 0.0)
    settle_s: float = 15.0
    stay_s: float = 5.0
    tolerance_pct: float = 1.0


@dataclass(frozen=True)
class StepResult:
    """One step: what was asked, what was seen, after which time, and whether that is enough."""

    asked_kw: float
    measured_kw: float
    after_s: float
    passed: bool

    def words(self) -> Words:
        """Tell the result in one sentence."""
        if self.passed:
            return Words(
                f"{self.asked_kw:.0f} kW reached after {self.after_s:.1f} s",
                f"{self.after_s:.1f} s 后达到 {self.asked_kw:.0f} kW",
            )
        return Words(
            f"{self.asked_kw:.0f} kW not reached in {self.after_s:.1f} s: "
            f"{self.measured_kw:.1f} kW measured",
            f"{self.after_s:.1f} s 内未达到 {self.asked_kw:.0f} kW：实测 {self.measured_kw:.1f} kW",
        )


@dataclass(frozen=True)
class SelfTestMemory:
    """The test under way or the last one; times are steady milliseconds.

    Attributes:
        requester: the order behind it. outcome: how it stands. reason: why it was aborted.
        index: step under way. began_ms: its begin, None until the step is granted.
        reached_ms: since when the measurement fits, None: it does not.
        results: steps that are over.
    """

    requester: str
    outcome: SelfTestOutcome = SelfTestOutcome.RUNNING
    index: int = 0
    began_ms: int | None = None
    reached_ms: int | None = None
    results: tuple[StepResult, ...] = ()
    reason: Words | None = None

    def words(self) -> Words:
        """Tell the whole result, step by step."""
        name = _OUTCOME_WORDS[self.outcome]
        told = [result.words() for result in self.results]
        en = [name.en, *([self.reason.en] if self.reason else []), *(w.en for w in told)]
        zh = [name.zh, *([self.reason.zh] if self.reason else []), *(w.zh for w in told)]
        return Words("; ".join(en), "；".join(zh))


_OUTCOME_WORDS = {
    SelfTestOutcome.RUNNING: Words("self-test running", "自检进行中"),
    SelfTestOutcome.PASSED: Words("self-test passed", "自检通过"),
    SelfTestOutcome.FAILED: Words("self-test failed", "自检未通过"),
    SelfTestOutcome.ABORTED: Words("self-test aborted", "自检中止"),
}


@dataclass(frozen=True)
class SelfTestInputs:
    """What the test looks at.

    Attributes:
        measured_kw: power at the meter, NaN when not known.
        decided_by: who decided the power of the last step; a frequency response under way
            counts, since it would be measured too.
    """

    measured_kw: float
    decided_by: Source


def propose_self_test(
    settings: SelfTestSettings,
    memory: SelfTestMemory | None,
    inputs: SelfTestInputs,
    now_ms: int,
) -> tuple[Proposal | None, SelfTestMemory | None]:
    """Return the power of the step under way, None when no test runs."""
    if memory is None or memory.outcome is not SelfTestOutcome.RUNNING:
        return None, memory
    memory = _judged(settings, memory, inputs, now_ms)
    if memory.outcome is not SelfTestOutcome.RUNNING:
        return None, memory
    power_kw = settings.steps_pct[memory.index] / 100.0 * settings.rated_kw
    return Proposal.definite(Source.SELF_TEST, memory.requester, power_kw), memory


def _judged(
    settings: SelfTestSettings, memory: SelfTestMemory, inputs: SelfTestInputs, now_ms: int
) -> SelfTestMemory:
    if memory.began_ms is None:
        # The first step is handed in; who decides is known from the next one on.
        return replace(memory, began_ms=now_ms)
    if inputs.decided_by is not Source.SELF_TEST:
        name = inputs.decided_by.words
        reason = Words(f"{name.en} decides", f"由{name.zh}决定")
        return replace(memory, outcome=SelfTestOutcome.ABORTED, reason=reason)
    asked_kw = settings.steps_pct[memory.index] / 100.0 * settings.rated_kw
    tolerance_kw = settings.tolerance_pct / 100.0 * settings.rated_kw
    fits = abs(inputs.measured_kw - asked_kw) <= tolerance_kw
    took_s = (now_ms - memory.began_ms) / 1000.0
    if not fits:
        memory = replace(memory, reached_ms=None)
        return memory if took_s < settings.settle_s else _over(memory, asked_kw, inputs, took_s)
    reached_ms = now_ms if memory.reached_ms is None else memory.reached_ms
    if now_ms - reached_ms < settings.stay_s * 1000:
        return replace(memory, reached_ms=reached_ms)
    after_s = took_s - (now_ms - reached_ms) / 1000.0
    result = StepResult(asked_kw, inputs.measured_kw, after_s, passed=True)
    results = (*memory.results, result)
    if memory.index + 1 == len(settings.steps_pct):
        return replace(memory, outcome=SelfTestOutcome.PASSED, results=results)
    return SelfTestMemory(
        memory.requester, index=memory.index + 1, began_ms=now_ms, results=results
    )


def _over(
    memory: SelfTestMemory, asked_kw: float, inputs: SelfTestInputs, took_s: float
) -> SelfTestMemory:
    result = StepResult(asked_kw, inputs.measured_kw, took_s, passed=False)
    results = (*memory.results, result)
    outcome = SelfTestOutcome.FAILED
    if not math.isfinite(inputs.measured_kw):
        reason = Words("the meter's power is not known", "并网点功率未知")
        return replace(memory, outcome=outcome, results=results, reason=reason)
    return replace(memory, outcome=outcome, results=results)
