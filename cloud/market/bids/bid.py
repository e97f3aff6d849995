"""A bid with its versions, as the worker and people see it."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from cloud.market.bids.content import Content
from cloud.market.bids.states import ENDS, OPEN, State

_AFTERWARDS = (State.CLEARED, State.SCHEDULED, State.DELIVERED)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a bid.

    Attributes:
        number: from 1.
        state: where it is.
        fallback: it goes to the exchange only when nothing else is approved in time.
        made_by: a person or a program.
        made_ms: when.
        why: what its maker said; the reason of an amendment.
        approved_by: a person, or rule:NAME; None: nobody.
        blocked: "rules", "limits", or nothing.
        reference: the exchange's name for it.
        content: what it offers and why.
    """

    number: int
    state: State
    fallback: bool
    made_by: str
    made_ms: int
    approved_by: str | None
    blocked: str
    reference: str
    content: Content
    why: str = ""


@dataclass(frozen=True, slots=True)
class Bid:
    """What one station offers of one product from one time on; times are UTC epoch ms.

    `withdrawn_ms`: when somebody has taken it back as a whole; an edit makes it live again.
    """

    id: str
    station: str
    desk: str
    market: str
    product: str
    day: dt.date
    gate_ms: int
    begin_ms: int
    end_ms: int
    called_ms: int | None
    wakes: int
    created_by: str
    versions: tuple[Version, ...]
    withdrawn_ms: int | None = None

    def of(self, number: int) -> Version:
        """Return a version by its number; KeyError where there is none."""
        for version in self.versions:
            if version.number == number:
                return version
        raise KeyError(number)

    def newest(self, *states: State) -> Version | None:
        """Return the newest version that is in one of these states."""
        return next(self._in(states), None)

    def key(self, version: Version) -> str:
        """Under which the exchange knows a version."""
        return f"{self.id}-{version.number}"

    @property
    def open(self) -> tuple[Version, ...]:
        """The versions that the exchange has not seen, newest first."""
        return tuple(self._in(tuple(OPEN)))

    @property
    def draft(self) -> Version | None:
        """The newest open version that is no fall-back."""
        return next((one for one in self.open if not one.fallback), None)

    @property
    def fallback(self) -> Version | None:
        """The newest open fall-back."""
        return next((one for one in self.open if one.fallback), None)

    @property
    def is_safe(self) -> bool:
        """Whether something is approved or beyond, so that nobody has to hurry."""
        return any(one.state not in OPEN and one.state not in ENDS for one in self.versions) or any(
            one.state is State.APPROVED for one in self.versions
        )

    @property
    def is_given_up(self) -> bool:
        """Whether somebody has taken it back and nothing of it is left to decide."""
        return self.withdrawn_ms is not None and not self.open

    @property
    def after_clearing(self) -> Version | None:
        """The version that the market has cleared and that is not settled yet."""
        return next(self._in(_AFTERWARDS), None)

    def _in(self, states: tuple[State, ...]) -> Iterator[Version]:
        return (one for one in reversed(self.versions) if one.state in states)
