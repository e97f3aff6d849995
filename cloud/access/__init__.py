"""Access: users, sign-in, sessions, cross-site defence, and the one question who may do what."""

from cloud.access.authorize import Action, Decision, Resource, Role, User, authorize
from cloud.access.passwords import Passwords
from cloud.access.sessions import Session
from cloud.access.users import FirstSignIn, ensure_admin

__all__ = [
    "Action",
    "Decision",
    "FirstSignIn",
    "Passwords",
    "Resource",
    "Role",
    "Session",
    "User",
    "authorize",
    "ensure_admin",
]
