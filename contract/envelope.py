"""The envelope: what leaves a station is readable by the cloud alone, and by nobody between.

Each start of a station is an epoch with a fresh AES-256-GCM key. The key travels once, wrapped
for the cloud (HPKE, RFC 9180, base mode: X25519, HKDF-SHA256, AES-256-GCM) and signed by the
station (Ed25519), because base mode does not authenticate its sender. Every message carries a
clear header (who, epoch, sequence, stream) which the tag authenticates. The nonce is epoch,
stream and sequence: it is never used twice, because sequences of a stream only grow and a
restart makes a new epoch with a new key.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from contract.errors import (
    EnvelopeError,
    EnvelopeMalformed,
    EnvelopeWrongStation,
    KeyRefused,
    Replayed,
    SequenceError,
    Tampered,
    UnknownEpoch,
)
from contract.replay import MAX_SEQUENCE, ReplayWindow

__all__ = [
    "EnvelopeError",
    "EnvelopeHeader",
    "EnvelopeMalformed",
    "EpochKey",
    "KeyAnnouncement",
    "KeyRefused",
    "ReplayWindow",
    "Replayed",
    "Sealer",
    "SequenceError",
    "Stream",
    "Tampered",
    "UnknownEpoch",
    "WrongStation",
    "open_key",
    "peek",
]

WrongStation = EnvelopeWrongStation

VERSION = 1
SUITE_AES256GCM_X25519 = 1
MAX_PLAINTEXT_BYTES = 32 << 20
MAX_EPOCH = (1 << 32) - 1
STATION_BYTES = 32

_KEY_BYTES = 32
_TAG_BYTES = 16
_SIGNATURE_BYTES = 64
_WRAPPED_BYTES = 32 + _KEY_BYTES + _TAG_BYTES
_HEADER = struct.Struct(f">BB{STATION_BYTES}sIQB")
_ANNOUNCEMENT = struct.Struct(f">BB{STATION_BYTES}sI{_WRAPPED_BYTES}s")
_NONCE = struct.Struct(">IQ")
_STREAM_SHIFT = 56
_SIGN_CONTEXT = b"stationmaster/key-announcement/v1\0"
_HPKE_INFO = b"stationmaster/epoch-key/v1\0"
_HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Stream(IntEnum):
    """What an envelope carries."""

    TELEMETRY = 1
    LIVE = 2
    EVENTS = 3
    COMMANDS = 4


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """The clear part of an envelope. It is only trustworthy after `EpochKey.open`."""

    version: int
    suite: int
    station: str
    epoch: int
    sequence: int
    stream: Stream


@dataclass(frozen=True, slots=True)
class KeyAnnouncement:
    """An epoch's key, wrapped for the cloud and signed by the station."""

    station: str
    epoch: int
    wrapped: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        """Return the wire form."""
        return _signed_part(self.station, self.epoch, self.wrapped) + self.signature

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Read the wire form; EnvelopeMalformed when it is none."""
        if len(blob) != _ANNOUNCEMENT.size + _SIGNATURE_BYTES:
            msg = (
                f"a key announcement has {_ANNOUNCEMENT.size + _SIGNATURE_BYTES} bytes, "
                f"not {len(blob)}"
            )
            raise EnvelopeMalformed(msg)
        version, suite, station, epoch, wrapped = _ANNOUNCEMENT.unpack_from(blob)
        _require_version(version, suite)
        return cls(_station_text(station), epoch, wrapped, bytes(blob[_ANNOUNCEMENT.size :]))


class Sealer:
    """Seals the messages of one epoch of one station. Not for use from several threads."""

    def __init__(
        self,
        station: str,
        cloud_key: X25519PublicKey,
        sign: Ed25519PrivateKey,
        epoch: int,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Draw the epoch's key and wrap it for the cloud.

        Args:
            station: the station's id, at most 32 bytes of UTF-8.
            cloud_key: the cloud's public key, from enrolment.
            sign: the station's signing key.
            epoch: larger than every epoch of this station before, 0..2**32-1.
            entropy: source of the key's 32 random bytes.
        """
        if not 0 <= epoch <= MAX_EPOCH:
            msg = f"epoch {epoch} is outside 0..{MAX_EPOCH}"
            raise EnvelopeMalformed(msg)
        key = entropy(_KEY_BYTES)
        if len(key) != _KEY_BYTES:
            msg = f"the entropy source gave {len(key)} of {_KEY_BYTES} bytes"
            raise KeyRefused(msg)
        self._station = _station_bytes(station)
        self._epoch = epoch
        self._cipher = AESGCM(key)
        self._last = dict.fromkeys(Stream, -1)
        wrapped = _HPKE.encrypt(key, cloud_key, info=_hpke_info(station, epoch))
        signature = sign.sign(_SIGN_CONTEXT + _signed_part(station, epoch, wrapped))
        self.announcement = KeyAnnouncement(station, epoch, wrapped, signature)

    @property
    def epoch(self) -> int:
        """The epoch that this sealer seals for."""
        return self._epoch

    def seal(self, sequence: int, stream: Stream, plaintext: bytes) -> bytes:
        """Return the sealed message. Sequences of a stream must grow: SequenceError else."""
        last = self._last[stream]
        if not last < sequence <= MAX_SEQUENCE:
            msg = (
                f"sequence {sequence} of {stream.name} in epoch {self._epoch} must be larger than "
                f"{last} and at most {MAX_SEQUENCE}; start a new epoch when it is used up"
            )
            raise SequenceError(msg)
        if len(plaintext) > MAX_PLAINTEXT_BYTES:
            msg = f"{len(plaintext)} bytes are over the limit of {MAX_PLAINTEXT_BYTES} a message"
            raise EnvelopeMalformed(msg)
        self._last[stream] = sequence
        header = _HEADER.pack(
            VERSION, SUITE_AES256GCM_X25519, self._station, self._epoch, sequence, stream
        )
        return header + self._cipher.encrypt(
            _nonce(self._epoch, stream, sequence), plaintext, header
        )


