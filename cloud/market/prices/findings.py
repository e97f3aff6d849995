"""What an import finds, by name: findings that refuse it and findings that are only told."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final


class Code(StrEnum):
    """What is wrong, or worth knowing."""

    GAP = "gap"
    DUPLICATE = "duplicate"  # the same row twice: one is taken
    CONFLICT = "conflict"  # two values for one interval, known at the same time
    REWRITTEN = "rewritten"  # another value than the one stored as known at that time
    CLOCK_CHANGE = "clock_change"
    NEVER_SHOWN = "never_shown"  # a local time that the clock skipped
    WRONG_STEP = "wrong_step"
    OFF_GRID = "off_grid"
    NOT_A_NUMBER = "not_a_number"
    UNIT = "unit"  # a factor of 1,000
    NEGATIVE = "negative"
    ABSURD = "absurd"
    STUCK = "stuck"
    KNOWN_TOO_EARLY = "known_too_early"
    KNOWN_IN_FUTURE = "known_in_future"
    EMPTY = "empty"


TOLD: Final = frozenset({Code.GAP, Code.DUPLICATE, Code.CLOCK_CHANGE, Code.STUCK})
"""Findings that refuse nothing; whoever trains sees the gaps as such."""
ACCEPTABLE: Final = frozenset({Code.UNIT, Code.NEGATIVE, Code.ABSURD})
"""Findings that a person who knows better may accept by name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Attributes:
        code: what.
        count: how many rows or intervals.
        first_ms: the first of them, UTC; 0 where it has no time.
        last_ms: the last of them.
        text: where, what, and the remedy, in words.
        accepted: somebody has accepted it by name.
    """

    code: Code
    count: int
    first_ms: int
    last_ms: int
    text: str
    accepted: bool = False

    @property
    def refuses(self) -> bool:
        """Whether nothing is imported because of it."""
        return self.code not in TOLD and not self.accepted


@dataclass(frozen=True, slots=True)
class Report:
    """What an import came to.

    Attributes:
        series: id.
        source: file, or who called.
        rows: rows given.
        added: values that were not known before; 0 where it was refused.
        findings: what was found.
    """

    series: str
    source: str
    rows: int
    added: int
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether nothing of it was stored."""
        return refuse(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {**asdict(self), "refused": self.refused}

    def lines(self) -> list[str]:
        """Return it as people read it."""
        head = (
            f"{self.series}: {self.source} refused, nothing was stored"
            if self.refused
            else f"{self.series}: {self.added:,} of {self.rows:,} rows from {self.source} were news"
        )
        marks = {True: "refused", False: "told"}
        return [
            head,
            *(
                f"  {'accepted' if one.accepted else marks[one.refuses]}: {one.code}: {one.text}"
                for one in self.findings
            ),
        ]


def refuse(findings: Sequence[Finding]) -> bool:
    """Whether any finding refuses the import."""
    return any(one.refuses for one in findings)
