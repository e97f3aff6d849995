"""Alarms by ISA-18.2: lists, one alarm with its incident, acts, metrics, definitions."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from cloud import alarms
from cloud.access import Action, Session
from cloud.alarms import Change, State
from cloud.api.answers import ERRORS, RefusedAlarm, refused_alarms
from cloud.api.context import Desk, DeskOf, Reader, permitted
from cloud.api.image import now_ms
from cloud.api.times import Range

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=ERRORS)

MOST_ROWS = 500
_MOST_REASON = 500
AlarmId = Annotated[int, Path(ge=1, description="number of the alarm")]
Answerer = Annotated[Session, Depends(permitted(Action.ANSWER_ALARM, "alarm"))]
Shelver = Annotated[Session, Depends(permitted(Action.SHELVE_ALARM, "alarm"))]
Engineer = Annotated[Session, Depends(permitted(Action.TAKE_ALARM_OUT, "alarm"))]


class ListQuery(BaseModel):
    """Which alarms, and which page of them."""

    state: list[State] = Field(
        default_factory=lambda: sorted(alarms.OPEN), description="in one of these states"
    )
    priority: list[Annotated[int, Field(ge=1, le=4)]] = Field(
        default_factory=list, description="1 critical to 4 low; none: all"
    )
    station: str | None = Field(None, max_length=32)
    scope: str | None = Field(None, max_length=64, description="container; empty: the station's")
    text: str = Field("", max_length=100, description="part of a name, code, title or cause")
    limit: int = Field(50, ge=1, le=MOST_ROWS)
    offset: int = Field(0, ge=0, le=1_000_000)


class SilencedAnswer(BaseModel):
    """Who has put the alarm aside, and why."""

    actor: str
    reason: str
    at_ms: int


class ListedAlarm(BaseModel):
    """An alarm; times are epoch ms, of conditions by the device's clock."""

    id: int
    station: str
    scope: str = Field(description="container that the device is in; empty for the station's own")
    device: str
    code: str
    tag: str
    priority: int
    class_: str = Field(serialization_alias="class")
    state: State
    active: bool = Field(description="its condition stands")
    onset_ms: int
    raised_ms: int | None
    returned_ms: int | None
    received_ms: int | None = Field(description="when the cloud got it")
    announced_ms: int | None = Field(description="when people could first see it")
    respond_by_ms: int | None = Field(description="until when its action helps")
    acknowledged_ms: int | None
    acknowledged_by: str
    first_out: bool = Field(description="first of an incident with others")
    group_ms: int | None = Field(description="when its incident began")
    consequence_of: int | None = Field(description="alarm that it follows from")
    shelved_until_ms: int | None
    silenced: SilencedAnswer | None
    text_en: str
    text_zh: str
    value: float | None
    limit: float | None
    damaged: bool


class AlarmsAnswer(BaseModel):
    """A page of a list: unanswered first, then the most urgent, then the newest."""

    alarms: list[ListedAlarm]
    total: int


class Facts(BaseModel):
    """Further facts, named as in the fields of `cloud.alarms`; times are epoch ms."""

    model_config = {"extra": "allow"}


class ActRequest(BaseModel):
    """One act on some alarms."""

    alarms: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=1_000)
    seen_onset_ms: dict[int, int] | None = Field(
        None, description="onset that was seen, by alarm: a later one is not answered"
    )


class ReasonRequest(BaseModel):
    """Why."""

    reason: str = Field(min_length=1, max_length=_MOST_REASON)


class ShelveRequest(ReasonRequest):
    """Why, and for how long."""

    hours: float = Field(gt=0, le=8, description="at most 8")


class ActAnswer(BaseModel):
    """The alarms done, and why others were left as they are."""

    done: list[int]
    refused: dict[int, RefusedAlarm]


class RangeQuery(Range):
    """Which time and which station."""

    station: str | None = Field(None, max_length=32)
    limit: int = Field(50, ge=1, le=MOST_ROWS)


def _definitions(parts: Desk) -> alarms.Definitions:
    return alarms.load(parts.services.config.alarms.definitions)


def lists_of(parts: Desk) -> alarms.Lists:
    """Lists of alarms by the definitions in force."""
    services = parts.services
    return alarms.Lists(services.pool, services.vault, _definitions(parts))