class EpochKey:
    """The cloud's side of an epoch: opens what the station sealed."""

    def __init__(self, station: str, epoch: int, key: bytes) -> None:
        """Keep an unwrapped 32-byte key; use `open_key` to get one from an announcement."""
        if len(key) != _KEY_BYTES:
            msg = f"an epoch key has {_KEY_BYTES} bytes, not {len(key)}"
            raise KeyRefused(msg)
        self.station = station
        self.epoch = epoch
        self._cipher = AESGCM(key)

    def open(self, blob: bytes, expected_station: str) -> bytes:
        """Return the plaintext.

        Raises:
            EnvelopeMalformed: not an envelope.
            EnvelopeWrongStation: header or key belong to another station than `expected_station`
                (the one whose certificate is speaking).
            UnknownEpoch: sealed in another epoch than this key's.
            Tampered: header or content were altered.
        """
        header = peek(blob)
        if not header.station == self.station == expected_station:
            msg = (
                f"envelope of station {header.station!r} came from {expected_station!r} "
                f"with the key of {self.station!r}"
            )
            raise EnvelopeWrongStation(msg)
        if header.epoch != self.epoch:
            msg = (
                f"envelope of epoch {header.epoch} cannot be opened with the key of epoch "
                f"{self.epoch}; let the station announce its key again"
            )
            raise UnknownEpoch(msg)
        nonce = _nonce(header.epoch, header.stream, header.sequence)
        view = memoryview(blob)
        try:
            return self._cipher.decrypt(nonce, view[_HEADER.size :], view[: _HEADER.size])
        except InvalidTag as error:
            msg = (
                f"envelope {header.sequence} of epoch {header.epoch} from {header.station!r} "
                "was altered: its tag does not fit"
            )
            raise Tampered(msg) from error


