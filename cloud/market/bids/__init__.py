"""The life of bids: from the draft to the cent, each step once, each with who and why."""

from cloud.market.bids.exchange import (
    Accepted,
    Award,
    Cleared,
    Document,
    Exchange,
    NotYet,
    Rejected,
    Unclear,
    Unknown,
    Withdrawn,
)
from cloud.market.bids.states import State, may_follow

__all__ = [
    "Accepted",
    "Award",
    "Cleared",
    "Document",
    "Exchange",
    "NotYet",
    "Rejected",
    "State",
    "Unclear",
    "Unknown",
    "Withdrawn",
    "may_follow",
]
