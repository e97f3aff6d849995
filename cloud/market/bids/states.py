"""The states of a bid's life, and which may follow which.

    drafted -> checked -> approved -> submitted -> accepted -> cleared -> scheduled -> delivered
            -> settled

The life is that of one version of a bid: an edit makes a new version, which goes the whole way
again. At most one version stands at the exchange; when a later one is accepted in its place, it
is `amended`.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a version of a bid is."""

    DRAFTED = "drafted"  # made by a model or a person; nothing has looked at it
    CHECKED = "checked"  # keeps the market's rules and the desk's limits
    APPROVED = "approved"  # by a person or a named rule
    SUBMITTED = "submitted"  # written down as handed to the exchange, which may have it
    ACCEPTED = "accepted"  # the exchange says that it stands
    REJECTED = "rejected"  # the exchange has refused it
    AMENDED = "amended"  # stood, until a later version took its place
    CLEARED = "cleared"  # the market has said what is bought and sold
    SCHEDULED = "scheduled"  # the station has its orders
    DELIVERED = "delivered"  # measured at the meter
    SETTLED = "settled"  # paid, to the cent
    WITHDRAWN = "withdrawn"  # taken back by somebody before delivery
    LAPSED = "lapsed"  # the gate closed before it was handed in


_S = State
FOLLOWING: Final[dict[State, frozenset[State]]] = {
    _S.DRAFTED: frozenset({_S.CHECKED, _S.WITHDRAWN, _S.LAPSED}),
    _S.CHECKED: frozenset({_S.DRAFTED, _S.APPROVED, _S.WITHDRAWN, _S.LAPSED}),
    _S.APPROVED: frozenset({_S.DRAFTED, _S.SUBMITTED, _S.WITHDRAWN, _S.LAPSED}),
    _S.SUBMITTED: frozenset({_S.ACCEPTED, _S.REJECTED, _S.WITHDRAWN, _S.AMENDED, _S.LAPSED}),
    _S.ACCEPTED: frozenset({_S.AMENDED, _S.CLEARED, _S.WITHDRAWN}),
    _S.CLEARED: frozenset({_S.SCHEDULED}),
    _S.SCHEDULED: frozenset({_S.DELIVERED}),
    _S.DELIVERED: frozenset({_S.SETTLED}),
}
"""A state that is no key here is an end. Checked and approved go back to drafted when a later
check, with the prices and limits of then, blocks them."""

ENDS: Final = frozenset(State) - FOLLOWING.keys()
OPEN: Final = frozenset({_S.DRAFTED, _S.CHECKED, _S.APPROVED})
"""Not yet handed to the exchange."""
STANDING: Final = frozenset({_S.SUBMITTED, _S.ACCEPTED})
"""The exchange has it, or may have it, and the market has not cleared."""
WON: Final = frozenset({_S.CLEARED, _S.SCHEDULED, _S.DELIVERED, _S.SETTLED})
"""The market has said what is bought and sold."""


def may_follow(before: State | None, after: State) -> bool:
    """Whether `after` may follow `before`; None: the version is being made."""
    if before is None:
        return after is State.DRAFTED
    return after in FOLLOWING.get(before, frozenset())


STATE_ZH: Final = {
    State.DRAFTED: "为草稿",
    State.CHECKED: "已校核",
    State.APPROVED: "已签署",
    State.SUBMITTED: "已提交",
    State.ACCEPTED: "已被交易所受理",
    State.REJECTED: "已被交易所拒绝",
    State.AMENDED: "已被替换",
    State.CLEARED: "已出清",
    State.SCHEDULED: "已下达电站",
    State.DELIVERED: "已交割",
    State.SETTLED: "已结算",
    State.WITHDRAWN: "已撤回",
    State.LAPSED: "已失效",
}
"""States in Chinese, as refusals name them."""
