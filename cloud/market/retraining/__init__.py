"""Learning the bidding policy anew, week after week: what was trained, judged, and may bid.

Here lies what is light: wishes, records, and which policy may bid. The training itself
(`courses`, `work`) needs the extras `market` and `policy` and is imported by the process that
trains (`cloud.trainer`) alone.
"""

from cloud.market.retraining.record import (
    MOST_STARTS,
    Fault,
    Figures,
    State,
    Training,
    give_up,
    goes_on,
    newest,
    places,
    trainings,
)
from cloud.market.retraining.shelf import FallsBack, Lacks, MayBid, standing
from cloud.market.retraining.wish import Wish

__all__ = [
    "MOST_STARTS",
    "FallsBack",
    "Fault",
    "Figures",
    "Lacks",
    "MayBid",
    "State",
    "Training",
    "Wish",
    "give_up",
    "goes_on",
    "newest",
    "places",
    "standing",
    "trainings",
]
