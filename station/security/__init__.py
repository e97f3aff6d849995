"""The station's own identity and keys. The public face of this room."""

from station.security.errors import IdentityError
from station.security.identity import Identity, load_identity

__all__ = ["Identity", "IdentityError", "load_identity"]
