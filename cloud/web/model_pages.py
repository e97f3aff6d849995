"""The page of the models, its renewing part, and the card of each model."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response

from cloud import fleet
from cloud.api.control import LONGEST_REASON, SHORTEST_REASON
from cloud.web import model_view
from cloud.web.frame_view import Crumb, frame, zone_of
from cloud.web.look import StationLook, look_at_all
from cloud.web.visit import PageVisit, Visit

router = APIRouter(include_in_schema=False)

ModelId = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
_DAYS = (1, 3, 7, 30)


@router.get("/models")
async def models_page(visit: PageVisit) -> Response:
    """Which models there are, who answers for them, and where they stand."""
    looks = await look_at_all(visit.parts)
    context = await _frame(visit, looks, Crumb(visit.t("Models")))
    rights = model_view.rights(visit)
    context |= {
        "models": await _table(visit, looks),
        "may": rights,
        "stations": [(one.station.id, one.station.title(visit.language)) for one in looks],
        "shadow_days": _DAYS,
        "shortest_reason": SHORTEST_REASON,
        "longest_reason": LONGEST_REASON,
    }
    return visit.render("models.html", context)


@router.get("/models/{sha256}")
async def card_page(visit: PageVisit, sha256: ModelId) -> Response:
    """The card of a model: what it was made from, how well it does, where it is weak."""
    model = await fleet.models.find(visit.parts.services.pool, sha256)
    looks = await look_at_all(visit.parts)
    crumbs = [Crumb(visit.t("Models"), "/models"), Crumb(model.title)]
    context = await _frame(visit, looks, *crumbs)
    context |= {"model": model}
    return visit.render("model_card.html", context)


@router.get(model_view.URL)
async def models_fragment(visit: PageVisit) -> Response:
    """The table of models."""
    looks = await look_at_all(visit.parts)
    return visit.fragment("fragments/models.html", "models", await _table(visit, looks))


async def _table(visit: Visit, looks: list[StationLook]) -> dict[str, Any]:
    services = visit.parts.services
    models = await fleet.models.list_all(services.pool)
    placed = await fleet.models.deployments(services.pool, services.vault, visit.now_ms)
    view = model_view.table(visit, looks, models, placed, zone_of(looks, ""))
    return view | {"may": model_view.rights(visit)}


async def _frame(visit: Visit, looks: list[StationLook], *crumbs: Crumb) -> dict[str, Any]:
    return await frame(visit, looks, page="models", here="models", crumbs=list(crumbs))