def _listed(page: alarms.AlarmPage) -> AlarmsAnswer:
    return AlarmsAnswer(alarms=[listed(alarm) for alarm in page.alarms], total=page.total)


def listed(alarm: alarms.AlarmSeen) -> ListedAlarm:
    """An alarm as the API tells it."""
    facts = dict(vars(alarm))
    if alarm.silenced is not None:
        facts["silenced"] = SilencedAnswer(
            actor=alarm.silenced.actor, reason=alarm.silenced.reason, at_ms=alarm.silenced.at_ms
        )
    return ListedAlarm(**facts)


def definition_facts(rule: alarms.Definition) -> dict[str, Any]:
    """A definition as the API tells it: texts in both languages, times in s and min."""
    facts = rule.model_dump(mode="json", by_alias=True, exclude={"title"})
    texts = {"title": rule.words(), "cause": rule.cause, "consequence": rule.consequence}
    told = {name: {"en": words.en, "zh": words.zh} for name, words in texts.items()}
    action = [{"en": words.en, "zh": words.zh} for words in rule.action]
    return facts | told | {"action": action, "shelvable": rule.shelvable}


@router.get("")
async def list_alarms(
    parts: DeskOf, _: Reader, asked: Annotated[ListQuery, Query()]
) -> AlarmsAnswer:
    """Alarms in the states asked for; without any, those that are open."""
    wanted = alarms.Filter(
        states=frozenset(asked.state),
        priorities=frozenset(asked.priority),
        station=asked.station,
        scope=asked.scope,
        text=asked.text.strip(),
    )
    return _listed(await lists_of(parts).find(wanted, limit=asked.limit, offset=asked.offset))


@router.get("/counts")
async def count_alarms(parts: DeskOf, _: Reader, station: str | None = None) -> Facts:
    """How many are open and unanswered by priority, silent by state; and whether it is a flood."""
    pool = parts.services.pool
    found = await alarms.counts(pool, station)
    positions = parts.services.config.alarms.positions
    flood = await alarms.flood_now(pool, _definitions(parts), now_ms(), positions=positions)
    worst = [
        {"station": name, "scope": scope, "priority": priority}
        for (name, scope), priority in sorted(found.worst.items())
    ]
    return Facts(
        open=found.open,
        unanswered=found.unanswered,
        silent=found.silent,
        worst=worst,
        flood=vars(flood),
    )


