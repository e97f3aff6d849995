"""The store of a cloud that is running, as commands beside it reach it."""

from cloud.config import CloudConfig
from cloud.db.address import dsn_of
from cloud.db.backup.server import find_server


def running_dsn(config: CloudConfig) -> str:
    """Return the address of the store: of the embedded server that runs, or of the configured one.

    Raises:
        CloudError: the embedded server does not run, or the password cannot be read.
    """
    if config.database.embedded:
        return find_server(config.data_dir).dsn
    return dsn_of(config.database)
