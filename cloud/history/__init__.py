"""The 15-year store: batches, hour blocks, rollups, and one query interface over all."""

from cloud.history.model import (
    CellsAt,
    LedgerCounts,
    QueryResult,
    Resolution,
    Series,
    SignalRef,
    StoredSamples,
    Tier,
)
from cloud.history.query import History, Limits

__all__ = [
    "CellsAt",
    "History",
    "LedgerCounts",
    "Limits",
    "QueryResult",
    "Resolution",
    "Series",
    "SignalRef",
    "StoredSamples",
    "Tier",
]
