"""Why an act cannot be done to an alarm: a code that stays, for programs; a text, for people."""

from dataclasses import dataclass
from enum import StrEnum

from cloud.alarms.definitions import Definition
from cloud.alarms.states import SILENT, UNANSWERED, Change, Life, State


class Why(StrEnum):
    """The rule that an act breaks; part of the API, and translated by the console."""

    SILENT = "silent"
    NOTHING_TO_ACKNOWLEDGE = "nothing_to_acknowledge"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    CONDITION_STANDS = "condition_stands"
    NOT_LATCHED = "not_latched"
    SAFETY = "safety"
    OUT_OF_SERVICE = "out_of_service"
    NOT_SHELVED = "not_shelved"
    IN_SERVICE = "in_service"
    COME_AGAIN = "come_again"
    SHELF_TOO_LONG = "shelf_too_long"
    NO_REASON = "no_reason"
    REASON_TOO_LONG = "reason_too_long"
    NUMBER_OF_ALARMS = "number_of_alarms"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an alarm, or all of an act, was left as it is."""

    code: Why
    text: str


def refusal(life: Life, rule: Definition, change: Change) -> Refusal | None:
    """Return why an act cannot be done to an alarm; None when it can."""
    found = _broken(life, rule, change)
    return None if found is None else Refusal(found[0], f"{rule.words().en}: {found[1]}")


def _broken(life: Life, rule: Definition, change: Change) -> tuple[Why, str] | None:  # noqa: PLR0911 - one for each rule
    state = life.state
    match change:
        case Change.ACKNOWLEDGED if state in SILENT:
            return Why.SILENT, f"is {_said(state)}; it needs no answer while it is"
        case Change.ACKNOWLEDGED if state not in UNANSWERED:
            said = f"is {_said(state)}; there is nothing to acknowledge"
            return Why.NOTHING_TO_ACKNOWLEDGE, said
        case Change.RESET if state is State.RETURNED:
            return Why.NOT_ACKNOWLEDGED, "acknowledge it first"
        case Change.RESET if state is not State.LATCHED and life.active:
            return Why.CONDITION_STANDS, "its condition still stands; there is nothing to reset"
        case Change.RESET if state is not State.LATCHED:
            return Why.NOT_LATCHED, "it is not latched; there is nothing to reset"
        case Change.SHELVED if not rule.shelvable:
            return Why.SAFETY, (
                "an alarm of class safety is never shelved; acknowledge it, or have an engineer"
                " take it out of service"
            )
        case Change.SHELVED | Change.TAKEN_OUT if life.out_of_service:
            return Why.OUT_OF_SERVICE, "is out of service already"
        case Change.UNSHELVED if life.shelved_until_ms is None:
            return Why.NOT_SHELVED, "is not shelved"
        case Change.PUT_BACK if not life.out_of_service:
            return Why.IN_SERVICE, "is in service already"
        case _:
            return None


def _said(state: State) -> str:
    return "suppressed by design" if state is State.SUPPRESSED else state.value.replace("_", " ")
