"""An archiving that breaks off, by whatever, leaves no files behind that nobody has entered."""

import asyncio

import psycopg
import pytest

from cloud.errors import Unavailable
from cloud.history.archive.month import Archivist
from tests.cloud.history.archives import MONTH, SOON, Past, fill, open_past


@pytest.fixture
async def past(stored, tmp_path) -> Past:
    await fill(stored)
    return open_past(stored, tmp_path, tmp_path / "archive")


def left(past: Past) -> list[str]:
    return [found.name for found in past.root.rglob("*") if found.is_file()]


async def test_an_archiving_that_is_cancelled_leaves_no_file(past):
    seen: list[str] = []

    def cancel(said: str) -> None:
        if "reading it back" in said:
            seen.extend(left(past))
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(past.archivist.archive("alpha", MONTH, SOON, cancel))

    assert len(seen) == 4
    assert left(past) == []


async def test_an_archiving_of_which_the_telling_fails_leaves_no_file(past):
    def fail(said: str) -> None:
        if "reading it back" in said:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await past.archivist.archive("alpha", MONTH, SOON, fail)

    assert left(past) == []


async def test_a_published_version_that_the_database_refuses_is_removed(past):
    await past.run("ALTER TABLE archives ADD CONSTRAINT none CHECK (false)")

    with pytest.raises(psycopg.errors.CheckViolation):
        await past.archive()

    assert past.versions() == []
    assert left(past) == []


async def test_a_published_version_that_was_entered_before_the_answer_was_lost_stays(
    past, monkeypatch
):
    real = Archivist._enter

    async def lost(self, *given: object) -> None:
        await real(self, *given)
        raise Unavailable("the database broke off")

    monkeypatch.setattr(Archivist, "_enter", lost)
    with pytest.raises(Unavailable):
        await past.archive()

    assert past.versions() == [row[0] for row in await past.rows("SELECT version FROM archives")]
    assert len(left(past)) == 5
