"""Bidding policies: the last trainings of each, the gate's verdict, and which one may bid."""

import datetime as dt
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf
from cloud.api.revenue import MoneyReader
from cloud.market import retraining
from cloud.market.retraining import (
    FallsBack,
    Fault,
    Figures,
    Lacks,
    MayBid,
    State,
    Training,
)

router = APIRouter(tags=["market"], responses=ERRORS)

SHOWN: Final = 8
"""Trainings of each policy, the newest first: two months of weeks."""


class VerdictAnswer(BaseModel):
    """What the gate found in weeks that the policy never saw."""

    promoted: bool
    gain: float = Field(description="money earned more than by opportunity values")
    sure: float = Field(description="share of resampled sets of weeks in which it earned more")
    cvar_policy: float = Field(description="mean loss of the worst 5 % of days")
    cvar_value: float = Field(description="the same by opportunity values")
    reason: str


class TrainingAnswer(BaseModel):
    """One training."""

    id: UUID
    price: str = Field(description="series of the price that is bid at")
    day_ahead: str | None
    asked_by: str = Field(description='a user, or "schedule"')
    known_ms: int = Field(description="prices are read as they were known then")
    begun_ms: int
    ended_ms: int | None = Field(description="null: it goes on")
    starts: int = Field(description="processes that have worked on it")
    first_day: dt.date | None = Field(description="learnt on from this day; null: not read yet")
    unseen_from: dt.date | None = Field(description="from this day on kept for the gate")
    last_day: dt.date | None
    unseen_weeks: int
    seeds: int
    steps: int = Field(description="practised by each seed")
    share: float = Field(description="of the practice that is done, 0..1")
    state: State
    notes: list[str]
    verdict: VerdictAnswer | None = Field(description="null: not judged")
    model: str | None = Field(description="SHA-256 of the card, which names its networks")
    fault: Fault | None
    error: str
    withdrawn_ms: int | None = Field(description="since then it may not bid; null: never withdrawn")


class StandingAnswer(BaseModel):
    """Which policy may bid; without one, bids are drafted by plans."""

    model: str | None = Field(description="null: none")
    promoted_ms: int | None
    lacks: Lacks | None = Field(description="why none may; null: one may")
    error: str


class PolicyAnswer(BaseModel):
    """The policy of one station in one market."""

    station: str
    market: str
    every_days: float | None = Field(description="null: only learnt by hand")
    standing: StandingAnswer
    trainings: list[TrainingAnswer] = Field(description=f"the newest {SHOWN}, newest first")


@router.get("/policies")
async def list_policies(
    parts: DeskOf,
    _: MoneyReader,
    station: Annotated[str | None, Query(max_length=32)] = None,
    market: Annotated[str | None, Query(max_length=64)] = None,
) -> list[PolicyAnswer]:
    """The bidding policies that are learnt, with their last trainings and verdicts."""
    every = scheduled(parts)
    answers = []
    for place in await places(parts, station, market):
        may, past = await read(parts, place)
        answers.append(
            PolicyAnswer(
                station=place[0],
                market=place[1],
                every_days=every.get(place),
                standing=_standing(may),
                trainings=[_training(one) for one in past],
            )
        )
    return answers


def scheduled(parts: Desk) -> dict[tuple[str, str], float]:
    """Return after how many days a policy is learnt anew, by station and market."""
    sections = parts.services.config.market.trainings
    return {(one.station, one.market): one.every_days for one in sections}


async def places(parts: Desk, station: str | None, market: str | None) -> list[tuple[str, str]]:
    """Return stations and markets with a policy, learnt on a schedule or by hand."""
    there = {*scheduled(parts), *await retraining.places(parts.services.pool)}
    return sorted(
        place for place in there if station in (None, place[0]) and market in (None, place[1])
    )


async def read(parts: Desk, place: tuple[str, str]) -> tuple[MayBid | FallsBack, list[Training]]:
    """Return which policy may bid at a place, and the last trainings there."""
    services = parts.services
    may = await retraining.standing(services.pool, services.config.policies_dir, *place)
    past = await retraining.trainings(services.pool, station=place[0], market=place[1], most=SHOWN)
    return may, past


def _standing(may: MayBid | FallsBack) -> StandingAnswer:
    match may:
        case MayBid(training):
            return StandingAnswer(
                model=training.model, promoted_ms=training.ended_ms, lacks=None, error=""
            )
        case FallsBack(why, _, error):
            return StandingAnswer(model=None, promoted_ms=None, lacks=why, error=error)


def _training(one: Training) -> TrainingAnswer:
    kept = {name: getattr(one, name) for name in _AS_THEY_ARE}
    wish = {name: getattr(one.wish, name) for name in _OF_THE_WISH}
    verdict = None if one.verdict is None else _verdict(one.verdict)
    return TrainingAnswer(**kept, **wish, notes=list(one.notes), verdict=verdict)


def _verdict(found: Figures) -> VerdictAnswer:
    return VerdictAnswer(**vars(found))


_AS_THEY_ARE: Final = (
    *("id", "asked_by", "known_ms", "begun_ms", "ended_ms", "starts", "first_day", "unseen_from"),
    *("last_day", "share", "state", "model", "fault", "error", "withdrawn_ms"),
)
_OF_THE_WISH: Final = ("price", "day_ahead", "unseen_weeks", "seeds", "steps")
