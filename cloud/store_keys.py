"""Whether the folder of keys is the one that the store was sealed with, asked before a start.

Without this question a cloud on a restored store would make itself new keys, say that it is ready,
and open nothing.
"""

import psycopg

from cloud.config import CloudConfig
from cloud.errors import KeyStoreError
from cloud.keys import KeyStore

_TELEMETRY = "telemetry.pem"


def require_folder(dsn: str, config: CloudConfig) -> None:
    """Refuse a folder without keys for a store that has been sealed; nothing is made.

    Raises:
        KeyStoreError: the store holds sealed data, and the folder has no key.
    """
    if (config.keys_dir / _TELEMETRY).exists():
        return
    with psycopg.connect(dsn) as conn:
        row = conn.execute(
            "SELECT EXISTS (SELECT FROM epochs) OR EXISTS (SELECT FROM station_keys)"
        ).fetchone()
    if row is not None and row[0]:
        raise KeyStoreError(
            f"{config.keys_dir}: has no keys, but the store was sealed with some: copy the folder "
            "of keys of that store here, or name it in [keys] dir; nothing was made or changed"
        )


def require_generations(dsn: str, keys: KeyStore) -> None:
    """Refuse keys that do not open what the store holds.

    Raises:
        KeyStoreError: a key-encryption generation that wraps a data key is not there.
    """
    with psycopg.connect(dsn) as conn:
        used = {row[0] for row in conn.execute("SELECT DISTINCT generation FROM station_keys")}
    missing = sorted(used - set(keys.key_encryption.generations()))
    if missing:
        raise KeyStoreError(
            f"{keys.key_encryption.where}: has no key-encryption generation "
            f"{', '.join(map(str, missing))}, which wraps keys of this store: copy the folder of "
            "keys of that store here, or name it in [keys] dir"
        )
