"""The life of bids: from the draft to the cent, each step once, each with who and why."""

from cloud.market.bids.acts import NewBid, approve, draft, edit, weigh_again, withdraw
from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.content import (
    Approver,
    Content,
    Delivery,
    Judgement,
    Measured,
    Reason,
    Scheduled,
    Settlement,
)
from cloud.market.bids.decide import Times
from cloud.market.bids.exchange import (
    Accepted,
    Award,
    Cleared,
    Document,
    Exchange,
    NotYet,
    Rejected,
    Replaced,
    Unclear,
    Unknown,
    Withdrawn,
)
from cloud.market.bids.ports import Desk
from cloud.market.bids.rows import (
    Listed,
    Step,
    beside,
    listed,
    load,
    log_of,
    others_judged,
    paper_of,
)
from cloud.market.bids.states import State, may_follow
from cloud.market.bids.watch import DEADLINE, MISSED, UNCLEAR, any_open, conditions
from cloud.market.bids.worker import Worker

__all__ = [
    "DEADLINE",
    "MISSED",
    "UNCLEAR",
    "Accepted",
    "Approver",
    "Award",
    "Bid",
    "Cleared",
    "Content",
    "Delivery",
    "Desk",
    "Document",
    "Exchange",
    "Judgement",
    "Listed",
    "Measured",
    "NewBid",
    "NotYet",
    "Reason",
    "Rejected",
    "Replaced",
    "Scheduled",
    "Settlement",
    "State",
    "Step",
    "Times",
    "Unclear",
    "Unknown",
    "Version",
    "Withdrawn",
    "Worker",
    "any_open",
    "approve",
    "beside",
    "conditions",
    "draft",
    "edit",
    "listed",
    "load",
    "log_of",
    "may_follow",
    "others_judged",
    "paper_of",
    "weigh_again",
    "withdraw",
]
