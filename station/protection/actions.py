"""The closed loop: every action is sent, awaited in the plant, repeated, and escalated.

An action is done when the plant shows it. Not shown within its time it is sent again; after
its last attempt it counts as failed: a rule then finds the contactor stuck or the converter
running, and the matrix reaches one level further (rack, container, station). It is sent on
for as long as it is wanted, more and more slowly. When nobody wants it any more, what
protection has changed is put back: contactors that it opened are closed, cooling and
ventilation switched back. Converters are started by whoever dispatches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contract.words import Words
from station.protection.effects import Key, Part, Wish
from station.protection.feedback import Feedback
from station.protection.matrix import ClosedLoop
from station.protection.verdict import Moment, ProtectiveAction


@dataclass(frozen=True)
class Acting:
    """One action under way or done.

    Attributes:
        device, part, container, on: what shall be so.
        cause: who wants it, ``rule:device``.
        why: the cause in words.
        confirm_s: the plant must show it within.
        begun_ms, sent_ms: station times of the wish and of the last attempt.
        attempt: attempts so far.
        confirmed: the plant shows it.
        failed: the last attempt of the first round was not confirmed.
        back: nobody wants it any more and it is being put back.
        ours: protection has changed the device, so it is protection that puts it back.
    """

    device: str
    part: Part
    container: str
    on: bool
    cause: str
    why: Words
    confirm_s: float
    begun_ms: int
    sent_ms: int = 0
    attempt: int = 0
    confirmed: bool = False
    failed: bool = False
    back: bool = False
    ours: bool = False


Actings = Mapping[Key, Acting]


@dataclass(frozen=True)
class Loop:
    """What one cycle of the closed loop gave."""

    actings: Actings
    actions: tuple[ProtectiveAction, ...]
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Now:
    """The moment: time, what the plant shows, the settings, who has control and if it is known."""

    ms: int
    shown: Feedback
    settings: ClosedLoop
    local: bool
    known: bool = True


def advance(wishes: Mapping[Key, Wish], actings: Actings, now: Now) -> Loop:
    """Return the actions of this cycle and what is remembered of them."""
    kept: dict[Key, Acting] = {}
    actions: list[ProtectiveAction] = []
    moments: list[Moment] = []
    for key in [*wishes, *(k for k in actings if k not in wishes)]:
        wish, known = wishes.get(key), actings.get(key)
        acting = known if wish is None else _wanted(wish, known, now)
        if acting is not None and wish is None:
            acting = _put_back(acting, now)
        if acting is None:
            continue
        # Protecting does not wait for the panel's first word; closing again does.
        blocked = now.local or (wish is None and not now.known)
        blocked = blocked and not (wish is not None and wish.in_local)
        if (wish is None or wish.ready) and not blocked:
            acting, action, told = _pursue(acting, now)
            actions += [action] if action is not None else []
            moments += told
        if not (acting.back and (acting.confirmed or acting.failed)):
            kept[key] = acting
    return Loop(kept, tuple(actions), tuple(moments))


def _wanted(wish: Wish, known: Acting | None, now: Now) -> Acting:
    """Return the action for a wish: the one under way, or a new one."""
    if known is not None and known.on == wish.on and not known.back:
        return replace(known, cause=wish.cause, why=wish.finding.words, confirm_s=wish.confirm_s)
    return Acting(
        device=wish.device,
        part=wish.part,
        container=wish.container,
        on=wish.on,
        cause=wish.cause,
        why=wish.finding.words,
        confirm_s=wish.confirm_s,
        begun_ms=now.ms,
        # Whoever wants a thing again that was being put back inherits that it was changed.
        ours=known is not None and known.ours,
    )


def _put_back(acting: Acting, now: Now) -> Acting | None:
    """Turn an action that nobody wants any more round; None when there is nothing to undo."""
    if acting.back:
        return acting
    if not acting.ours or acting.part is Part.CONVERTER:
        return None
    return replace(
        acting,
        on=not acting.on,
        back=True,
        begun_ms=now.ms,
        sent_ms=0,
        attempt=0,
        confirmed=False,
        failed=False,
        confirm_s=now.settings.close_within_s,
    )


def _pursue(acting: Acting, now: Now) -> tuple[Acting, ProtectiveAction | None, list[Moment]]:
    """Look whether the plant shows the action; send it, again, or give up the first round."""
    if now.shown.shows(acting.device, acting.part, on=acting.on):
        told = [_confirmed(acting, now)] if acting.attempt and not acting.confirmed else []
        return replace(acting, confirmed=True, failed=False), None, told
    if acting.confirmed:
        # Somebody has undone it: a new round begins.
        acting = replace(acting, confirmed=False, attempt=0, failed=False)
    waited_s = (now.ms - acting.sent_ms) / 1000
    most = now.settings.close_attempts if acting.back else now.settings.attempts
    told = []
    if acting.attempt >= most and not acting.failed and waited_s >= acting.confirm_s:
        acting = replace(acting, failed=True)
        told = [_failed(acting, now)]
    if not _due(acting, waited_s, most, now):
        return acting, None, told
    told += [_told(acting, now)] if acting.attempt == 0 else []
    return *_send(acting, now), told


def _due(acting: Acting, waited_s: float, most: int, now: Now) -> bool:
    """Whether an attempt is to be made now."""
    if acting.back and acting.part is Part.CONTACTOR and not _may_close(acting, now):
        return False
    if acting.attempt == 0:
        return True
    if acting.attempt < most:
        return waited_s >= acting.confirm_s
    quick = acting.attempt - most < now.settings.repeats
    pause_s = now.settings.repeat_s if quick else now.settings.slow_repeat_s
    return acting.failed and not acting.back and waited_s >= pause_s


def _may_close(acting: Acting, now: Now) -> bool:
    """A contactor closes onto a bus without power; a dead converter is not waited for long."""
    waited_s = (now.ms - acting.begun_ms) / 1000
    return now.shown.idle(acting.container) or waited_s >= now.settings.close_within_s


def _send(acting: Acting, now: Now) -> tuple[Acting, ProtectiveAction]:
    sent = replace(acting, sent_ms=now.ms, attempt=acting.attempt + 1, ours=True)
    point, value = _command(sent)
    identity = f"protection-{now.ms}-{sent.device}-{point}-{sent.attempt}"
    action = ProtectiveAction(identity, sent.device, point, value, sent.cause, sent.attempt)
    return sent, action


def _command(acting: Acting) -> tuple[str, float]:
    match acting.part:
        case Part.CONTACTOR:
            return ("close_contactor" if acting.on else "open_contactor"), 1.0
        case Part.CONVERTER:
            return "stop", 1.0
        case Part.COOLING:
            return "cooling", float(acting.on)
        case Part.VENTILATION:
            return "ventilation", float(acting.on)


_DEEDS = {
    (Part.CONTACTOR, False): Words("open contactor", "断开接触器"),
    (Part.CONTACTOR, True): Words("close contactor", "闭合接触器"),
    (Part.CONVERTER, False): Words("stop converter", "停止 PCS"),
    (Part.CONVERTER, True): Words("start converter", "启动 PCS"),
    (Part.COOLING, False): Words("cooling off", "关闭冷却"),
    (Part.COOLING, True): Words("cooling on", "开启冷却"),
    (Part.VENTILATION, False): Words("ventilation off", "关闭通风"),
    (Part.VENTILATION, True): Words("ventilation on", "开启通风"),
}


def _moment(code: str, acting: Acting, at_ms: int, ending: Words) -> Moment:
    deed = _DEEDS[(acting.part, acting.on)]
    return Moment(
        code,
        acting.device,
        at_ms,
        Words(deed.en + ending.en, deed.zh + ending.zh),
        tag=f"{acting.part}-{'on' if acting.on else 'off'}",
    )


def _told(acting: Acting, now: Now) -> Moment:
    ending = Words(f", because of {acting.why.en}", f"，原因：{acting.why.zh}")
    if acting.back:
        ending = Words(", its cause is gone", "，原因已消除")
    return _moment("protection.action", acting, now.ms, ending)


def _confirmed(acting: Acting, now: Now) -> Moment:
    ending = Words(" shown by the plant", "已由现场反馈确认")
    at_ms = now.shown.time_ms(acting.device) or now.ms
    return _moment("protection.confirmed", acting, at_ms, ending)


def _failed(acting: Acting, now: Now) -> Moment:
    tries = acting.attempt
    if acting.back:
        ending = Words(f" not shown after {tries} attempts, left", f"{tries} 次未确认，放弃")
        return _moment("protection.action", acting, now.ms, ending)
    if acting.part in (Part.COOLING, Part.VENTILATION):
        further = Words("a person must look", "需人工处理")
    else:
        further = Words(
            f"the whole container {acting.container} follows",
            f"扩大到整个集装箱 {acting.container}",
        )
    ending = Words(
        f" not shown by the plant after {tries} attempts: {further.en}",
        f"{tries} 次未得到现场确认：{further.zh}",
    )
    return _moment("protection.escalated", acting, now.ms, ending)
