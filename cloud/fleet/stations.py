"""Stations: what the cloud knows of each, and the one-time token by which a new one enrols."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

from cloud.db import Pool, connection
from cloud.errors import NotFound, Refused
from contract.words import Words

TOKEN_LIFETIME = dt.timedelta(hours=24)
_TOKEN_BYTES = 32
_FIND = """
SELECT id, name, name_zh, timezone, rated_power_kw, capacity_kwh, config, enrolled_at
FROM stations WHERE id = %s
"""
_LIST = """
SELECT id, name, name_zh, timezone, rated_power_kw, capacity_kwh, config, enrolled_at
FROM stations ORDER BY name, id
"""
_DEVICES = """
SELECT d.station, d.device, l.name FROM devices d JOIN layouts l ON l.hash = d.layout
"""


@dataclass(frozen=True)
class StationFacts:
    """What a person states about a new station.

    Attributes:
        id: 1 to 32 letters, digits, ".", "_" or "-"; never changes.
        timezone: IANA name of the market time of the station's schedules.
        rated_power_kw: the same for charge and discharge.
        soc_min, soc_max: working band of the state of charge, 0..1.
    """

    id: str
    name: str
    name_zh: str
    timezone: str
    rated_power_kw: float
    capacity_kwh: float
    soc_min: float = 0.05
    soc_max: float = 0.95


@dataclass(frozen=True)
class Station(StationFacts):
    """A station as the cloud keeps it; `enrolled_at` is None until its controller has enrolled."""

    enrolled_at: dt.datetime | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The market time zone."""
        return ZoneInfo(self.timezone)

    def title(self, language: str) -> str:
        """The station's name in the reader's language."""
        return self.name_zh if language.startswith("zh") and self.name_zh else self.name


@dataclass(frozen=True)
class NewStation:
    """A station just made, with the token that its controller enrols by; shown once."""

    station: Station
    enrolment_token: str
    expires_at: dt.datetime


class StationExists(Refused):
    """The id is taken."""

    code = "station_exists"
    status = 409


async def create(pool: Pool, facts: StationFacts, created_by: str) -> NewStation:
    """Make a station and its first enrolment token.

    Raises:
        StationExists: another station has this id.
    """
    config = {"soc_min": facts.soc_min, "soc_max": facts.soc_max}
    try:
        async with connection(pool) as conn, conn.transaction():
            await conn.execute(
                "INSERT INTO stations (id, name, name_zh, timezone, rated_power_kw, capacity_kwh,"
                " config) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    *(facts.id, facts.name, facts.name_zh, facts.timezone),
                    *(facts.rated_power_kw, facts.capacity_kwh, Jsonb(config)),
                ),
            )
            token, expires_at = await _issue_token(conn, facts.id, created_by)
    except psycopg.errors.UniqueViolation as error:
        raise StationExists(f"station {facts.id!r} exists already; choose another id") from error
    return NewStation(Station(**vars(facts)), token, expires_at)


async def issue_token(pool: Pool, station: str, created_by: str) -> tuple[str, dt.datetime]:
    """A further enrolment token for a station whose controller is replaced, and its expiry.

    Raises:
        NotFound: no such station.
    """
    await find(pool, station)
    async with connection(pool) as conn:
        return await _issue_token(conn, station, created_by)


async def find(pool: Pool, station: str) -> Station:
    """The station with this id.

    Raises:
        NotFound: there is none.
    """
    async with connection(pool) as conn:
        row = await (await conn.execute(_FIND, (station,))).fetchone()
    if row is None:
        raise NotFound(
            Words(f"no station has the id {station!r}", f"没有编号为 {station!r} 的电站")
        )
    return _station(row)


async def list_all(pool: Pool) -> list[Station]:
    """All stations, by name."""
    async with connection(pool) as conn:
        rows = await (await conn.execute(_LIST)).fetchall()
    return [_station(row) for row in rows]


async def devices(pool: Pool) -> dict[str, set[tuple[str, str]]]:
    """Station -> (device tag, layout name) of everything it has ever sent."""
    found: dict[str, set[tuple[str, str]]] = {}
    async with connection(pool) as conn:
        for station, device, layout in await (await conn.execute(_DEVICES)).fetchall():
            found.setdefault(station, set()).add((device, layout))
    return found


async def _issue_token(
    conn: psycopg.AsyncConnection[Any], station: str, created_by: str
) -> tuple[str, dt.datetime]:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    expires_at = dt.datetime.now(dt.UTC) + TOKEN_LIFETIME
    await conn.execute(
        "INSERT INTO enrolment_tokens (token_hash, station, created_by, expires_at)"
        " VALUES (%s, %s, %s, %s)",
        (hashlib.sha256(token.encode()).digest(), station, created_by, expires_at),
    )
    return token, expires_at


def _station(row: tuple[Any, ...]) -> Station:
    config: Mapping[str, Any] = row[6]
    return Station(
        id=row[0],
        name=row[1],
        name_zh=row[2],
        timezone=row[3],
        rated_power_kw=row[4],
        capacity_kwh=row[5],
        soc_min=float(config.get("soc_min", StationFacts.soc_min)),
        soc_max=float(config.get("soc_max", StationFacts.soc_max)),
        enrolled_at=row[7],
    )
