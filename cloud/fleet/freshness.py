"""When a value is too old to be believed.

A device is read once a second; cells of a rack take several requests, and what is estimated of
them comes every ten seconds. A value older than a few of these periods is stale and says so
wherever it is shown; a station from which nothing has come for longer has lost its link.
"""

DEVICE_LIMIT_MS = 5_000
CELLS_LIMIT_MS = 15_000
ESTIMATED_CELLS_LIMIT_MS = 35_000
LINK_LIMIT_MS = 10_000


def stale_after_ms(layout: str) -> int:
    """Age at which a sample of this layout is stale."""
    if layout.startswith("estimate.cells/"):
        return ESTIMATED_CELLS_LIMIT_MS
    return CELLS_LIMIT_MS if layout.startswith("rack.cells/") else DEVICE_LIMIT_MS


def link_lost(received_ms: int | None, now_ms: int) -> bool:
    """Whether a station whose newest image arrived at `received_ms` counts as cut off."""
    return received_ms is None or now_ms - received_ms > LINK_LIMIT_MS
