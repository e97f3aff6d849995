"""What can go wrong between a host and its process."""

from station.errors import StationError


class WireError(StationError):
    """A message between a host and its process cannot be understood."""
