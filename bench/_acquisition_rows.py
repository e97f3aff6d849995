"""The form of a row of the acquisition bench, and the clock it is measured by."""

import resource
from typing import Any

Rows = list[dict[str, Any]]


def row(
    name: str,
    value: float,
    unit: str,
    target: float | None = None,
    *,
    better: str = "less",
    peers: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Return one row of the table."""
    return {
        "name": f"acquisition.{name}",
        "value": round(value, 3),
        "unit": unit,
        "better": better,
        "target": target,
        "peers": {peer: round(figure, 3) for peer, figure in (peers or {}).items()},
    }


def cpu_s() -> float:
    """Return the processor time that this process has used, all its threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
