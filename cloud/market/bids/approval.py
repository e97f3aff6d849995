"""Whether an approval still stands when the bid goes out: for these offers, by one who may.

Between approval and submission prices and limits move, people lose roles, and what a rule could
approve may be too large by now. An approval that does not hold any more sends the version back to
be looked at; nothing is handed over on the word of somebody who could not give it now.
"""

from typing import Final

from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.content import Approval, Approver, Judgement, fingerprint
from cloud.market.bids.ports import Desk

FALLBACK_RULE: Final = "rule:fall-back"
_RULE: Final = "rule:"


def rule_of(judged: Judgement | None) -> str:
    """Return the name under which a desk's rule approves."""
    return f"{_RULE}{judged.rule}" if judged is not None and judged.rule else f"{_RULE}desk"


async def fault_of(
    approval: Approval | None, bid: Bid, version: Version, judged: Judgement, desk: Desk
) -> str:
    """Return why an approval does not hold any more, or nothing.

    Args:
        approval: as it was given; None: there is none on record.
        bid: the bid.
        version: what is about to go out.
        judged: as it is weighed now.
        desk: knows what people may do.
    """
    if approval is None or approval.who != version.approved_by:
        return "there is no record of what was approved"
    if approval.fingerprint != fingerprint(version.content.bid_set):
        return f"{approval.who} has approved other offers than these"
    if approval.who.startswith(_RULE):
        return _fault_of_rule(approval.who, judged)
    large = judged.approver is Approver.HEAD_TRADER
    if large and approval.who == version.made_by:
        return f"{approval.who} has made it, and it is above what one person may decide by now"
    if not await desk.may_approve(approval.who, bid.station, large=large):
        return f"{approval.who} may not approve it by now"
    return ""


def _fault_of_rule(rule: str, judged: Judgement) -> str:
    if rule == FALLBACK_RULE:
        large = judged.approver is Approver.HEAD_TRADER
        return "it is above what goes without a head of trading by now" if large else ""
    enough = judged.approver is Approver.RULE and rule == rule_of(judged)
    return "" if enough else "it is above what a rule may approve by now"
