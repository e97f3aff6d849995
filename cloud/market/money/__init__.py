"""What the desk has earned: settled days by market, hour and station, against plan and foresight.

Money is Decimal with its currency beside it; amounts of several currencies are never added.
"""

from cloud.market.money.annual import Annual, annual
from cloud.market.money.collect import newest_weighed, settled_days
from cloud.market.money.ledger import Ledger, StationDay, ledgers
from cloud.market.money.perfect import with_perfect
from cloud.market.money.waterfall import STEPS, Offer, Waterfall, add_up, waterfall

__all__ = [
    "STEPS",
    "Annual",
    "Ledger",
    "Offer",
    "StationDay",
    "Waterfall",
    "add_up",
    "annual",
    "ledgers",
    "newest_weighed",
    "settled_days",
    "waterfall",
    "with_perfect",
]
