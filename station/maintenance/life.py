"""The life of a station's models: on trial in shadow, in force on probation, proved, taken back.

A model that arrives decides nothing: it runs in shadow, beside the one in force. When its trial is
over and it did as well, it is put in force, and the one before runs on beside it as the reference
of its probation. Whenever the figures say so it is taken back, without asking anybody. Each
function returns the next life and what is to be told; who runs the models brings them to what the
life says.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from contract.model_order import ModelAction, ModelOrder
from contract.orders import REASONS, Outcome
from contract.words import Words
from station.maintenance import drift as drifting
from station.maintenance import judge
from station.maintenance.drift import Drift
from station.maintenance.judge import Bounds, Fault, Second, Trial

SHIPPED = ""
"""The package of the model that the station's own configuration names."""


class Stage(StrEnum):
    """Where the newest model stands; `number` is that of the signal `model_state`."""

    NONE = "none"
    SHADOW = "shadow"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"

    @property
    def number(self) -> int:
        """The value of the signal."""
        return list(Stage).index(self)


@dataclass(frozen=True)
class Model:
    """A model by its package, which is `SHIPPED` for the one of the configuration."""

    package: str
    name: str
    version: int

    @property
    def title(self) -> str:
        """Name and version, as people call it."""
        return f"{self.name} v{self.version}"


@dataclass(frozen=True)
class Running:
    """Two models side by side; `second` decides nothing."""

    active: Model
    second: Model | None = None


@dataclass(frozen=True)
class Rules:
    """How long and how strictly models are tried.

    Attributes:
        bounds: of trial and probation.
        probation_s: how long a model in force is compared with the one before.
    """

    bounds: Bounds = field(default_factory=Bounds)
    probation_s: int = 86_400


@dataclass(frozen=True)
class Life:
    """Which models a station has, and how the newest does.

    Attributes:
        active: in force.
        before: in force before it; kept for a return.
        shadow: on trial.
        stage: of the newest model.
        order_id: of the order that brought it; empty when none did.
        shadow_s: how long it is tried.
        auto_promote: whether it may then be put in force without a further order.
        reason: code of why the last one was taken back.
        trial: of the model on trial or on probation.
        drift: of the model in force.
    """

    active: Model
    before: Model | None = None
    shadow: Model | None = None
    stage: Stage = Stage.NONE
    order_id: str = ""
    shadow_s: int = 0
    auto_promote: bool = True
    reason: str = ""
    trial: Trial = field(default_factory=Trial)
    drift: Drift = field(default_factory=Drift)

    @property
    def running(self) -> Running:
        """The models that are to run."""
        beside = {Stage.SHADOW: self.shadow, Stage.PROMOTED: self.before}
        return Running(self.active, beside.get(self.stage))

    @property
    def kept(self) -> frozenset[str]:
        """Packages that must stay on the disk."""
        models = (self.active, self.before, self.shadow)
        return frozenset(m.package for m in models if m is not None and m.package != SHIPPED)


@dataclass(frozen=True)
class Told:
    """An event of a model; `value` and `limit` are its innovation and the reference's, mV."""

    code: str
    model: Model
    words: Words
    value: float | None = None
    limit: float | None = None
    active: bool = True


@dataclass(frozen=True)
class Settled:
    """What has become of an order, for its receipt; `untold`: no event tells it."""

    order_id: str
    outcome: Outcome
    reason_code: str
    words: Words
    untold: bool = False


@dataclass(frozen=True)
class Change:
    """The next life, and what is told of the way there."""

    life: Life
    told: tuple[Told, ...] = ()
    settled: tuple[Settled, ...] = ()


def why_refused(life: Life, asked: ModelOrder) -> str | None:
    """Return the reason code by which a model order is refused now; None when it can be done."""
    match asked.action:
        case ModelAction.DEPLOY:
            if asked.package == life.active.package:
                return "model_in_force"
            return "model_busy" if life.running.second is not None else None
        case ModelAction.PROMOTE:
            on_trial = life.shadow if life.stage is Stage.SHADOW else None
            on_probation = life.active if life.stage is Stage.PROMOTED else None
            return _unless_one_of(asked, on_trial, on_probation)
        case ModelAction.ROLLBACK:
            replaceable = life.active if life.before is not None else None
            return _unless_one_of(asked, life.shadow, replaceable)


def begin(life: Life, asked: ModelOrder, order_id: str) -> Change:
    """Let a model that has arrived run in shadow; or put it in force at once, if so ordered."""
    model = Model(asked.package, asked.name, asked.version)
    life = replace(
        life,
        shadow=model,
        stage=Stage.SHADOW,
        order_id=order_id,
        shadow_s=asked.shadow_s,
        auto_promote=asked.auto_promote,
        reason="",
        trial=Trial(),
    )
    if asked.shadow_s == 0:
        return promote(life)
    words = Words(f"{model.title}, {asked.shadow_s} s", f"{model.title}，{asked.shadow_s} 秒")
    settled = () if asked.auto_promote else (_executed(order_id, words),)
    return Change(life, (Told("model.shadow", model, words),), settled)


def lose(life: Life, why: Fault, order_id: str, by_order: str = "") -> Change:
    """Answer that a model does not come; `by_order` gave it up, if an order did."""
    settled = Settled(order_id, Outcome.FAILED, why.reason_code, why.words, untold=not by_order)
    given_up = (_executed(by_order, why.words),) if by_order else ()
    return Change(life, settled=(settled, *given_up))


