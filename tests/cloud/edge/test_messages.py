"""What becomes of a message at the edge: stored once, or refused without effect."""

import asyncio
import hashlib
import random

from cloud.vault.rows import open_event
from contract import events, layouts
from contract.envelope import Stream
from contract.frame import encode_batch
from contract.layouts import Column, Layout
from contract.signals import SIGNALS
from tests.cloud.stations import T0_MS, frame


async def test_a_batch_is_stored_once_and_a_replay_is_acknowledged_without_effect(site):
    fake, http = await site.enrol()
    body = fake.batch(1, [frame(n=3), frame("FIRE", layouts.FIRE, n=3)])

    first = await http.post("/edge/v1/batches", content=body)
    again = await http.post("/edge/v1/batches", content=body)

    assert first.json() == {"result": "stored"}
    assert again.json() == {"result": "duplicate"}
    rows = await site.all("SELECT sha256, size, samples, value_count, stream FROM batches")
    width = layouts.METER.width + layouts.FIRE.width
    assert rows == [(hashlib.sha256(body).digest(), len(body), 6, 3 * width, 1)]
    assert await site.all("SELECT body FROM hot_batches") == [(body,)]
    assert await site.all("SELECT minute_ms FROM dirty") == [(T0_MS,)]
    assert await site.all("SELECT device FROM devices ORDER BY 1") == [("FIRE",), ("METER",)]
    assert await site.all("SELECT duplicates, conflicts FROM ledger_counters") == [(1, 0)]


async def test_the_same_key_with_other_content_is_refused_and_a_security_event(site):
    fake, http = await site.enrol()
    first = fake.batch(1, [frame()])
    fake.sealer._last[Stream.TELEMETRY] = 0
    other = fake.batch(1, [frame(seed=1)])
    await http.post("/edge/v1/batches", content=first)

    answer = await http.post("/edge/v1/batches", content=other)

    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"
    assert await site.all("SELECT body FROM hot_batches") == [(first,)]
    assert await site.all("SELECT duplicates, conflicts FROM ledger_counters") == [(0, 1)]
    assert await site.refusals() == ["conflict"]


async def test_many_senders_of_the_same_batch_store_it_once(site):
    fake, http = await site.enrol()
    body = fake.batch(1, [frame()])

    answers = await asyncio.gather(
        *(http.post("/edge/v1/batches", content=body) for _ in range(20))
    )

    results = sorted(answer.json()["result"] for answer in answers)
    assert results == ["duplicate"] * 19 + ["stored"]
    assert await site.count("hot_batches") == 1
    assert await site.all("SELECT duplicates FROM ledger_counters") == [(19,)]


async def test_any_flipped_byte_is_refused_and_changes_nothing(site):
    fake, http = await site.enrol()
    body = fake.batch(1, [frame()])
    for place in [*range(0, 47, 3), 47, 60, len(body) - 1]:
        flipped = bytearray(body)
        flipped[place] ^= 1

        answer = await http.post("/edge/v1/batches", content=bytes(flipped))

        assert answer.status_code in (400, 403, 428), place
    assert await site.count("batches") == 0
    assert await site.count("dirty") == 0
    assert "tampered" in await site.refusals()


async def test_an_unknown_epoch_asks_for_the_key(site):
    fake, http = await site.enrol()
    fake.new_epoch(2)

    before = await http.post("/edge/v1/batches", content=fake.batch(1, [frame()]))
    await http.post("/edge/v1/keys", content=fake.announcement)
    after = await http.post("/edge/v1/batches", content=fake.batch(2, [frame()]))

    assert (before.status_code, before.json()["code"]) == (428, "unknown_epoch")
    assert after.json() == {"result": "stored"}


async def test_an_epoch_cannot_get_a_second_key(site):
    fake, http = await site.enrol()
    fake.new_epoch(1)

    answer = await http.post("/edge/v1/keys", content=fake.announcement)

    assert answer.status_code == 409
    assert await site.refusals() == ["conflict"]


async def test_a_key_that_the_station_did_not_sign_is_refused(site):
    _, http = await site.enrol()
    impostor = site.fake("alpha")
    impostor.new_epoch(9)

    answer = await http.post("/edge/v1/keys", content=impostor.announcement)

    assert (answer.status_code, answer.json()["code"]) == (400, "key_refused")
    assert await site.all("SELECT epoch FROM epochs") == [(1,)]


