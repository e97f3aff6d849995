"""What the controller and the process of IEC 60870-5-104 tell each other, as framed messages.

The process judges nothing: it asks, and the controller answers. Without an answer it refuses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from station.processes import WireError, framing

MAX_MESSAGE_BYTES = 1 << 22
"""A list of 10,000 points with their values is 1 MB."""


@dataclass(frozen=True)
class Setup:
    """What the process must know.

    Attributes:
        host, port: where it listens; port 0 takes a free one.
        common_address: of the station.
        timezone: in which times travel.
        select_timeout_ms: a selection ends after it.
        silence_s: a centre that is silent for so long is tested, and then let go.
        monitored: address and type of each point that is told.
        controls: address, type, and whether it must be selected, of each command.
        certificate, key, authority: files of TLS; empty without.
    """

    host: str
    port: int
    common_address: int
    timezone: str
    select_timeout_ms: int
    silence_s: float
    monitored: Sequence[tuple[int, str]]
    controls: Sequence[tuple[int, str, bool]]
    certificate: str = ""
    key: str = ""
    authority: str = ""


@dataclass(frozen=True)
class Values:
    """The newest values: address, value and flags as transmitted, epoch ms, whether it is news."""

    rows: Sequence[tuple[int, float, int, int, bool]]


@dataclass(frozen=True)
class Verdict:
    """The answer to one `Ask`."""

    id: int
    granted: bool


@dataclass(frozen=True)
class Close:
    """The process is asked to end."""


class Subject(StrEnum):
    """What the process asks about."""

    CONNECT = "connect"
    COMMAND = "command"
    CLOCK = "clock"


@dataclass(frozen=True)
class Ask:
    """Something that the centre wants.

    Attributes:
        id: names the question.
        subject: what it is about.
        peer: address of the client, where it is known.
        ioa, value: of a command, as transmitted.
        time_ms: the time tag of a command, or the centre's clock; None without.
    """

    id: int
    subject: str
    peer: str = ""
    ioa: int = 0
    value: float = 0.0
    time_ms: int | None = None


@dataclass(frozen=True)
class Declined:
    """The library itself refused a command: there is none like it, or, 0, it was not selected."""

    ioa: int


@dataclass(frozen=True)
class Opened:
    """The port is open."""

    port: int


@dataclass(frozen=True)
class Failed:
    """The port cannot be opened; the text names the remedy."""

    reason: str


@dataclass(frozen=True)
class Beat:
    """The process works; whether a centre has a connection."""

    connected: bool


Message = Setup | Values | Verdict | Close | Ask | Declined | Opened | Failed | Beat
_KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Setup, Values, Verdict, Close, Ask, Declined, Opened, Failed, Beat)
}


def encode(message: Message) -> bytes:
    """Return the frame of a message.

    Raises:
        WireError: it would pass the size limit.
    """
    return framing.pack(type(message).__name__, asdict(message), most=MAX_MESSAGE_BYTES)


def decode(frame: bytes) -> Message:
    """Return the message of one whole frame.

    Raises:
        WireError: the bytes are no frame of ours.
    """
    kind, fields, _ = framing.unpack(frame)
    try:
        message: Message = _KINDS[kind](**fields)
    except (TypeError, KeyError) as error:
        raise WireError(f"a frame of {len(frame)} bytes cannot be read: {error!r}") from error
    return message
