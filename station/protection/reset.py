"""Ending a latched trip: only once its cause is seen to be gone, refused in words otherwise."""

from dataclasses import dataclass, replace
from types import MappingProxyType

from contract.words import Words
from station.protection.findings import Latch, names, still_there
from station.protection.levels import ResetRule
from station.protection.rules import Rules, load_rules
from station.protection.state import ProtectionState
from station.protection.verdict import Moment

STATION = "station"
"""The target that means everything that may be reset together."""


@dataclass(frozen=True)
class Done:
    """The latches are gone; the words say which."""

    words: Words


@dataclass(frozen=True)
class Refused:
    """Nothing was changed; a reason code of receipts and words that say why."""

    reason_code: str
    words: Words


def reset(
    state: ProtectionState, target: str, now_ms: int, rules: Rules | None = None
) -> tuple[ProtectionState, Done | Refused]:
    """Reset what is latched at a device, in a container, or in the whole station.

    It is all or nothing: one cause that stands, or cannot be seen to be gone, refuses it. A
    latch that must be named is only reset by its device's own tag.

    Args:
        state: the state of the last cycle.
        target: tag of a device, name of a container, or "station".
        now_ms: station time.
        rules: the rules in force, by default the shipped ones.
    """
    rules = rules or load_rules()
    chosen = [latch for latch in state.latched.values() if _is_meant(latch, target)]
    if not chosen:
        return state, Refused("invalid_payload", _nothing(state, target))
    seen = [(latch, still_there(latch, state.judged, rules)) for latch in chosen]
    standing = [latch for latch, stands in seen if stands]
    unseen = [latch for latch, stands in seen if stands is None]
    if standing:
        words = names(standing)
        told = Words(f"the cause still stands: {words.en}", f"原因仍未消除：{words.zh}")
        return state, Refused("cause_stands", told)
    if unseen:
        words = names(unseen)
        told = Words(
            f"it cannot be seen whether the cause is gone: {words.en}",
            f"无法确认原因是否消除：{words.zh}",
        )
        return state, Refused("cause_stands", told)
    gone = {(latch.rule, latch.device) for latch in chosen}
    words = names(chosen)
    moment = Moment("protection.reset", chosen[0].device, now_ms, words, tag=target[:64])
    after = replace(
        state,
        latched=MappingProxyType({k: v for k, v in state.latched.items() if k not in gone}),
        untold=(*state.untold, moment),
    )
    return after, Done(words)


def _is_meant(latch: Latch, target: str) -> bool:
    if target == latch.device:
        return True
    wide = target == STATION or (target != "" and target == latch.container)
    return wide and latch.reset is not ResetRule.NAMED


def _nothing(state: ProtectionState, target: str) -> Words:
    named = [latch for latch in state.latched.values() if latch.reset is ResetRule.NAMED]
    if target == STATION and named:
        words = names(named)
        return Words(
            f"what is left must be reset by its own name: {words.en}",
            f"其余须按设备名称单独复归：{words.zh}",
        )
    return Words(f"nothing is latched at {target}", f"{target} 无闭锁")
