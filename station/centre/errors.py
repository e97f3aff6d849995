"""What can go wrong at the port of the dispatch centre.

StationError
└── CentreError
    └── CentreUnavailable  the port cannot be opened
"""

from station.errors import StationError


class CentreError(StationError):
    """Root of the room."""


class CentreUnavailable(CentreError):  # noqa: N818 - reads as a fact: centre unavailable
    """The port cannot be opened."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        """Name the address, what is wrong with it and how to mend it."""
        super().__init__(
            f"the dispatch centre's port {host}:{port} cannot be opened: {problem}; "
            "choose another host or port in section [centre]"
        )
