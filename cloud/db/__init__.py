"""The database room: embedded server, migrations, pools."""

from cloud.db.like import containing
from cloud.db.pool import Pool, connection, create_pool

__all__ = ["Pool", "connection", "containing", "create_pool"]
