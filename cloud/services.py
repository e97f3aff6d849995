"""What routers get: the parts of a running worker, bundled once at its start."""

from dataclasses import dataclass

from cloud.config import CloudConfig
from cloud.db.pool import Pool
from cloud.history import History
from cloud.keys import KeyStore
from cloud.live import Live
from cloud.vault.vault import Vault


@dataclass(frozen=True)
class Services:
    """Shared parts of one worker process; all of them are safe to use from any task."""

    config: CloudConfig
    pool: Pool
    vault: Vault
    history: History
    live: Live
    keys: KeyStore
