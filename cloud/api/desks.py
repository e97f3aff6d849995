"""Limits of desks: what they may do, who has set it, and why."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, LimitSetter, MarketReader
from cloud.api.control import LONGEST_REASON, SHORTEST_REASON
from cloud.market.desk.limits import past_limits, set_limits
from cloud.market.risk import Limits

router = APIRouter(prefix="/desks", tags=["desks"], responses=ERRORS)

DeskId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="id of the desk")]


class SetAnswer(BaseModel):
    """Limits as somebody has set them."""

    number: int
    limits: Limits
    set_by: str
    why: str


class LimitsAnswer(BaseModel):
    """Limits of a desk."""

    desk: str
    limits: Limits = Field(description="in force; without any a head of trading approves all")
    past: list[SetAnswer] = Field(description="all that have been set, newest first")


class LimitsRequest(BaseModel):
    """New limits, and why."""

    limits: Limits
    why: str = Field(min_length=SHORTEST_REASON, max_length=LONGEST_REASON)


class DeskAnswer(BaseModel):
    """A desk that is configured."""

    desk: str
    station: str
    market: str
    products: list[str]


class DeskList(BaseModel):
    """Desks of the configuration."""

    desks: list[DeskAnswer]


@router.get("")
async def list_desks(parts: DeskOf, _: MarketReader) -> DeskList:
    """The desks that are configured, and what each bids."""
    return DeskList(
        desks=[
            DeskAnswer(
                desk=one.desk,
                station=one.station,
                market=one.market,
                products=[product.id for product in one.products],
            )
            for one in parts.services.config.market.desks
        ]
    )


@router.get("/{desk}/limits")
async def show_limits(parts: DeskOf, _: MarketReader, desk: DeskId) -> LimitsAnswer:
    """The limits of a desk, and all that it has had."""
    return await _limits(parts, desk)


@router.put("/{desk}/limits")
async def change_limits(
    parts: DeskOf, session: LimitSetter, desk: DeskId, body: LimitsRequest
) -> LimitsAnswer:
    """Set the limits of a desk; what they have blocked is weighed again."""
    await set_limits(parts.services.pool, desk, body.limits, who=session.user.name, why=body.why)
    return await _limits(parts, desk)


async def _limits(parts: DeskOf, desk: str) -> LimitsAnswer:
    past = await past_limits(parts.services.pool, desk)
    return LimitsAnswer(
        desk=desk,
        limits=past[0].limits if past else Limits(),
        past=[
            SetAnswer(number=one.number, limits=one.limits, set_by=one.set_by, why=one.why)
            for one in past
        ],
    )
