"""The pages of money: what was earned, and how good the forecasts were."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from cloud.api import policies
from cloud.api import revenue as money
from cloud.api.context import Forbidden
from cloud.market.errors import MarketError
from cloud.market.exchanges import load_market
from cloud.market.money import ledgers
from cloud.web import forecast_view, revenue_view, training_view
from cloud.web.desk_words import market_name
from cloud.web.frame_view import Crumb, frame, may_read_market
from cloud.web.look import StationLook, look_at_all
from cloud.web.visit import PageVisit, Visit

router = APIRouter(include_in_schema=False)


@router.get("/revenue")
async def revenue_page(visit: PageVisit, wish: money.Asked) -> Response:
    """From plan to paid, by hour and market, against perfect foresight, and the payback."""
    looks, context = await _frame(visit, "revenue", visit.t("Revenue"))
    books = ledgers(await money.collected(visit.parts, wish))
    asked = money.investment(visit.parts)
    context |= _filter(visit, wish, looks)
    context["books"] = [
        revenue_view.view(visit, book, money.roi_of(book, asked), asked) for book in books
    ]
    return visit.render("revenue.html", context)


@router.get("/forecasts")
async def forecasts_page(visit: PageVisit, wish: money.Asked) -> Response:
    """How the forecasts that bids were made on lie to what came."""
    looks, context = await _frame(visit, "forecasts", visit.t("Forecast quality"))
    found = await money.qualities_of(visit.parts, wish)
    context |= _filter(visit, wish, looks)
    titles = dict(context["stations"])
    context["forecasts"] = [
        forecast_view.view(visit, *place, one) | {"station": titles.get(place[0], place[0])}
        for place, one in found.items()
    ]
    every = policies.scheduled(visit.parts)
    context["policies"] = [
        training_view.view(
            visit, place, *await policies.read(visit.parts, place), every_days=every.get(place)
        )
        for place in await policies.places(visit.parts, wish.station, wish.market)
    ]
    return visit.render("forecasts.html", context)


async def _frame(visit: Visit, page: str, title: str) -> tuple[list[StationLook], dict[str, Any]]:
    if not may_read_market(visit):
        raise Forbidden(visit.t("none of your roles reads the market; ask for that of a trader"))
    looks = await look_at_all(visit.parts)
    return looks, await frame(visit, looks, page=page, here=page, crumbs=[Crumb(title)])


def _filter(visit: Visit, wish: money.Wish, looks: list[StationLook]) -> dict[str, Any]:
    first, last = money.span_of(visit.parts, wish)
    markets = sorted({market for _, market in money.series_of(visit.parts)})
    return {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "station": wish.station or "",
        "market": wish.market or "",
        "stations": [(one.station.id, one.station.title(visit.language)) for one in looks],
        "markets": [(one, _name(visit, one)) for one in sorted({*markets, *_asked(wish)})],
        "query": "&".join(
            f"{name}={value}"
            for name, value in (
                *(("from", first), ("to", last)),
                *(("station", wish.station), ("market", wish.market)),
            )
            if value
        ),
    }


def _asked(wish: money.Wish) -> list[str]:
    return [wish.market] if wish.market else []


def _name(visit: Visit, market: str) -> str:
    """A market's name; of one that is asked for and not known the id."""
    try:
        return market_name(visit.language, load_market(market))
    except MarketError:
        return market
