"""What did not arrive: steps that receivers left, files that were refused; and sending it again."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cloud.access import audit
from cloud.api.answers import ERRORS
from cloud.api.context import BidEditor, Desk, DeskOf, MarketReader
from cloud.api.image import now_ms
from cloud.errors import NotFound
from cloud.market import inbox, webhooks

router = APIRouter(prefix="/undelivered", tags=["bids"], responses=ERRORS)


class StepLeft(BaseModel):
    """A step of a bid that a receiver has not taken in time."""

    hook: str = Field(description="name of the receiver")
    bid: str
    number: int = Field(description="of the step in the bid's log")
    station: str
    dead_ms: int = Field(description="when it was given up")
    tries: int
    why: str = Field(description="what the receiver said last")


class FileRefused(BaseModel):
    """A bid by file that was refused."""

    name: str
    code: str
    reason: str


class UndeliveredList(BaseModel):
    """What did not arrive, the newest first."""

    steps: list[StepLeft]
    files: list[FileRefused]


class StepAgain(BaseModel):
    """Which step is sent again."""

    hook: str = Field(max_length=64)
    bid: UUID
    number: int = Field(ge=1)


class FileAgain(BaseModel):
    """Which file is taken again."""

    name: str = Field(max_length=205)


@router.get("")
async def list_undelivered(parts: DeskOf, _: MarketReader) -> UndeliveredList:
    """Steps that receivers left, and files that were refused."""
    folder = parts.services.config.market.inbox
    steps = await webhooks.given_up(parts.services.pool)
    files = [] if folder is None else inbox.refused_files(folder)
    return UndeliveredList(
        steps=[StepLeft(**asdict(one)) for one in steps],
        files=[FileRefused(**asdict(one)) for one in files],
    )


@router.post("/steps", status_code=204)
async def send_step_again(parts: DeskOf, session: BidEditor, body: StepAgain) -> None:
    """Put a step back into its receiver's queue; the receiver knows it by the same id."""
    await step_again(parts, session.user.name, body)


@router.post("/files", status_code=204)
async def take_file_again(parts: DeskOf, session: BidEditor, body: FileAgain) -> None:
    """Take a refused file once more, checked as of now."""
    await file_again(parts, session.user.name, body.name)


async def step_again(parts: Desk, who: str, body: StepAgain) -> None:
    """Put a step back into its receiver's queue.

    Raises:
        NotFound: it is not among those that were left, or nobody of that name is told any more.
    """
    if body.hook not in {one.name for one in parts.services.config.market.webhooks}:
        raise NotFound(f"no receiver {body.hook!r} is configured; add it to [[market.webhooks]]")
    await webhooks.send_again(
        parts.services.pool, body.hook, str(body.bid), body.number, who=who, now_ms=now_ms()
    )


async def file_again(parts: Desk, who: str, name: str) -> None:
    """Take a refused file once more.

    Raises:
        NotFound: there is no such file, or no folder of files.
    """
    folder = parts.services.config.market.inbox
    if folder is None:
        raise NotFound("no folder of bids is configured; set inbox in [market]")
    inbox.take_again(folder, name)
    await audit.note(parts.services.pool, who, "take_file_again", name, {})
