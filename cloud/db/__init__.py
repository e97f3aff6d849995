"""The database room: embedded server, migrations, pools."""

from cloud.db.pool import Pool, connection, create_pool

__all__ = ["Pool", "connection", "create_pool"]
