"""All checks of a bid in one call, so that none is forgotten before it is sent."""

from collections.abc import Sequence

from cloud.market.battery import Battery
from cloud.market.bid import BidSet
from cloud.market.exchanges.amendment import check_amendment
from cloud.market.exchanges.check import check, check_eligibility
from cloud.market.exchanges.formats.aemo_json import check_unit
from cloud.market.exchanges.market import Market
from cloud.market.exchanges.sending import Party
from cloud.market.exchanges.together import check_together
from cloud.market.exchanges.violations import Violation
from cloud.market.exchanges.words import Format, Role


def check_everything(
    bid_set: BidSet,
    market: Market,
    battery: Battery,
    *,
    party: Party,
    role: Role = Role.INDEPENDENT,
    now_ms: int | None = None,
    before: BidSet | None = None,
    reason: str = "",
    others: Sequence[BidSet] = (),
) -> tuple[Violation, ...]:
    """Return every reason why a bid may not be sent: rules, role, unit, amendment, other bids.

    Args:
        bid_set: the bid.
        market: where it is offered.
        battery: what the station can do.
        party: as whom it is sent; its loss factors count.
        role: as what the station stands in the market.
        now_ms: UTC epoch; None leaves gate closures unchecked.
        before: the bid that it replaces at the exchange; None: it is the first.
        reason: why it replaces that.
        others: the station's other bids of the same market and day.

    Raises:
        BadProfile: a bid is of a product that the market does not trade.
    """
    product = market.product(bid_set.product)
    amending = before is not None
    together = [(one, market.product(one.product)) for one in (bid_set, *others)]
    return (
        *check(bid_set, product, battery, role=role, now_ms=now_ms, amending=amending),
        *check_eligibility(market, product, battery, role, bid_set.mode),
        *(check_unit(bid_set, party) if product.format is Format.AEMO_JSON else ()),
        *(check_amendment(before, bid_set, product, reason) if before is not None else ()),
        *check_together(together, battery),
    )
