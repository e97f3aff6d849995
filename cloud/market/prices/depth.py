"""How far back a series must reach before anything is trained on it: three years of trading."""

from typing import Final

from cloud.market.errors import TooLittleHistory

NEED_DAYS: Final = 3 * 365.0
"""Three trading years (guide on storage stations, annex 1, 9)."""


def require_history(
    what: str, have_days: float, *, need_days: float = NEED_DAYS, allow_short: bool = False
) -> tuple[str, ...]:
    """Refuse to train on too little; return the flags that what is trained must carry.

    Args:
        what: the series, for the text.
        have_days: days of values that there are, holes not counted (`Reading.days`).
        need_days: so many must be there.
        allow_short: a person has said to train all the same; then the flag says so.

    Raises:
        TooLittleHistory: there are fewer, and nobody has allowed it.
    """
    if have_days >= need_days:
        return ()
    if not allow_short:
        raise TooLittleHistory(what, have_days, need_days)
    return (f"short history: {have_days:,.0f} of {need_days:,.0f} days of {what}",)
