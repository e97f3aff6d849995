"""What comes between the decision that a month may go and its going keeps the month."""

import datetime as dt

import pytest

from cloud.history.archive import table as archive_table
from cloud.history.retention.blocks import Busy, Ripe, drop_partition, drop_rows, ripe
from tests.cloud.history.archives import ALL_GONE, HOUR_MS, OLD, SOON, Past, fill, open_past
from tests.cloud.stations import T0_MS


@pytest.fixture
async def past(stored, tmp_path) -> Past:
    """January archived, and nothing of it dropped."""
    await fill(stored)
    found = open_past(stored, tmp_path, tmp_path / "archive")
    await found.roll_up()
    await found.settle()
    await found.retain(SOON)
    return found


async def test_a_month_that_a_person_puts_back_before_the_lock_is_taken_stays(past, monkeypatch):
    until = ALL_GONE + dt.timedelta(days=30)
    real, taken = archive_table.lock, []

    async def late(conn, station: str) -> bool:
        taken.append(station)
        if len(taken) > 1:  # the first is that of archiving
            monkeypatch.undo()
            await past.restore(until)
            await past.roll_up()
        return await real(conn, station)

    monkeypatch.setattr(archive_table, "lock", late)
    assert await past.retain(ALL_GONE) == []

    assert len(taken) == 2
    assert await past.stored.count("blocks") == 12
    assert (await past.rows("SELECT kept_until FROM archives"))[0] == (until,)


async def ripe_january(past) -> Ripe:
    layouts_of = {one.hash8: one for one in (await past.stored.reader.streams("alpha")).values()}
    async with past.stored.pool.connection() as conn:
        (month,) = await archive_table.stored_months(conn, "alpha")
        row = (await archive_table.archives_of(conn, "alpha"))[month.month_ms]
        found = await ripe(conn, "alpha", (month, row), layouts_of, (past.policy, ALL_GONE))
    assert isinstance(found, Ripe)
    return found


@pytest.mark.parametrize("whole", [True, False])
async def test_nothing_goes_when_an_event_comes_while_the_archive_is_proven(past, whole):
    found = await ripe_january(past)
    await past.run(
        "INSERT INTO events (station, id, device, code, severity, active, at_ms, sealed)"
        f" VALUES ('alpha', 'e1', 'C1', 'pcs.alarm', 3, true, {T0_MS + 8 * HOUR_MS}, '')"
    )

    with pytest.raises(Busy, match="an event came that keeps hours"):
        await dropping(past, found, whole=whole)

    assert await past.stored.count("blocks") == 12
    await past.retain(ALL_GONE)
    assert await past.stored.count("blocks") == 4


@pytest.mark.parametrize("whole", [True, False])
async def test_nothing_goes_when_somebody_keeps_the_month_while_the_archive_is_proven(past, whole):
    found = await ripe_january(past)
    await past.run(f"UPDATE archives SET kept_until = '{OLD.isoformat()}'")

    with pytest.raises(Busy, match="put back meanwhile"):
        await dropping(past, found, whole=whole)

    assert await past.stored.count("blocks") == 12


async def dropping(past, found: Ripe, *, whole: bool) -> None:
    if whole:
        await drop_partition(past.stored.pool, found.month_ms, [found])
    else:
        await drop_rows(past.stored.pool, found)
