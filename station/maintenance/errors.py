"""What can go wrong with the models of a station.

StationError
└── ModelError       root of the room; `reason_code` is the one of receipts
    ├── PackageRefused   a package is not what its order named
    └── NoRoom           it does not fit on the disk
"""

from station.errors import StationError


class ModelError(StationError):
    """A model cannot be kept or read; the text says which, and what to do."""

    reason_code = "model_failed"


class PackageRefused(ModelError):  # noqa: N818 - a refusal is named by its fact
    """A package is not what its order named."""

    reason_code = "model_invalid"


class NoRoom(ModelError):  # noqa: N818 - as above
    """A package does not fit beside the others."""

    reason_code = "model_no_room"