def promote(life: Life, order_id: str = "") -> Change:
    """Put the model in shadow in force; `order_id` is that of the promote order, if there is one.

    A model that is in force on probation has proved itself with that.
    """
    model = life.shadow
    if life.stage is Stage.PROMOTED or model is None:
        return _with_order(_confirm(life), order_id)
    words = _figures(model, life.trial)
    told = Told("model.promoted", model, words, *_measured(life.trial))
    settled = (_executed(life.order_id, words),) if life.order_id else ()
    over = _drift_over(life)
    life = replace(
        life,
        active=model,
        before=life.active,
        shadow=None,
        stage=Stage.PROMOTED,
        trial=Trial(),
        drift=Drift(),
    )
    return _with_order(Change(life, (told, *over), settled), order_id)


def take_back(life: Life, why: Fault, order_id: str = "") -> Change:
    """Go back to the model before; `order_id` is that of the rollback order, if there is one."""
    reason = REASONS[why.reason_code]
    detail = Words(f"{reason.en}: {why.words.en}", f"{reason.zh}：{why.words.zh}")
    on_trial = life.shadow if life.stage is Stage.SHADOW else None
    model = on_trial or life.active
    words = Words(f"{model.title}: {detail.en}", f"{model.title}：{detail.zh}")
    told = Told("model.rolled_back", model, words, *_measured(life.trial))
    settled: tuple[Settled, ...] = ()
    if life.order_id:
        settled = (Settled(life.order_id, Outcome.FAILED, why.reason_code, detail),)
    after = replace(life, shadow=None, stage=Stage.ROLLED_BACK, order_id="", reason=why.reason_code)
    over: tuple[Told, ...] = ()
    if on_trial is None and life.before is not None:
        over = _drift_over(life)
        after = replace(after, active=life.before, before=None, drift=Drift())
    return _with_order(Change(after, (told, *over), settled), order_id)


def fail(life: Life, why: Words) -> Change:
    """Answer that the newest model cannot be run at all; nothing changes where there is none."""
    if life.running.second is None:
        return Change(life)
    return take_back(life, Fault("model_failed", why))


def second(life: Life, told: Second, rules: Rules) -> Change:
    """Take one second in which the models ran as the life says.

    Args:
        life: before it.
        told: the candidate is the model in shadow, or the one in force where none is.
        rules: of the station.
    """
    match life.stage:
        case Stage.SHADOW:
            settle_s = judge.settle_s(life.shadow_s)
            life = _watched(life, told, rules, settle_s)
            pass_on = promote if life.auto_promote else None
            change = _judged(life, rules, (life.shadow_s, settle_s), pass_on)
            return _watch_drift(change, told.reference_mv)
        case Stage.PROMOTED:
            life = _watched(life, told, rules, 0)
            return _judged(life, rules, (rules.probation_s, 0), _confirm)
        case _:
            return _watch_drift(Change(life), told.mv)


def next_step(running: Running, wanted: Running) -> Running | None:
    """Return the next arrangement on the way to the wanted one, None when it is there.

    One step is one message to who runs the models: another second model (`second` differs), or
    the two change places.
    """
    if running == wanted:
        return None
    if running.active == wanted.active:
        return Running(running.active, wanted.second)
    if running.second == wanted.active:
        return Running(running.second, running.active)
    return Running(running.active, wanted.active)


def _watched(life: Life, told: Second, rules: Rules, settle_s: int) -> Life:
    return replace(life, trial=judge.watch(life.trial, told, rules.bounds, settle_s))


def _judged(
    life: Life, rules: Rules, span: tuple[int, int], pass_on: Callable[[Life], Change] | None
) -> Change:
    """Take the newest model back, pass it on, or go on trying it."""
    wanted_s, settle_s = span
    found = judge.fault(life.trial, rules.bounds)
    is_over = judge.is_enough(life.trial, wanted_s, settle_s)
    if found is None and is_over and pass_on is not None:
        found = judge.final_fault(life.trial, rules.bounds)
        if found is None:
            return pass_on(life)
    return Change(life) if found is None else take_back(life, found)


def _confirm(life: Life) -> Change:
    words = _figures(life.active, life.trial)
    told = Told("model.confirmed", life.active, words, *_measured(life.trial))
    return Change(replace(life, stage=Stage.NONE, order_id="", trial=Trial()), (told,))


def _watch_drift(change: Change, innovation_mv: float) -> Change:
    before = change.life.drift
    drift = drifting.watch(before, innovation_mv)
    life = replace(change.life, drift=drift)
    told = change.told
    if drift.drifts != before.drifts:
        words = Words(life.active.title, life.active.title)
        told = (*told, Told("model.drift", life.active, words, active=drift.drifts))
    return Change(life, told, change.settled)


def _drift_over(life: Life) -> tuple[Told, ...]:
    """Tell that a model which is no longer in force drifts no more."""
    if not life.drift.drifts:
        return ()
    words = Words(life.active.title, life.active.title)
    return (Told("model.drift", life.active, words, active=False),)


def _with_order(change: Change, order_id: str) -> Change:
    if not order_id:
        return change
    words = change.told[0].words
    return Change(change.life, change.told, (*change.settled, _executed(order_id, words)))


def _executed(order_id: str, words: Words) -> Settled:
    return Settled(order_id, Outcome.EXECUTED, "ok", words)


def _unless_one_of(asked: ModelOrder, *models: Model | None) -> str | None:
    packages = {model.package for model in models if model is not None}
    return None if asked.package in packages else "model_unknown"


def _measured(trial: Trial) -> tuple[float | None, float | None]:
    """Return the innovations of candidate and reference in mV, for an event."""
    value, reference = trial.mv
    return (round(value, 3), round(reference, 3)) if trial.compared_mv else (None, None)


def _figures(model: Model, trial: Trial) -> Words:
    said = judge.figures(trial)
    if not said.en:
        return Words(model.title, model.title)
    return Words(f"{model.title}, {said.en}", f"{model.title}，{said.zh}")
