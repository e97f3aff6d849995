"""What a page asks the database: each thing once, however much of it is shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from cloud.access import Role, User
from cloud.alarms import Change, Desk, Wanted, load
from tests.cloud.web.alarms.happen import event, happen, incident
from tests.cloud.web.console import STATION, Console
from tests.cloud.web.feeder import now_ms

COUNTS = "a.answered, a.active, count(*)"
ANN = User("1", "ann", frozenset({Role.OPERATOR}))


@pytest.fixture
def page(console: Console, session: str) -> Iterator[httpx.Client]:
    cookies = {"sm_session": session}
    with httpx.Client(base_url=console.url, cookies=cookies, timeout=20) as client:
        yield client


@pytest.fixture
def asked(monkeypatch):
    """Collect the queries of this process while a page is made."""

    @contextmanager
    def listening() -> Iterator[list[str]]:
        heard: list[str] = []
        execute = psycopg.AsyncConnection.execute

        async def hear(conn, query, *given: Any, **how: Any):
            heard.append(query.decode() if isinstance(query, bytes) else str(query))
            return await execute(conn, query, *given, **how)

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.AsyncConnection, "execute", hear)
            yield heard

    return listening


@pytest.mark.parametrize("path", ["/", "/alarms", "/alarms/metrics", f"/stations/{STATION}"])
def test_a_page_counts_the_alarms_once(console, page, asked, path):
    happen(console, event("rack.alarm", "C1-R07"))

    with asked() as queries:
        answer = page.get(path)

    assert answer.status_code == 200
    assert len([query for query in queries if COUNTS in query]) == 1


def test_a_story_asks_once_for_all_that_people_answered(console, page, asked):
    incident(console)
    services = console.worker.services
    found = console.do(_groups(services.pool))
    ids, (scope, begin_ms) = [row[0] for row in found], found[0][1:]
    desk = Desk(services.pool, services.vault, load())
    console.do(desk.act(ANN, ids, Wanted(Change.ACKNOWLEDGED), now_ms()))

    with asked() as queries:
        answer = page.get(f"/alarms/incidents/{STATION}/{begin_ms}", params={"scope": scope})

    assert answer.status_code == 200
    assert len(ids) == 3
    assert answer.text.count("by ann") == len(ids)
    assert len([query for query in queries if "alarm_journal" in query]) == 1


async def _groups(pool):
    query = "SELECT alarm, scope, group_ms FROM alarm_occurrences ORDER BY onset_ms"
    async with pool.connection() as conn:
        return await (await conn.execute(query)).fetchall()
