"""What a station has commanded its devices, and how well that was carried out."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud import commands, fleet
from cloud.alarms import Cursor
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader
from cloud.api.stations import StationId
from cloud.api.times import Range
from cloud.commands import Asked, PastCommand, Statistics
from cloud.history.resolution import checked_range
from contract.commands import CommandState

router = APIRouter(prefix="/stations", tags=["commands"], responses=ERRORS)

_MOST_COMMANDS = 1_000
_CURSOR_CHARS = 96


class CommandsAsked(Range):
    """Which commands, by the time of their issue."""

    device: str | None = Field(None, max_length=64, description="of this device only")
    state: CommandState | None = Field(None, description="in this state only")
    source: str | None = Field(
        None, max_length=32, description="asked for by this source only, e.g. `agc`"
    )

    def of(self, station: str) -> Asked:
        """The question to the ledger."""
        start_ms, end_ms = checked_range(self.start_ms, self.end_ms)
        return Asked(station, start_ms, end_ms, self.device, self.source, self.state)


class CommandsQuery(CommandsAsked):
    """Which commands, and which page of them."""

    limit: int = Field(100, ge=1, le=_MOST_COMMANDS, description="most commands in one answer")
    before: str | None = Field(
        None, max_length=_CURSOR_CHARS, description="`next` of the page before this one"
    )


class CommandAnswer(BaseModel):
    """One command with its life; times are epoch milliseconds by the station's clock."""

    id: str
    device: str
    point: str = Field(description="what was written", examples=["active_power_setpoint_kw"])
    value: float | None = Field(description="in the point's unit; null where damaged")
    source: str = Field(description="kind of wish", examples=["schedule", "agc", "protection"])
    requester: str = Field(description="the order's id, or a name within the source")
    bound_by: str = Field(description="the limit that bit; empty when none did")
    state: CommandState
    issued_ms: int
    accepted_ms: int | None = Field(description="the device confirmed")
    settled_ms: int | None = Field(description="delivered, failed or superseded")
    reason: str = Field(description="why it failed, in the device's words")
    cause_en: str = Field(description="likely cause of a failure")
    cause_zh: str
    damaged: bool = Field(description="its row cannot be opened: value and texts are missing")


class CommandList(BaseModel):
    """Commands, newest first; those of one millisecond by id."""

    commands: list[CommandAnswer]
    next: str | None = Field(description="send as `before` for the next page; null after the last")


class DelayAnswer(BaseModel):
    """Quantiles of a delay."""

    p50_ms: int
    p99_ms: int


class StatisticsAnswer(BaseModel):
    """What became of the commands of a range."""

    total: int = Field(description="commands counted")
    complete: bool = Field(description="false: the range has more, the newest were counted")
    since_ms: int | None = Field(description="issue of the oldest one counted")
    states: dict[CommandState, int]
    sources: dict[str, int]
    acceptance: DelayAnswer | None = Field(description="from issue to acceptance")
    delivery: DelayAnswer | None = Field(description="from acceptance to delivery")
    not_delivered: float | None = Field(
        description="share that failed, of those delivered or failed; 0 to 1"
    )


@router.get("/{station}/commands")
async def list_commands(
    parts: DeskOf, _: Reader, station: StationId, asked: Annotated[CommandsQuery, Query()]
) -> CommandList:
    """Set-points and other commands issued in [from, to), newest first, each with its life.

    The order is total, so pages that follow `next` do not repeat a command.
    """
    services = parts.services
    await fleet.find(services.pool, station)
    page = await commands.past_commands(
        services.pool,
        services.vault,
        asked.of(station),
        limit=asked.limit,
        before=None if asked.before is None else Cursor.parse(asked.before),
    )
    return CommandList(
        commands=[_answer(command) for command in page.commands],
        next=None if page.following is None else str(page.following),
    )


@router.get("/{station}/commands/statistics")
async def command_statistics(
    parts: DeskOf, _: Reader, station: StationId, asked: Annotated[CommandsAsked, Query()]
) -> StatisticsAnswer:
    """How many commands of [from, to) there are by state and source, and how fast they were."""
    services = parts.services
    await fleet.find(services.pool, station)
    return _statistics(await commands.statistics(services.pool, asked.of(station)))


def _answer(command: PastCommand) -> CommandAnswer:
    said = command.content
    texts = {"requester": "", "bound_by": "", "reason": "", "cause_en": "", "cause_zh": ""}
    return CommandAnswer(
        id=command.id,
        device=command.device,
        point=command.point,
        source=command.source,
        state=command.state,
        issued_ms=command.issued_ms,
        accepted_ms=command.accepted_ms or None,
        settled_ms=command.settled_ms or None,
        damaged=said is None,
        **({"value": None, **texts} if said is None else vars(said)),
    )


def _statistics(found: Statistics) -> StatisticsAnswer:
    delays = {name: getattr(found, name) for name in ("acceptance", "delivery")}
    return StatisticsAnswer(
        total=found.total,
        complete=found.complete,
        since_ms=found.since_ms,
        states=dict(found.states),
        sources=dict(found.sources),
        not_delivered=found.not_delivered,
        **{name: delay and DelayAnswer(**vars(delay)) for name, delay in delays.items()},
    )
