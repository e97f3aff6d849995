"""From what is known to bids worth approving. The room's public face.

Here the other rooms of the market meet: prices and forecasts go in, a plan is made, and what it
wants is offered by the rules of the market, each interval with the price from which it pays and
the reason why.
"""

from cloud.market.desk.drafter import Drafter
from cloud.market.desk.drafting import Draft, DraftRequest, draft
from cloud.market.desk.forecasting import Forecaster, Sources, read_history
from cloud.market.desk.offers import energy_offers, held_offers

__all__ = [
    "Draft",
    "DraftRequest",
    "Drafter",
    "Forecaster",
    "Sources",
    "draft",
    "energy_offers",
    "held_offers",
    "read_history",
]