def peek(blob: bytes) -> EnvelopeHeader:
    """Return the clear header without a key; EnvelopeMalformed when there is none."""
    if (
        not _HEADER.size + _TAG_BYTES
        <= len(blob)
        <= (_HEADER.size + MAX_PLAINTEXT_BYTES + _TAG_BYTES)
    ):
        msg = f"{len(blob)} bytes are no envelope: too short or too long"
        raise EnvelopeMalformed(msg)
    version, suite, station, epoch, sequence, stream = _HEADER.unpack_from(blob)
    _require_version(version, suite)
    if stream not in set(Stream) or sequence > MAX_SEQUENCE:
        msg = f"stream {stream} or sequence {sequence} is outside what the contract knows"
        raise EnvelopeMalformed(msg)
    return EnvelopeHeader(version, suite, _station_text(station), epoch, sequence, Stream(stream))


def open_key(
    announcement: KeyAnnouncement | bytes,
    cloud_private: X25519PrivateKey,
    station_public: Ed25519PublicKey,
) -> EpochKey:
    """Return the epoch's key after checking that this station announced it to this cloud.

    Raises:
        EnvelopeMalformed: the bytes are no announcement.
        KeyRefused: not signed by the station, or not wrapped for this cloud, station and epoch.
    """
    if not isinstance(announcement, KeyAnnouncement):
        announcement = KeyAnnouncement.from_bytes(announcement)
    station, epoch, wrapped = announcement.station, announcement.epoch, announcement.wrapped
    signed = _SIGN_CONTEXT + _signed_part(station, epoch, wrapped)
    try:
        station_public.verify(announcement.signature, signed)
        key = _HPKE.decrypt(wrapped, cloud_private, info=_hpke_info(station, epoch))
    except InvalidSignature as error:
        msg = f"key of epoch {epoch} is not signed by station {station!r}; enrol the station again"
        raise KeyRefused(msg) from error
    except (InvalidTag, ValueError) as error:
        msg = f"key of epoch {epoch} of station {station!r} is not wrapped for this cloud"
        raise KeyRefused(msg) from error
    return EpochKey(station, epoch, key)


def _nonce(epoch: int, stream: Stream, sequence: int) -> bytes:
    return _NONCE.pack(epoch, stream << _STREAM_SHIFT | sequence)


def _hpke_info(station: str, epoch: int) -> bytes:
    return _HPKE_INFO + _station_bytes(station) + epoch.to_bytes(4, "big")


def _signed_part(station: str, epoch: int, wrapped: bytes) -> bytes:
    if len(wrapped) != _WRAPPED_BYTES or not 0 <= epoch <= MAX_EPOCH:
        msg = f"a wrapped key has {_WRAPPED_BYTES} bytes and an epoch 0..{MAX_EPOCH}"
        raise EnvelopeMalformed(msg)
    return _ANNOUNCEMENT.pack(
        VERSION, SUITE_AES256GCM_X25519, _station_bytes(station), epoch, wrapped
    )


def _station_bytes(station: str) -> bytes:
    raw = station.encode(errors="replace")
    if not 1 <= len(raw) <= STATION_BYTES or not station.isprintable():
        msg = f"station id {station!r:.60} must be 1..{STATION_BYTES} printable UTF-8 bytes"
        raise EnvelopeMalformed(msg)
    return raw.ljust(STATION_BYTES, b"\0")


def _station_text(raw: bytes) -> str:
    try:
        station = raw.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        msg = "the station id is no UTF-8"
        raise EnvelopeMalformed(msg) from error
    if not station or not station.isprintable():
        msg = f"the station id {station!r} is not printable"
        raise EnvelopeMalformed(msg)
    return station


def _require_version(version: int, suite: int) -> None:
    if (version, suite) != (VERSION, SUITE_AES256GCM_X25519):
        msg = (
            f"envelope version {version} with suite {suite} is not spoken here "
            f"(version {VERSION}, suite {SUITE_AES256GCM_X25519}); update the older side"
        )
        raise EnvelopeMalformed(msg)
