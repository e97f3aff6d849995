"""The gate: a sealed message is opened and checked whole before anything is stored.

Order of checks: is it an envelope; does it name the station of the certificate; is it for this
lane; do we know the epoch's key; does its tag fit; does its content fit the contract. Every
refusal that an honest station cannot cause is noted in the security book. What events and
commands say is sealed again here, for the table, before any statement carries it.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from cloud.access.pki import PeerIdentity
from cloud.catalogue import LayoutCatalogue
from cloud.commands.content import rows_of
from cloud.epochs import EpochKeys
from cloud.errors import IdentityRefused, Refused
from cloud.ingest.ledger import Offer
from cloud.security import SecurityLog
from cloud.vault.rows import EventContent, seal_event
from cloud.vault.vault import StationKeys, Vault
from contract import commands, events, frame
from contract.commands import CommandRecord
from contract.envelope import EnvelopeHeader, Stream, Tampered, UnknownEpoch, WrongStation, peek
from contract.errors import ContractError, UnknownLayoutError
from contract.events import Event
from contract.frame import FrameHeader
from contract.layouts import Layout

_MINUTE_MS: Final = 60_000
_LONGEST_FRAME_MS: Final = 31 * 86_400_000
_IN_THREAD_BYTES = 64 << 10
"""From this size on a message is opened in a thread, so that the event loop goes on."""

_R = TypeVar("_R", Event, CommandRecord)


@dataclass(frozen=True)
class Opened:
    """A message whose tag fits and whose sender is who it says."""

    header: EnvelopeHeader
    plaintext: bytes


class Gate:
    """Opens messages for one worker."""

    def __init__(
        self, epochs: EpochKeys, layouts: LayoutCatalogue, book: SecurityLog, vault: Vault
    ) -> None:
        self._epochs = epochs
        self._vault = vault
        self._layouts = layouts
        self._book = book
        self._seen: set[tuple[str, str, bytes]] = set()

    async def open(self, peer: PeerIdentity, body: bytes, stream: Stream) -> Opened:
        """Open a sealed message from `peer` on the lane `stream`.

        Raises:
            Refused: with the code and status of the answer.
        """
        try:
            header = peek(body)
        except ContractError as error:
            self._book.note("malformed", station=peer.station, reason=str(error))
            raise Refused(str(error), code="malformed") from error
        if header.station != peer.station:
            self._book.note("wrong_station", station=peer.station, claimed=header.station)
            raise IdentityRefused(
                f"the envelope names {header.station!r}, the certificate {peer.station!r}"
            )
        if header.stream is not stream:
            self._book.note("wrong_stream", station=peer.station, stream=header.stream.name)
            raise Refused(
                f"this lane takes {stream.name}, not {header.stream.name}", code="malformed"
            )
        return Opened(header, await self._decrypt(peer, header, body))

    async def _decrypt(self, peer: PeerIdentity, header: EnvelopeHeader, body: bytes) -> bytes:
        try:
            key = await self._epochs.get(header.station, header.epoch)
            if len(body) < _IN_THREAD_BYTES:
                return key.open(body, peer.station)
            return await asyncio.to_thread(key.open, body, peer.station)
        except UnknownEpoch as error:
            raise Refused(str(error), code="unknown_epoch", status=428) from error
        except WrongStation as error:
            raise IdentityRefused(str(error)) from error
        except Tampered as error:
            self._book.note(
                "tampered", station=peer.station, epoch=header.epoch, sequence=header.sequence
            )
            raise Refused(str(error), code="tampered") from error

    async def telemetry(self, peer: PeerIdentity, body: bytes) -> Offer:
        """Open and check a telemetry batch.

        Raises:
            Refused: with the code and status of the answer.
        """
        opened = await self.open(peer, body, Stream.TELEMETRY)
        try:
            headers = frame.peek_batch(opened.plaintext)
        except ContractError as error:
            self._book.note("malformed", station=peer.station, reason=str(error))
            raise Refused(str(error), code="malformed") from error
        layouts = {h.layout_hash: await self._layout(h.layout_hash) for h in headers}
        self._require_bounded(peer, headers, layouts)
        keys = {(peer.station, h.device, h.layout_hash) for h in headers}
        unseen = sorted((device, layout.hex()) for _, device, layout in keys - self._seen)
        return Offer(
            **_key(opened.header, peer, body),
            body=body,
            samples=sum(h.n for h in headers),
            value_count=sum(h.n * layouts[h.layout_hash].width for h in headers),
            t_first_ms=min(h.t0_ms for h in headers),
            t_last_ms=max(h.t0_ms + (h.n - 1) * h.step_ms for h in headers),
            devices=unseen,
            minutes=minute_runs(headers),
        )

    def _require_bounded(
        self, peer: PeerIdentity, headers: Sequence[FrameHeader], layouts: Mapping[bytes, Layout]
    ) -> None:
        """Refuse what a header claims and no reader would take, before it costs anything."""
        values = sum(h.n * (layouts[h.layout_hash].width + 1) for h in headers)
        longest = max(h.n * h.step_ms for h in headers)
        if values > frame.MAX_VALUES or longest > _LONGEST_FRAME_MS:
            reason = f"{values} values over {longest / 86_400_000:.1f} days in one message"
            self._book.note("malformed", station=peer.station, reason=reason)
            raise Refused(
                f"{reason}; cut it at {frame.MAX_VALUES} values and 31 days", code="malformed"
            )

    def stored(self, offer: Offer) -> None:
        """Remember that the devices of a stored offer are in the table."""
        self._seen.update((offer.station, name, bytes.fromhex(h)) for name, h in offer.devices)

    async def events(self, peer: PeerIdentity, body: bytes) -> Offer:
        """Open and check a message of events; errors as `telemetry`."""
        opened, found = await self._records(peer, body, Stream.EVENTS, events.from_json)
        keys = await self._vault.keys(peer.station)
        rows = await asyncio.to_thread(_rows_of_events, keys, found)
        times = [event.at_ms for event in found]
        return Offer(**_key(opened.header, peer, body), **_told_at(times), events=rows)

    async def commands(self, peer: PeerIdentity, body: bytes) -> Offer:
        """Open and check a message of commands; errors as `telemetry`."""
        opened, found = await self._records(peer, body, Stream.COMMANDS, commands.from_json)
        keys = await self._vault.keys(peer.station)
        rows = await asyncio.to_thread(rows_of, keys, found)
        times = [command.issued_ms for command in found]
        return Offer(**_key(opened.header, peer, body), **_told_at(times), commands=rows)

    async def _records(
        self, peer: PeerIdentity, body: bytes, stream: Stream, read: Callable[[bytes], Sequence[_R]]
    ) -> tuple[Opened, Sequence[_R]]:
        """Open a message of records, each of which has to be of the station that sends it."""
        opened = await self.open(peer, body, stream)
        try:
            found = await asyncio.to_thread(read, opened.plaintext)
        except ContractError as error:
            # The text may repeat what the record says; the station alone is told that.
            self._book.note("malformed", station=peer.station, reason=type(error).__name__)
            raise Refused(str(error), code="malformed") from error
        if any(record.station != peer.station for record in found):
            where = stream.name.lower()
            self._book.note("wrong_station", station=peer.station, where=where)
            raise IdentityRefused(f"one of the {where} names another station")
        return opened, found

    async def live(self, peer: PeerIdentity, body: bytes) -> tuple[EnvelopeHeader, int]:
        """Open and check a live image; return its header and newest device time."""
        opened = await self.open(peer, body, Stream.LIVE)
        try:
            headers = frame.peek_batch(opened.plaintext)
        except ContractError as error:
            self._book.note("malformed", station=peer.station, reason=str(error))
            raise Refused(str(error), code="malformed") from error
        for header in headers:
            await self._layout(header.layout_hash)
        return opened.header, max(h.t0_ms + (h.n - 1) * h.step_ms for h in headers)

    async def _layout(self, hash8: bytes) -> Layout:
        try:
            return await self._layouts.resolve(hash8)
        except UnknownLayoutError as error:
            raise Refused(hash8.hex(), code="unknown_layout", status=428) from error


def _rows_of_events(keys: StationKeys, found: Sequence[Event]) -> list[dict[str, Any]]:
    clear = ("id", "device", "code", "tag", "severity", "active", "at_ms")
    rows = []
    for event in found:
        content = EventContent(event.text_en, event.text_zh, event.value, event.limit)
        sealed = seal_event(keys, event.station, event.id, content)
        row = {name: getattr(event, name) for name in clear}
        rows.append(row | {"sealed": base64.b64encode(sealed).decode()})
    return rows


def _told_at(times_ms: Sequence[int]) -> dict[str, Any]:
    """What an offer of records has instead of samples."""
    times = times_ms or [0]
    return {
        "body": b"",
        "samples": 0,
        "value_count": 0,
        "t_first_ms": min(times),
        "t_last_ms": max(times),
    }


def minute_runs(headers: Sequence[FrameHeader]) -> list[tuple[int, int]]:
    """Return the runs of minutes in which frames have rows: (first, last) in epoch ms.

    A batch that brings one sample of last week beside those of now marks two minutes, not a week.
    """
    grids = {(h.t0_ms, h.step_ms, h.n) for h in headers}
    rows = [t0 + step * np.arange(n, dtype=np.int64) for t0, step, n in grids]
    minutes = np.unique(np.concatenate(rows) // _MINUTE_MS) * _MINUTE_MS
    breaks = np.flatnonzero(np.diff(minutes) > _MINUTE_MS)
    firsts, lasts = np.r_[0, breaks + 1], np.r_[breaks, len(minutes) - 1]
    return list(zip(minutes[firsts].tolist(), minutes[lasts].tolist(), strict=True))


def _key(header: EnvelopeHeader, peer: PeerIdentity, body: bytes) -> dict[str, Any]:
    return {
        "station": header.station,
        "epoch": header.epoch,
        "stream": int(header.stream),
        "sequence": header.sequence,
        "fingerprint": peer.fingerprint,
        "sha256": hashlib.sha256(body).digest(),
        "size": len(body),
    }
