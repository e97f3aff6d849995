"""Packages on their way to stations: only to those that were ordered to take them, in pieces.

A station that was cut off asks again from the byte that it has.
"""

from typing import Final

from cloud.db import Pool, connection
from cloud.errors import NotFound, Refused
from contract.model_package import MAX_PACKAGE_BYTES, is_sha256

CHUNK_BYTES: Final = 1 << 20
_CHUNK: Final = """
SELECT m.size, substring(m.body FROM %(start)s::int FOR %(count)s::int)
FROM models m
WHERE m.sha256 = %(model)s
  AND EXISTS (SELECT FROM orders WHERE model = m.sha256 AND station = %(station)s)
"""


async def chunk_for(pool: Pool, station: str, sha256: str, offset: int) -> tuple[bytes, int]:
    """Return the bytes of a package from `offset` on, at most `CHUNK_BYTES`, and its whole size.

    Raises:
        NotFound: there is no such package, or no order brings it to this station.
        Refused: the package is not that long.
    """
    found = None
    if not 0 <= offset < MAX_PACKAGE_BYTES:
        raise Refused(f"offset {offset} is within no package", code="malformed")
    if is_sha256(sha256):
        asked = {
            "start": offset + 1,
            "count": CHUNK_BYTES,
            "model": bytes.fromhex(sha256),
            "station": station,
        }
        async with connection(pool) as conn:
            found = await (await conn.execute(_CHUNK, asked, binary=True)).fetchone()
    if found is None:
        raise NotFound(f"no order brings the model {sha256!r:.80} to {station!r}")
    size, chunk = found
    if offset >= size:
        raise Refused(f"offset {offset} is not within the {size} bytes", code="malformed")
    return bytes(chunk), size
