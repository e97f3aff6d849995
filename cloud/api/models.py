"""Models of estimators: upload, approval, and the orders that bring them to stations."""

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.access import Session
from cloud.api.answers import ERRORS
from cloud.api.context import (
    Desk,
    DeskOf,
    ModelApprover,
    ModelSender,
    ModelUploader,
    Reader,
)
from cloud.api.control import ControlRequest
from cloud.api.image import now_ms
from cloud.api.schedules import OrderAnswer, order_answer
from cloud.api.stations import StationId
from cloud.errors import Refused
from cloud.fleet.models import Deployment, DeploymentState, ModelSeen
from contract.model_order import MAX_SHADOW_S, USUAL_SHADOW_S, ModelAction, ModelOrder
from contract.model_package import MAX_PACKAGE_BYTES

router = APIRouter(tags=["models"], responses=ERRORS)

ModelId = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the package")]
_BINARY = {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}


class DeploymentAnswer(BaseModel):
    """A model at a station, by the newest order that brought it there."""

    station: str
    sha256: str
    order_id: str
    sent_by: str
    sent_ms: int
    state: DeploymentState
    since_ms: int = Field(description="when the station told so")
    why_en: str = Field(description="the station's words of it")
    why_zh: str


class ModelAnswer(BaseModel):
    """A model, who answers for it, and where it is."""

    sha256: str = Field(description="of its package: its identity")
    name: str
    version: int
    make: str = Field(description="make of cell that it is for")
    created: dt.date
    note: str
    size: int
    files: dict[str, int] = Field(description="size in bytes by path")
    uploaded_by: str
    uploaded_at: dt.datetime
    approved_by: str | None = Field(description="never who uploaded it; null: not approved yet")
    approved_at: dt.datetime | None
    approval_note: str
    withdrawn_by: str | None = Field(description="null: it may go to stations")
    withdrawn_at: dt.datetime | None
    withdrawn_why: str
    deployments: list[DeploymentAnswer]


class ModelCardAnswer(ModelAnswer):
    """A model with its card."""

    card: str = Field(description="Markdown: what it was made from, where it is weak")


class ModelList(BaseModel):
    """Models by name, the newest version first."""

    models: list[ModelAnswer]


class StationModels(BaseModel):
    """The models that were ordered to a station."""

    deployments: list[DeploymentAnswer]


class ApprovalRequest(BaseModel):
    """That a second person has looked at a model."""

    note: str = Field(min_length=3, max_length=500, description="what was looked at")


