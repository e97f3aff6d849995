"""Takes sealed messages of stations in, exactly once."""

from cloud.ingest.gate import Gate
from cloud.ingest.ledger import GroupCommit, Offer, Result

__all__ = ["Gate", "GroupCommit", "Offer", "Result"]
