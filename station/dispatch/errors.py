"""What can be wrong with what dispatch is given.

StationError
└── DispatchError
    ├── RegulationError   a regulation signal file is refused
    └── ProposalError     a source proposes what no source may
"""

from pathlib import Path

from station.errors import StationError


class DispatchError(StationError):
    """Root of the dispatch room."""


class RegulationError(DispatchError):
    """A regulation signal file is refused; names file and row."""

    def __init__(self, file: Path, row: int, problem: str) -> None:
        """Build the sentence from its facts; row 0 means the whole file."""
        super().__init__(f"{file}{f' row {row}' if row else ''}: {problem}")
        self.file = file
        self.row = row


class ProposalError(DispatchError):
    """A source proposes what no source may; names the source and the remedy."""

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        """Build the sentence from its facts."""
        super().__init__(f"proposal of {source}: {problem}; {remedy}")
        self.source = source
