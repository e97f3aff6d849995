"""How long minutes, hours and days are."""

from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
HOUR_MIN: Final = 60
DAY_MIN: Final = 1_440
