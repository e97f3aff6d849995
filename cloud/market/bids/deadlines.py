"""What the log says of deadlines: how far a gate is ahead, and why a version did not go out."""

from typing import Final

from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.content import Approver, Judgement
from cloud.market.bids.states import State

_MINUTE_MS: Final = 60_000
_NEARLY_MS: Final = 55_000
"""From there on it is told as a minute: a step is done some seconds after it is due."""


def left(ms: int) -> str:
    """Return a time before a gate as it is told: in minutes, below one in seconds."""
    if ms < _NEARLY_MS:
        seconds = max(round(ms / 1e3), 0)
        return f"{seconds} second" if seconds == 1 else f"{seconds} seconds"
    minutes = round(ms / _MINUTE_MS)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def why_lapsed(bid: Bid, version: Version, judged: Judgement | None) -> str:
    """Return why an open version of a bid lapses at its gate.

    Args:
        bid: as it is at the gate.
        version: that lapses.
        judged: what the last check has said of the open fall-back; None: there is none.
    """
    if version.state is State.APPROVED:
        return "the gate closed before it was handed over"
    if bid.is_safe:
        return "the gate closed; it was not needed"
    return f"the gate closed, nothing was approved; {_of_fallback(bid.fallback, judged)}"


def _of_fallback(spare: Version | None, judged: Judgement | None) -> str:
    if spare is None:
        return "there is no fall-back"
    if spare.blocked:
        return "the fall-back breaks a rule or a limit"
    if judged is not None and judged.approver is Approver.HEAD_TRADER:
        return "the fall-back goes only when a head of trading approves it"
    return "the fall-back was not checked or sent in time"
