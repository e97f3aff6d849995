"""Proves that a restored store is the one that was backed up: counts, hashes, every block open."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from cloud.catalogue import LayoutCatalogue
from cloud.db.backup.record import BackupRecord, Counts, StationCounts
from cloud.db.backup.tools import Say
from cloud.db.pool import Pool, create_pool
from cloud.epochs import EpochKeys
from cloud.errors import CloudError
from cloud.keys import KeyStore
from cloud.vault.vault import BlockPlace, StationKeys, Vault
from contract.errors import ContractError
from contract.frame import decode_batch

_CHUNK: Final = 64
"""Blocks opened in one go: some megabytes."""
_SAY_EVERY: Final = 100_000
_NAMED: Final = 20
_GROWING: Final = ("batches", "samples", "epochs")
"""Counts of what is kept for ever."""
_MOVING: Final = ("blocks", "rollup_blocks", "waiting")
"""Counts that merging and retention may lower as well."""

_BLOCKS: Final = """
SELECT device, layout, hour_ms, step_ms, phase_ms, part, body FROM blocks WHERE station = %s
"""
_WAITING: Final = """
SELECT epoch, sequence, body FROM hot_batches WHERE station = %s AND quarantined IS NULL
"""


@dataclass
class Opened:
    """What was opened, and what could not be."""

    blocks: int = 0
    batches: int = 0
    samples: int = 0
    findings: list[str] = field(default_factory=list)
    damaged: int = 0

    def wrong(self, where: str, error: Exception) -> None:
        """Note something that does not open."""
        self.damaged += 1
        if self.damaged <= _NAMED:
            self.findings.append(f"{where}: {error}")
        elif self.damaged == _NAMED + 1:
            self.findings.append("and more that do not open")


def compare_counts(record: BackupRecord, found: Counts, *, beyond: bool) -> list[str]:
    """Compare a restored store with the counts of its backup.

    The store went on taking data while the backup was made: what is restored lies between
    the counts before and after. `beyond`: the log of later was replayed, so there may be more.
    """
    findings = []
    for station, before in record.before.items():
        after = record.after.get(station, before)
        now = found.get(station)
        if now is None:
            findings.append(f"station {station}: is missing")
            continue
        findings += [
            f"station {station}: {one}" for one in _station(before, after, now, beyond=beyond)
        ]
    return findings


def _station(
    before: StationCounts, after: StationCounts, now: StationCounts, *, beyond: bool
) -> list[str]:
    findings = []
    for name in _GROWING:
        low, high, is_now = (getattr(one, name) for one in (before, after, now))
        if is_now < low or (is_now > high and not beyond):
            findings.append(f"{is_now} {name}, the backup had {_between(low, high)}")
    if before == after and not beyond:
        findings += [
            f"{getattr(now, name)} {name}, the backup had {getattr(after, name)}"
            for name in _MOVING
            if getattr(now, name) != getattr(after, name)
        ]
    same = next((one for one in (after, before) if one.batches == now.batches), None)
    if same is not None and same.ledger != now.ledger:
        findings.append(
            f"the hashes of its {now.batches} messages are not those of the backup "
            f"({now.ledger} instead of {same.ledger})"
        )
    return findings


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def open_everything(dsn: str, keys: KeyStore, stations: Sequence[str], say: Say) -> Opened:
    """Open every block and every waiting batch of the store; CRCs are checked by decoding.

    Raises:
        CloudError: the database does not answer.
    """
    return asyncio.run(_open_all(dsn, keys, stations, say))


async def _open_all(dsn: str, keys: KeyStore, stations: Sequence[str], say: Say) -> Opened:
    opened = Opened()
    pool = create_pool(dsn, size=4, timeout_s=10.0)
    async with pool:
        layouts = LayoutCatalogue(pool)
        await layouts.load_all()
        vault, epochs = Vault(pool, keys), EpochKeys(pool, keys)
        for station in stations:
            try:
                await _open_blocks(pool, vault, station, opened, say)
                await _open_waiting(pool, epochs, station, opened)
            except (CloudError, ContractError, psycopg.Error) as error:
                opened.wrong(f"station {station}", error)
    return opened


async def _open_blocks(pool: Pool, vault: Vault, station: str, opened: Opened, say: Say) -> None:
    keys: StationKeys | None = None
    side_by_side = os.cpu_count() or 1
    async with (
        pool.connection() as conn,
        conn.transaction(),
        conn.cursor(name="blocks", binary=True) as cursor,
    ):
        await cursor.execute(_BLOCKS, [station])
        while rows := await cursor.fetchmany(_CHUNK * side_by_side):
            keys = keys or await vault.keys(station)
            chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
            for part in await asyncio.gather(
                *(asyncio.to_thread(_open_chunk, station, keys, chunk) for chunk in chunks)
            ):
                _add(opened, part, say)


def _open_chunk(station: str, keys: StationKeys, rows: Sequence[tuple[Any, ...]]) -> Opened:
    part = Opened()
    for *primary_key, body in rows:
        place = BlockPlace(station, *primary_key)
        try:
            frames = decode_batch(keys.open(place, body))
            part.samples += sum(frame.n for frame in frames)
        except (CloudError, ContractError) as error:
            part.wrong(str(place), error)
        part.blocks += 1
    return part


def _add(opened: Opened, part: Opened, say: Say) -> None:
    before = opened.blocks
    opened.blocks += part.blocks
    opened.samples += part.samples
    opened.damaged += part.damaged
    opened.findings = (opened.findings + part.findings)[: _NAMED + 1]
    if before // _SAY_EVERY != opened.blocks // _SAY_EVERY:
        say(f"  opened {opened.blocks:,} blocks")


async def _open_waiting(pool: Pool, epochs: EpochKeys, station: str, opened: Opened) -> None:
    async with (
        pool.connection() as conn,
        conn.transaction(),
        conn.cursor(name="waiting", binary=True) as cursor,
    ):
        await cursor.execute(_WAITING, [station])
        async for epoch, sequence, body in cursor:
            try:
                frames = decode_batch((await epochs.get(station, epoch)).open(body, station))
                opened.samples += sum(frame.n for frame in frames)
            except (CloudError, ContractError) as error:
                opened.wrong(f"batch {station}/{epoch}/{sequence}", error)
            opened.batches += 1
