"""Users: who may sign in, and what for. The first administrator adds the others."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cloud.access import Role, audit, users
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, UserKeeper

router = APIRouter(prefix="/users", tags=["users"], responses=ERRORS)

_LONGEST_PASSWORD = 1_000


class NewUserRequest(BaseModel):
    """A person or program that is to sign in."""

    name: str = Field(description="1 to 64 characters")
    password: str = Field(max_length=_LONGEST_PASSWORD, description="handed over by the asker")
    roles: list[Role] = Field(min_length=1, description="what the user is here for")


class UserAnswer(BaseModel):
    """A user just made."""

    name: str
    roles: list[Role]


@router.post("", status_code=201)
async def create_user(parts: DeskOf, session: UserKeeper, body: NewUserRequest) -> UserAnswer:
    """Add a user, as what the second person who must approve a model, for instance."""
    pool = parts.services.pool
    made = await users.create(
        pool, parts.passwords, body.name, body.password, frozenset(body.roles)
    )
    roles = sorted(made.roles)
    await audit.note(pool, session.user.name, "create_user", made.name, {"roles": roles})
    return UserAnswer(name=made.name, roles=roles)
