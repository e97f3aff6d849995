"""The status file: what the station says of itself, rewritten atomically every second."""

import json
import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_REMEMBERED_CYCLES = 3600


class CycleClock:
    """How long cycles take, and how many came too late."""

    def __init__(self) -> None:
        """Start empty."""
        self.cycles = 0
        self.missed = 0
        self.last_ms = 0.0
        self._durations: deque[float] = deque(maxlen=_REMEMBERED_CYCLES)

    def add(self, duration_ms: float) -> None:
        """Note a cycle."""
        self.cycles += 1
        self.last_ms = duration_ms
        self._durations.append(duration_ms)

    def report(self) -> dict[str, float | None]:
        """Return p50, p99 and the longest of the last hour, ms."""
        if not self._durations:
            return {"p50": None, "p99": None, "max": None}
        p50, p99, longest = np.percentile(np.array(self._durations), [50, 99, 100])
        return {"p50": round(p50, 2), "p99": round(p99, 2), "max": round(longest, 2)}


def plain_numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return values as JSON numbers, null for what is not known."""
    return {
        name: round(float(value), 4) if math.isfinite(value) else None
        for name, value in values.items()
    }


def write_status(file: Path, status: Mapping[str, Any]) -> None:
    """Put a status in the place of the last one; a reader sees the one or the other."""
    staging = file.with_suffix(".new")
    staging.write_text(json.dumps(status, ensure_ascii=False, indent=1), encoding="utf-8")
    staging.replace(file)
