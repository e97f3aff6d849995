"""What may become of a submission; each is a type that a caller matches."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """A part that was refused; `start_ms` None: the whole document."""

    start_ms: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken as a whole, under the exchange's id."""

    submission: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class PartlyAccepted:
    """Taken but for some intervals."""

    submission: str
    at_ms: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not taken; sending it again unchanged is of no use."""

    reasons: tuple[Refused, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Pending:
    """Received; the exchange has not decided."""

    submission: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Taken back."""

    submission: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class NotThere:
    """The exchange knows nothing under that key."""


@dataclass(frozen=True, slots=True)
class Denied:
    """We are refused, not the bid: token, address or key are wrong. A person must look."""

    why: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """It could not be found out; the same key may and must be asked for again."""

    why: str


Outcome = Accepted | PartlyAccepted | Rejected | Pending | Withdrawn | NotThere | Denied | Unclear
