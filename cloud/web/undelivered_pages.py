"""The page of what did not arrive, with a button that sends it again."""

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from cloud.access import Action, Resource, authorize, csrf
from cloud.api.context import Forbidden, ForgedRequest, refuse_foreign_origin
from cloud.api.undelivered import StepAgain, file_again, step_again
from cloud.market import inbox, webhooks
from cloud.web.frame_view import Crumb, frame
from cloud.web.look import look_at_all
from cloud.web.visit import PageVisit, Visit

router = APIRouter(include_in_schema=False)


class AgainForm(BaseModel):
    """Which step or file is sent again."""

    kind: Literal["step", "file"]
    hook: str = ""
    bid: str = ""
    number: int = 1
    name: str = ""
    csrf: str = ""


@router.get("/undelivered")
async def undelivered_page(visit: PageVisit) -> Response:
    """Steps that receivers left and files that were refused."""
    _require(visit, Action.READ_MARKET)
    looks = await look_at_all(visit.parts)
    crumbs = [Crumb(visit.t("Desk"), "/desk"), Crumb(visit.t("Undelivered"))]
    context = await frame(visit, looks, page="undelivered", here="bids", crumbs=crumbs)
    zones = {one.station.id: one.station.zone for one in looks}
    market = visit.parts.services.config.market
    known = {one.name for one in market.webhooks}
    context |= {
        "may": authorize(visit.session.user, Action.EDIT_BID, Resource("page")).allowed,
        "steps": [
            {
                "hook": one.hook,
                "known": one.hook in known,
                "bid": one.bid,
                "number": one.number,
                "station": one.station,
                "at": _when(one.dead_ms, zones.get(one.station, dt.UTC)),
                "tries": one.tries,
                "why": one.why,
            }
            for one in await webhooks.given_up(visit.parts.services.pool)
        ],
        "files": [] if market.inbox is None else inbox.refused_files(market.inbox),
    }
    return visit.render("undelivered.html", context)


@router.post("/undelivered")
async def send_again(visit: PageVisit, given: Annotated[AgainForm, Form()]) -> Response:
    """Send a step, or take a file, once more."""
    refuse_foreign_origin(visit.request)
    if not csrf.token_matches(visit.session.csrf_token, given.csrf):
        raise ForgedRequest("the form is not of this session; load the page again")
    _require(visit, Action.EDIT_BID)
    who = visit.session.user.name
    if given.kind == "step":
        asked = StepAgain.model_validate(given.model_dump())
        await step_again(visit.parts, who, asked)
    else:
        await file_again(visit.parts, who, given.name)
    return RedirectResponse("/undelivered", 303)


def _require(visit: Visit, action: Action) -> None:
    decision = authorize(visit.session.user, action, Resource("page"))
    if not decision.allowed:
        raise Forbidden(decision.rule)


def _when(at_ms: int, zone: dt.tzinfo) -> str:
    return f"{dt.datetime.fromtimestamp(at_ms / 1e3, zone):%Y-%m-%d %H:%M}"
