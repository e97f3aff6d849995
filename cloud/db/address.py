"""Where a database server of somebody else is, and how we get in."""

from pathlib import Path

from psycopg.conninfo import make_conninfo

from cloud.config import DatabaseSection
from cloud.errors import DatabaseError


def dsn_of(database: DatabaseSection) -> str:
    """Return the address of the configured server, with the password of its file if it has one.

    Raises:
        DatabaseError: the file cannot be read or is empty.
    """
    if database.password_file is None:
        return database.dsn
    return make_conninfo(database.dsn, password=_first_line(database.password_file))


def _first_line(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatabaseError(
            f"database.password_file {path}: cannot be read ({error}); give the account of the"
            " cloud a file with the password"
        ) from error
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise DatabaseError(f"database.password_file {path}: is empty; write the password into it")
    return password
