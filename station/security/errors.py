"""What can be wrong with the station's identity.

StationError
└── SecurityError
    └── IdentityError     keys or certificates are missing, unreadable or open to others
"""

from station.errors import StationError


class SecurityError(StationError):
    """Root of the security room."""


class IdentityError(SecurityError):
    """The station's keys or certificates cannot be used; the text says what to do."""
