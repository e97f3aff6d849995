"""The query face of history."""

from collections.abc import Sequence

from cloud.db.pool import Pool
from cloud.history.model import (
    CellsAt,
    LedgerCounts,
    QueryResult,
    Resolution,
    SignalRef,
    StoredSamples,
)
from cloud.keys import KeyStore


class History:
    """Reads what is stored. One per worker process."""

    def __init__(self, pool: Pool, keys: KeyStore, max_points: int) -> None:
        self._pool = pool
        self._keys = keys
        self._max_points = max_points

    async def query(
        self,
        station: str,
        signals: Sequence[SignalRef],
        start_ms: int,
        end_ms: int,
        *,
        resolution: Resolution = Resolution.AUTO,
        max_points: int | None = None,
    ) -> QueryResult:
        """Return the series of `signals` over [start_ms, end_ms), in the order asked."""
        raise NotImplementedError

    async def cells_at(self, station: str, device: str, at_ms: int | None = None) -> CellsAt:
        """Return the newest cell values of a rack at or before `at_ms` (None: newest)."""
        raise NotImplementedError

    async def samples(
        self, station: str, device: str, layout: str, start_ms: int, end_ms: int
    ) -> StoredSamples:
        """Return the sample times really stored for one device and layout."""
        raise NotImplementedError

    async def ledger(self, station: str, start_ms: int, end_ms: int) -> LedgerCounts:
        """Count what the ledger and the disk hold for samples in [start_ms, end_ms)."""
        raise NotImplementedError
