"""Times as the API is asked for them: epoch milliseconds, or ISO 8601 with its zone."""

import datetime as dt
import re
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS: Final = dt.timedelta(milliseconds=1)
_NUMBER: Final = re.compile(r"\s*[+-]?\d+\s*")


def read_time(value: object) -> object:
    """Return epoch milliseconds for a text in ISO 8601; a number as it is.

    Raises:
        ValueError: the text is neither, or has no zone.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    try:
        time = dt.datetime.fromisoformat(value)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(
            f"{value!r} is no time: send epoch milliseconds, as 1767225600000, or ISO 8601 with its"
            " zone, as 2026-01-01T00:00:00Z or 2026-01-01T08:00:00+08:00 (in an address a + is"
            " written %2B)"
        )
    return (time - _EPOCH) // _MS


Moment = Annotated[
    int,
    BeforeValidator(read_time, json_schema_input_type=int | str),
    Field(ge=0, examples=[1_767_225_600_000, "2026-01-01T08:00:00+08:00"]),
]
"""A time, epoch milliseconds."""


class Range(BaseModel):
    """A range of times; the end is not part of it."""

    start_ms: Moment = Field(
        alias="from", description="first time, epoch milliseconds or ISO 8601 with zone"
    )
    end_ms: Moment = Field(
        alias="to", description="end, not included; epoch milliseconds or ISO 8601 with zone"
    )