class ModelOrderRequest(ControlRequest):
    """An order about a model."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class DeployRequest(ModelOrderRequest):
    """Let a station fetch a model and try it in shadow."""

    shadow_s: int = Field(
        USUAL_SHADOW_S, ge=0, le=MAX_SHADOW_S, description="0: in force at once, on probation"
    )
    auto_promote: bool = Field(True, description="put it in force when it has passed")


@router.post("/models", status_code=201, openapi_extra={"requestBody": _BINARY})
async def upload_model(parts: DeskOf, session: ModelUploader, request: Request) -> ModelCardAnswer:
    """Upload a model package, the bytes being the body; the same again changes nothing."""
    blob = await _body(request)
    model = await fleet.models.upload(parts.services.pool, blob, session.user.name)
    return await _with_card(parts, model)


@router.get("/models")
async def list_models(parts: DeskOf, _: Reader) -> ModelList:
    """All models, and where they are."""
    found = await fleet.models.list_all(parts.services.pool)
    placed = await _deployments(parts)
    return ModelList(models=[_answer(model, placed) for model in found])


@router.get("/models/{sha256}")
async def show_model(parts: DeskOf, _: Reader, sha256: ModelId) -> ModelCardAnswer:
    """One model with its card."""
    return await _with_card(parts, await fleet.models.find(parts.services.pool, sha256))


@router.post("/models/{sha256}/approve")
async def approve_model(
    parts: DeskOf, session: ModelApprover, sha256: ModelId, body: ApprovalRequest
) -> ModelCardAnswer:
    """Approve a model; who uploaded it cannot."""
    pool, user = parts.services.pool, session.user.name
    return await _with_card(parts, await fleet.models.approve(pool, sha256, user, body.note))


@router.post("/models/{sha256}/withdraw")
async def withdraw_model(
    parts: DeskOf, session: ModelApprover, sha256: ModelId, body: ControlRequest
) -> ModelCardAnswer:
    """Let a model go to no further station; those that have it keep it."""
    pool, user = parts.services.pool, session.user.name
    return await _with_card(parts, await fleet.models.withdraw(pool, sha256, user, body.reason))


@router.get("/stations/{station}/models")
async def list_station_models(parts: DeskOf, _: Reader, station: StationId) -> StationModels:
    """The models that were ordered to a station, and what has become of them there."""
    await fleet.find(parts.services.pool, station)
    return StationModels(deployments=await _deployments(parts, station))


@router.post("/stations/{station}/models/deploy", status_code=201)
async def deploy_model(
    parts: DeskOf, session: ModelSender, station: StationId, body: DeployRequest
) -> OrderAnswer:
    """Order a station to fetch a model and to try it in shadow, then to put it in force."""
    return await _order(
        *(parts, session, station, body, ModelAction.DEPLOY),
        shadow_s=body.shadow_s,
        auto=body.auto_promote,
    )


@router.post("/stations/{station}/models/promote", status_code=201)
async def promote_model(
    parts: DeskOf, session: ModelSender, station: StationId, body: ModelOrderRequest
) -> OrderAnswer:
    """Order a station to put the model in shadow in force now, or to end its probation."""
    return await _order(parts, session, station, body, ModelAction.PROMOTE)


@router.post("/stations/{station}/models/rollback", status_code=201)
async def rollback_model(
    parts: DeskOf, session: ModelSender, station: StationId, body: ModelOrderRequest
) -> OrderAnswer:
    """Order a station to take a model back: the one before is in force again."""
    return await _order(parts, session, station, body, ModelAction.ROLLBACK)


async def _order(
    parts: Desk,
    session: Session,
    station: str,
    body: ModelOrderRequest,
    action: ModelAction,
    *,
    shadow_s: int = USUAL_SHADOW_S,
    auto: bool = True,
) -> OrderAnswer:
    services = parts.services
    await fleet.find(services.pool, station)
    model = await fleet.models.find(services.pool, body.sha256)
    if shadow_s == 0 and not auto:
        raise fleet.models.ModelOrderRefused(
            "shadow_s = 0 puts the model in force at once: leave auto_promote true"
        )
    asked = ModelOrder(action, model.sha256, model.name, model.version, model.size, shadow_s, auto)
    sent = await fleet.models.order(
        *(services.pool, services.vault, services.keys, asked, model),
        station=station,
        now_ms=now_ms(),
        sender=session.user.name,
        reason=body.reason,
    )
    return order_answer(sent)


async def _body(request: Request) -> bytes:
    """Read the body; a package that is too large is refused before it is in memory."""
    blob = bytearray()
    async for part in request.stream():
        blob += part
        if len(blob) > MAX_PACKAGE_BYTES:
            raise Refused(
                f"a package has at most {MAX_PACKAGE_BYTES:,} bytes", code="too_large", status=413
            )
    return bytes(blob)


async def _deployments(
    parts: Desk, station: str | None = None, sha256: str | None = None
) -> list[DeploymentAnswer]:
    services = parts.services
    found = await fleet.models.deployments(
        services.pool, services.vault, now_ms(), station=station, sha256=sha256
    )
    return [_placed(one) for one in found]


async def _with_card(parts: Desk, model: ModelSeen) -> ModelCardAnswer:
    placed = await _deployments(parts, sha256=model.sha256)
    return ModelCardAnswer(**_answer(model, placed).model_dump(), card=model.card)


def _answer(model: ModelSeen, placed: list[DeploymentAnswer]) -> ModelAnswer:
    facts = {name: value for name, value in vars(model).items() if name != "card"}
    own = [one for one in placed if one.sha256 == model.sha256]
    return ModelAnswer(**facts, deployments=own)


def _placed(one: Deployment) -> DeploymentAnswer:
    facts = {name: value for name, value in vars(one).items() if name != "why"}
    return DeploymentAnswer(**facts, why_en=one.why.en, why_zh=one.why.zh)