async def test_an_unknown_layout_is_asked_for_and_then_taken(site):
    fake, http = await site.enrol()
    layout = Layout("test.two", (Column(SIGNALS["soc"]), Column(SIGNALS["soh"])))
    body = fake.batch(1, [frame("X1", layout)])

    before = await http.post("/edge/v1/batches", content=body)
    wrong = await http.put(f"/edge/v1/layouts/{'0' * 16}", content=layout.to_json())
    put = await http.put(f"/edge/v1/layouts/{layout.hash8.hex()}", content=layout.to_json())
    after = await http.post("/edge/v1/batches", content=body)

    assert (before.status_code, before.json()["code"]) == (428, "unknown_layout")
    assert before.json()["reason"] == layout.hash8.hex()
    assert wrong.status_code == 400
    assert put.status_code == 204
    assert after.json() == {"result": "stored"}


async def test_sealed_rubbish_is_refused(site):
    fake, http = await site.enrol()
    body = fake.sealer.seal(1, Stream.TELEMETRY, b"no batch at all")

    answer = await http.post("/edge/v1/batches", content=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert await site.count("batches") == 0


async def test_a_message_on_the_wrong_lane_is_refused(site):
    fake, http = await site.enrol()

    answer = await http.post("/edge/v1/batches", content=fake.live(1, [frame()]))

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_a_body_over_the_limit_is_refused_before_it_is_read(site):
    _, http = await site.enrol()

    answer = await http.post("/edge/v1/batches", content=bytes((8 << 20) + 1))

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_events_are_stored_once_under_their_own_sequence(site):
    fake, http = await site.enrol()
    event = events.make(
        "link.down", id="e-1", station="alpha", device="STATION", active=True, at_ms=T0_MS, value=2
    )
    body = fake.sealer.seal(1, Stream.EVENTS, events.to_json([event]))

    await http.post("/edge/v1/batches", content=fake.batch(1, [frame()]))
    first = await http.post("/edge/v1/events", content=body)
    again = await http.post("/edge/v1/events", content=body)

    assert (first.json()["result"], again.json()["result"]) == ("stored", "duplicate")
    rows = await site.all("SELECT station, id, code, active, at_ms, sealed FROM events")
    assert [row[:-1] for row in rows] == [("alpha", "e-1", "link.down", True, T0_MS)]
    keys = await site.worker.services.vault.keys("alpha")
    said = open_event(keys, "alpha", "e-1", rows[0][-1])
    assert (said.text_en, said.text_zh) == (event.text_en, event.text_zh)
    assert (said.value, said.limit) == (2.0, None)
    assert await site.count("hot_batches") == 1


async def test_an_event_of_another_station_is_refused_with_the_whole_message(site):
    fake, http = await site.enrol()
    made = [
        events.make("link.down", id=i, station=s, device="X", active=True, at_ms=T0_MS)
        for i, s in (("e-1", "alpha"), ("e-2", "beta"))
    ]
    body = fake.sealer.seal(1, Stream.EVENTS, events.to_json(made))

    answer = await http.post("/edge/v1/events", content=body)

    assert answer.status_code == 403
    assert await site.count("events") == 0
    assert await site.count("batches") == 0


async def test_the_book_does_not_repeat_what_a_malformed_event_says(site, caplog):
    fake, http = await site.enrol()
    event = events.make(
        "cell.voltage", id="e-1", station="alpha", device="X", active=True, at_ms=T0_MS, value=3.657
    )
    body = events.to_json([event]).replace(b"3.657", b'"3.657 V"')

    answer = await http.post("/edge/v1/events", content=fake.sealer.seal(1, Stream.EVENTS, body))

    assert (answer.status_code, "3.657 V" in answer.text) == (400, True)
    assert await site.refusals() == ["malformed"]
    told = await site.all("SELECT detail::text FROM security_events")
    assert "3.657" not in str(told) + caplog.text


async def test_a_dead_database_is_answered_with_503_and_the_worker_goes_on_after_it(site):
    fake, http = await site.enrol()
    async with site.pool.connection() as conn:
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    statuses = set()
    for sequence in range(1, 30):
        answer = await http.post("/edge/v1/batches", content=fake.batch(sequence, [frame()]))
        statuses.add(answer.status_code)
        if answer.status_code == 200:
            break

    assert answer.status_code == 200
    assert statuses <= {200, 503}


async def test_hostile_bytes_are_refused_sealed_or_not(site):
    fake, http = await site.enrol()
    rng = random.Random(5)
    good = encode_batch([frame()])
    for sequence in range(1, 61):
        plain = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            plain[rng.randrange(len(plain))] = rng.randrange(256)
        plain = plain[: rng.randint(0, len(plain))]
        sealed = fake.sealer.seal(sequence, Stream.TELEMETRY, bytes(plain))
        body = sealed if sequence % 3 else rng.randbytes(rng.randint(0, 200))

        answer = await http.post("/edge/v1/batches", content=body)

        assert answer.status_code in (400, 403), (sequence, answer.text)
    assert await site.count("batches") == 0