@router.get("/standing")
async def list_standing(
    parts: DeskOf,
    _: Reader,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> AlarmsAnswer:
    """Open alarms whose condition has stood for longer than a day: nobody waits for them."""
    return _listed(await lists_of(parts).standing(now_ms(), limit=limit, offset=offset))


@router.get("/nuisances/{kind}")
async def list_nuisances(
    parts: DeskOf,
    _: Reader,
    kind: Literal["chattering", "fleeting"],
    asked: Annotated[RangeQuery, Query()],
) -> list[Facts]:
    """Alarms that come too often within a minute, or are gone before anybody could act."""
    read = alarms.chattering if kind == "chattering" else alarms.fleeting
    found = await read(
        *(parts.services.pool, _definitions(parts), asked.start_ms, asked.end_ms),
        station=asked.station,
        limit=asked.limit,
    )
    return [Facts(**vars(one)) for one in found]


@router.get("/metrics")
async def show_metrics(parts: DeskOf, _: Reader, asked: Annotated[RangeQuery, Query()]) -> Facts:
    """Alarms per hour and operator, floods, the ten most frequent, split, time to acknowledge."""
    found = await alarms.metrics(
        *(parts.services.pool, _definitions(parts), asked.start_ms, asked.end_ms),
        station=asked.station,
        positions=parts.services.config.alarms.positions,
    )
    top = [vars(one) for one in found.top]
    return Facts(**(vars(found) | {"top": top, "answered": vars(found.answered)}))


@router.get("/definitions")
async def list_definitions(parts: DeskOf, _: Reader) -> list[Facts]:
    """What every alarm means: cause, consequence, action, time to respond, priority."""
    return [Facts(**definition_facts(rule)) for rule in _definitions(parts).records]


@router.get("/channels")
async def list_channels(parts: DeskOf, _: Reader) -> list[Facts]:
    """How the channels of notifications do; a receiver that does not answer says since when."""
    services = parts.services
    found = await alarms.health(services.pool, services.config.notifications, now_ms())
    return [Facts(**vars(one)) for one in found]


@router.get("/{alarm}")
async def show_alarm(parts: DeskOf, _: Reader, alarm: AlarmId) -> Facts:
    """One alarm with its definition, journal, occurrences, and its incident from first-out on."""
    services = parts.services
    found = await lists_of(parts).one(alarm)
    if found is None:
        raise alarms.NoSuchAlarm(alarm)
    story = None
    if found.group_ms is not None:
        incident = await alarms.incident(
            *(services.pool, services.vault, found.station, found.scope, found.group_ms),
            definitions=_definitions(parts),
        )
        story = vars(incident) | {
            "parts": [vars(one) for one in incident.parts],
            "events": [vars(one) for one in incident.events],
        }
    rule = _definitions(parts).find(found.code, found.tag)
    return Facts(
        alarm=listed(found).model_dump(mode="json", by_alias=True),
        definition=definition_facts(rule),
        journal=[vars(line) for line in await alarms.journal(services.pool, alarm)],
        occurrences=[vars(one) for one in await alarms.occurrences(services.pool, alarm)],
        incident=story,
    )


async def _act(
    parts: Desk, session: Session, ids: list[int], wanted: alarms.Wanted, at_ms: int
) -> ActAnswer:
    services = parts.services
    desk = alarms.Desk(services.pool, services.vault, _definitions(parts))
    outcome = await desk.act(session.user, ids, wanted, at_ms)
    return ActAnswer(done=list(outcome.done), refused=refused_alarms(outcome.refused))


@router.post("/acknowledge")
async def acknowledge(parts: DeskOf, session: Answerer, body: ActRequest) -> ActAnswer:
    """Acknowledge alarms: somebody has seen them and acts."""
    wanted = alarms.Wanted(Change.ACKNOWLEDGED, seen_onset_ms=body.seen_onset_ms)
    return await _act(parts, session, body.alarms, wanted, now_ms())


@router.post("/reset")
async def reset(parts: DeskOf, session: Answerer, body: ActRequest) -> ActAnswer:
    """Reset latched alarms whose cause has been found and removed."""
    wanted = alarms.Wanted(Change.RESET, seen_onset_ms=body.seen_onset_ms)
    return await _act(parts, session, body.alarms, wanted, now_ms())


@router.post("/{alarm}/shelve")
async def shelve(parts: DeskOf, session: Shelver, alarm: AlarmId, body: ShelveRequest) -> ActAnswer:
    """Put an alarm aside for at most 8 h, with a reason; never one of class safety."""
    at_ms = now_ms()
    until_ms = at_ms + round(body.hours * 3_600_000)
    wanted = alarms.Wanted(Change.SHELVED, body.reason, until_ms)
    return await _act(parts, session, [alarm], wanted, at_ms)


@router.post("/{alarm}/unshelve")
async def unshelve(parts: DeskOf, session: Shelver, alarm: AlarmId) -> ActAnswer:
    """Take an alarm back from the shelf; where its condition stands, it is alarmed anew."""
    return await _act(parts, session, [alarm], alarms.Wanted(Change.UNSHELVED), now_ms())


@router.post("/{alarm}/out-of-service")
async def take_out(
    parts: DeskOf, session: Engineer, alarm: AlarmId, body: ReasonRequest
) -> ActAnswer:
    """Take an alarm out of service, with a reason, until somebody puts it back."""
    wanted = alarms.Wanted(Change.TAKEN_OUT, body.reason)
    return await _act(parts, session, [alarm], wanted, now_ms())


@router.post("/{alarm}/in-service")
async def put_back(
    parts: DeskOf, session: Engineer, alarm: AlarmId, body: ReasonRequest
) -> ActAnswer:
    """Put an alarm back into service; where its condition stands, it is alarmed anew."""
    wanted = alarms.Wanted(Change.PUT_BACK, body.reason)
    return await _act(parts, session, [alarm], wanted, now_ms())
