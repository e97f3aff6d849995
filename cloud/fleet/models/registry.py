"""The registry of models: one row for each package, by its hash, with the people who answer for it.

Nobody puts a model into a station alone: who uploads a package cannot approve it. A package is
never changed; what is better is a new version. A withdrawn one goes to no further station.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from cloud.access import audit
from cloud.db import Pool, connection
from cloud.errors import NotFound, Refused
from contract.errors import PackageError
from contract.model_package import Package, unpack

_COLUMNS: Final = (
    "sha256, name, version, make, created, note, card, files, size, uploaded_by, uploaded_at,"
    " approved_by, approved_at, approval_note, withdrawn_by, withdrawn_at, withdrawn_why"
)


@dataclass(frozen=True)
class ModelSeen:
    """A model as people see it.

    Attributes:
        sha256: of its package, hex: its identity.
        created: the day it was made.
        card: Markdown; what it was made from, how well it does, where it is weak.
        files: size in bytes by path.
        size: of the package, bytes.
        approved_by: None while nobody has; never who uploaded it.
        withdrawn_by: None while it may go to stations.
    """

    sha256: str
    name: str
    version: int
    make: str
    created: dt.date
    note: str
    card: str
    files: Mapping[str, int]
    size: int
    uploaded_by: str
    uploaded_at: dt.datetime
    approved_by: str | None
    approved_at: dt.datetime | None
    approval_note: str
    withdrawn_by: str | None
    withdrawn_at: dt.datetime | None
    withdrawn_why: str

    @property
    def title(self) -> str:
        """Name and version, as people call it."""
        return f"{self.name} v{self.version}"

    @property
    def deployable(self) -> bool:
        """Whether it may go to stations."""
        return self.approved_by is not None and self.withdrawn_by is None


class ModelRefused(Refused):
    """A model cannot be taken, approved or deployed as asked; nothing has changed."""

    code = "model_refused"
    status = 422


class ModelConflict(Refused):
    """Another package has this name and version."""

    code = "model_exists"
    status = 409


async def upload(pool: Pool, blob: bytes, user: str) -> ModelSeen:
    """Check a package and keep it; the same one again changes nothing.

    Raises:
        ModelRefused: it is no whole package.
        ModelConflict: its version is taken by another package.
    """
    try:
        package = unpack(blob)
    except PackageError as error:
        raise ModelRefused(str(error)) from error
    title = f"{package.manifest.name} v{package.manifest.version}"
    try:
        async with connection(pool) as conn, conn.transaction():
            if await _insert(conn, package, blob, user):
                told = {"model": title, "size": package.size}
                await audit.write(conn, user, "upload_model", package.sha256, told)
    except psycopg.errors.UniqueViolation as error:
        raise ModelConflict(
            f"another package is {title}; give the new one a higher version"
        ) from error
    return await find(pool, package.sha256)


async def approve(pool: Pool, sha256: str, user: str, note: str) -> ModelSeen:
    """Let a model go to stations.

    Raises:
        NotFound: there is no such model.
        ModelRefused: the user uploaded it, or it has been approved or withdrawn.
    """
    async with connection(pool) as conn, conn.transaction():
        model = await _locked(conn, sha256)
        if model.withdrawn_by is not None:
            raise ModelRefused(f"{model.title} was withdrawn; upload another version")
        if model.approved_by is not None:
            raise ModelRefused(f"{model.title} was approved by {model.approved_by} already")
        if model.uploaded_by == user:
            raise ModelRefused(
                f"{user} uploaded {model.title}: a second person must approve it",
                code="second_person",
            )
        await conn.execute(
            "UPDATE models SET approved_by = %s, approved_at = now(), approval_note = %s"
            " WHERE sha256 = %s",
            (user, note, bytes.fromhex(sha256)),
        )
        told = {"model": model.title, "note": note}
        await audit.write(conn, user, "approve_model", sha256, told)
    return await find(pool, sha256)


async def withdraw(pool: Pool, sha256: str, user: str, reason: str) -> ModelSeen:
    """Let a model go to no further station; those that have it keep it.

    Raises:
        NotFound: there is no such model.
        ModelRefused: it was withdrawn before.
    """
    async with connection(pool) as conn, conn.transaction():
        model = await _locked(conn, sha256)
        if model.withdrawn_by is not None:
            raise ModelRefused(f"{model.title} was withdrawn by {model.withdrawn_by} already")
        await conn.execute(
            "UPDATE models SET withdrawn_by = %s, withdrawn_at = now(), withdrawn_why = %s"
            " WHERE sha256 = %s",
            (user, reason, bytes.fromhex(sha256)),
        )
        told = {"model": model.title, "reason": reason}
        await audit.write(conn, user, "withdraw_model", sha256, told)
    return await find(pool, sha256)


async def find(pool: Pool, sha256: str) -> ModelSeen:
    """The model with this hash, given in hex.

    Raises:
        NotFound: there is none.
    """
    async with connection(pool) as conn:
        return await _one(conn, sha256, "")


async def list_all(pool: Pool) -> list[ModelSeen]:
    """All models by name, the newest version first."""
    query = f"SELECT {_COLUMNS} FROM models ORDER BY name, version DESC"  # noqa: S608 - our own names
    async with connection(pool) as conn:
        rows = await (await conn.execute(query.encode())).fetchall()
    return [_seen(row) for row in rows]


async def _insert(
    conn: psycopg.AsyncConnection[Any], package: Package, blob: bytes, user: str
) -> bool:
    found = package.manifest
    files = {path: len(content) for path, content in package.files.items()}
    cursor = await conn.execute(
        "INSERT INTO models (sha256, name, version, make, created, note, card, files, size, body,"
        " uploaded_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %b, %s)"
        " ON CONFLICT (sha256) DO NOTHING",
        (
            *(bytes.fromhex(package.sha256), found.name, found.version, found.make),
            *(_day(found.created), found.note, package.card, Jsonb(files), package.size),
            *(blob, user),
        ),
    )
    return bool(cursor.rowcount)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ModelRefused(f"bundle.toml: created = {text!r} is no day") from error


async def _locked(conn: psycopg.AsyncConnection[Any], sha256: str) -> ModelSeen:
    return await _one(conn, sha256, " FOR UPDATE")


async def _one(conn: psycopg.AsyncConnection[Any], sha256: str, how: str) -> ModelSeen:
    try:
        digest = bytes.fromhex(sha256)
    except ValueError as error:
        raise NotFound(f"{sha256!r:.80} is no SHA-256 of a model") from error
    query = f"SELECT {_COLUMNS} FROM models WHERE sha256 = %s{how}"  # noqa: S608 - our own names
    row = await (await conn.execute(query.encode(), (digest,))).fetchone()
    if row is None:
        raise NotFound(f"no model has the SHA-256 {sha256}; GET /api/v1/models lists them")
    return _seen(row)


def _seen(row: tuple[Any, ...]) -> ModelSeen:
    return ModelSeen(row[0].hex(), *row[1:])
