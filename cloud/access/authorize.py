"""Who may do what: one question, one answer with its reason, denied unless a rule permits.

Viewers look; operators also send orders, answer and shelve alarms; engineers answer and shelve
alarms, take them out of service, and bring models to stations (one uploads, another approves);
administrators also add stations and users. Traders make, change and approve bids within what their
desk may do alone; heads of trading also set those limits, and approve what lies above them. Every
caller asks `authorize` and nothing else, so that the rules can be read in one place.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person is here for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    TRADER = "trader"
    HEAD_TRADER = "head_trader"
    ADMIN = "admin"


class Action(StrEnum):
    """Everything that is asked about."""

    READ = "read"
    SEND_ORDER = "send_order"
    ANSWER_ALARM = "answer_alarm"
    SHELVE_ALARM = "shelve_alarm"
    TAKE_ALARM_OUT = "take_alarm_out"
    UPLOAD_MODEL = "upload_model"
    APPROVE_MODEL = "approve_model"
    DEPLOY_MODEL = "deploy_model"
    READ_MARKET = "read_market"
    IMPORT_PRICES = "import_prices"
    EDIT_BID = "edit_bid"
    APPROVE_BID = "approve_bid"
    APPROVE_LARGE_BID = "approve_large_bid"
    SET_LIMITS = "set_limits"
    CREATE_STATION = "create_station"
    CREATE_USER = "create_user"


@dataclass(frozen=True)
class User:
    """A person or program that has proved who it is."""

    id: str
    name: str
    roles: frozenset[Role]
    language: str = "en"


@dataclass(frozen=True)
class Resource:
    """What the action touches: a kind ("station", "alarm", "fleet", "page") and perhaps an id."""

    kind: str
    id: str | None = None


@dataclass(frozen=True)
class Decision:
    """The answer and the rule that gave it."""

    allowed: bool
    rule: str


_TRADES: Final = frozenset(
    {
        Action.READ,
        Action.READ_MARKET,
        Action.IMPORT_PRICES,
        Action.EDIT_BID,
        Action.APPROVE_BID,
    }
)
_PERMITS: dict[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.READ}),
    Role.OPERATOR: frozenset(
        {Action.READ, Action.SEND_ORDER, Action.ANSWER_ALARM, Action.SHELVE_ALARM}
    ),
    Role.ENGINEER: frozenset(
        {
            Action.READ,
            Action.ANSWER_ALARM,
            Action.SHELVE_ALARM,
            Action.TAKE_ALARM_OUT,
            Action.UPLOAD_MODEL,
            Action.APPROVE_MODEL,
            Action.DEPLOY_MODEL,
        }
    ),
    Role.TRADER: _TRADES,
    Role.HEAD_TRADER: _TRADES | {Action.APPROVE_LARGE_BID, Action.SET_LIMITS},
    Role.ADMIN: frozenset(Action),
}


def authorize(user: User | None, action: Action, resource: Resource) -> Decision:
    """Whether `user` may do `action` to `resource`, and which rule says so."""
    if user is None:
        return Decision(allowed=False, rule="nobody is signed in")
    for role in sorted(user.roles):
        if action in _PERMITS[role]:
            return Decision(allowed=True, rule=f"role {role} permits {action}")
    where = f"{resource.kind} {resource.id}" if resource.id else resource.kind
    roles = ", ".join(sorted(user.roles)) or "none"
    return Decision(allowed=False, rule=f"no role of {roles} permits {action} on {where}")
