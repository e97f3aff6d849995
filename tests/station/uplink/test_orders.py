"""Orders over a real link: what verifies takes effect once; everything else changes nothing."""

import asyncio
import datetime as dt
import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import orders
from contract.orders import Order, OrderKind, Outcome
from contract.schedule import Schedule
from station.clock import now_ms
from station.config import SiteConfig
from station.control.cycle import ControlState
from station.dispatch.sources import SelfTestMemory
from station.journal import Effects, Journal, JournalError, OrderRecord, StoredSetpoint
from station.office import Office
from station.protection import load_rules
from station.uplink.orders import OrderOffice, OrderReceiver
from tests.station.cloud_server import STATION
from tests.station.test_office import latched, out_of_sight, seen_gone
from tests.waiting import wait_for

SITE = SiteConfig(id=STATION, data_dir=".", rated_power_kw=1000, capacity_kwh=2000)


DAY = dt.datetime.now(ZoneInfo(SITE.timezone)).date() + dt.timedelta(days=1)
"""Whose schedules are ordered: tomorrow, which midnight does not end while tests run."""


def schedule_payload(power_kw: float = 500.0, day: int = 0) -> dict:
    date = DAY + dt.timedelta(days=day)
    return Schedule(date, SITE.timezone, 15, (power_kw,) * 96).to_payload()


def order(counter: int = 1, kind: OrderKind = OrderKind.SCHEDULE, **changes: object) -> Order:
    now = now_ms()
    facts = {
        "id": str(uuid.uuid4()),
        "station": STATION,
        "issued_ms": now,
        "not_before_ms": now - 60_000,
        "expires_ms": now + 3_600_000,
        "payload": schedule_payload() if kind is OrderKind.SCHEDULE else {},
        **changes,
    }
    return Order(counter=counter, kind=kind, **facts)


@dataclass
class SelfTests:
    """Begins self-tests as the control cycle does."""

    self_test: SelfTestMemory | None = None

    def begin_self_test(self, order_id: str) -> None:
        self.self_test = SelfTestMemory(order_id)


class Desk:
    """One station process's order parts, with what they did."""

    def __init__(self, uplink, cloud, file) -> None:
        self.journal = Journal(file)
        self.state = ControlState()
        self.tests = SelfTests()
        self.office = Office(SITE, self.state, load_rules(), self.tests, now_ms)
        self.refusals: list[str] = []
        self.failures: list[str] = []
        memory = self.journal.recall()
        self.office.restore(memory)
        self.receiver = OrderReceiver(
            uplink.link,
            self.journal,
            uplink.work,
            station=STATION,
            keys={orders.key_id(cloud.order_key.public_key()): cloud.order_key.public_key()},
            sign=cloud.keys.signing,
            office=OrderOffice(
                self.office.judge,
                self.office.carry_out,
                lambda code, _reason: self.refusals.append(code),
                lambda words: self.failures.append(words.en),
            ),
            last_counter=memory.last_counter,
            longest_pause_s=0.3,
        )

    def power_of_the_day(self) -> float | None:
        noon_ms = Schedule.from_payload(schedule_payload()).start_ms + 43_200_000
        found = self.state.wishes.schedules.power_at(noon_ms)
        return None if found is None else found.kw

    def receipts(self, cloud) -> list[orders.Receipt]:
        public = cloud.keys.signing.public_key()
        blobs = [receipt for _, receipt in self.journal.outbox()]
        return [orders.verify_receipt(blob, public, STATION) for blob in blobs]


@pytest.fixture
async def desk(uplink, cloud, tmp_path):
    return Desk(uplink, cloud, tmp_path / "journal")


@asynccontextmanager
async def receiving(desk, uplink):
    await uplink.link.request("GET", "/edge/v1/nothing")
    task = asyncio.create_task(desk.receiver.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_schedule_comes_over_the_link_takes_effect_and_is_receipted(desk, uplink, cloud):
    asked = order()

    async with receiving(desk, uplink):
        cloud.offer_order(orders.sign(asked, cloud.order_key))
        await wait_for(lambda: cloud.receipts, "the receipt")
        await wait_for(lambda: desk.journal.outbox() == [], "the receipt to leave the outbox")

    blob = json.dumps(cloud.receipts[0]).encode()
    receipt = orders.verify_receipt(blob, cloud.keys.signing.public_key(), STATION)
    assert desk.power_of_the_day() == 500.0
    assert receipt.outcome is Outcome.ACCEPTED
    assert (receipt.order_id, receipt.order_sha256) == (asked.id, asked.sha256)


async def test_receipts_survive_a_cloud_that_does_not_take_them(desk, uplink, cloud):
    await desk.receiver.handle(orders.sign(order(), cloud.order_key))

    async with receiving(desk, uplink):
        cloud.faults.extend(["503", "reset", "500", "reset"])
        await wait_for(lambda: cloud.receipts, "the receipt")

    assert desk.power_of_the_day() == 500.0


async def test_a_restarted_station_goes_on_with_its_schedule_and_refuses_the_same_order(
    desk, uplink, cloud, tmp_path
):
    blob = orders.sign(order(), cloud.order_key)
    await desk.receiver.handle(blob)
    desk.journal.close()

    again = Desk(uplink, cloud, tmp_path / "journal")
    await again.receiver.handle(blob)

    outcomes = [r.outcome for r in again.receipts(cloud)]
    assert again.power_of_the_day() == 500.0
    assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED], "the receipt is given again"
    assert again.refusals == []


async def test_a_replaced_schedule_is_receipted_as_superseded(desk, cloud):
    first, second = order(1), order(2, payload=schedule_payload(-300.0))

    await desk.receiver.handle(orders.sign(first, cloud.order_key))
    await desk.receiver.handle(orders.sign(second, cloud.order_key))

    found = [(r.order_id, r.outcome) for r in desk.receipts(cloud)]
    assert found == [
        (first.id, Outcome.ACCEPTED),
        (second.id, Outcome.ACCEPTED),
        (first.id, Outcome.SUPERSEDED),
    ]
    assert desk.power_of_the_day() == -300.0


def flipped(blob: bytes) -> bytes:
    return blob.replace(b"500", b"999", 1)


@pytest.mark.parametrize(
    ("make_blob", "code"),
    [
        pytest.param(
            lambda _: orders.sign(order(5), Ed25519PrivateKey.generate()),
            "bad_signature",
            id="foreign-key",
        ),
        pytest.param(
            lambda c: flipped(orders.sign(order(5), c.order_key)), "bad_signature", id="altered"
        ),
        pytest.param(
            lambda c: orders.sign(order(5, station="another"), c.order_key),
            "wrong_station",
            id="another-station",
        ),
        pytest.param(
            lambda c: orders.sign(
                order(5, not_before_ms=1000, expires_ms=2000, issued_ms=1000), c.order_key
            ),
            "expired",
            id="expired",
        ),
        pytest.param(
            lambda c: orders.sign(
                order(5, not_before_ms=now_ms() + 600_000, expires_ms=now_ms() + 900_000),
                c.order_key,
            ),
            "not_yet_valid",
            id="not-yet-valid",
        ),
        pytest.param(lambda c: orders.sign(order(1), c.order_key), "repeated", id="old-counter"),
        pytest.param(
            lambda c: orders.sign(order(5, OrderKind.FIRMWARE), c.order_key),
            "unsupported",
            id="unsupported",
        ),
        pytest.param(
            lambda c: orders.sign(order(5, payload=schedule_payload(1001.0)), c.order_key),
            "over_limit",
            id="beyond-rated-power",
        ),
        pytest.param(
            lambda c: orders.sign(order(5, payload=schedule_payload(1.0, day=-3)), c.order_key),
            "invalid_payload",
            id="day-is-over",
        ),
        pytest.param(
            lambda c: orders.sign(order(5, payload={"power_kw": [1, 2]}), c.order_key),
            "invalid_payload",
            id="no-schedule",
        ),
    ],
)
async def test_a_refused_order_changes_nothing_and_says_why(desk, cloud, make_blob, code):
    await desk.receiver.handle(orders.sign(order(1), cloud.order_key))

    await desk.receiver.handle(make_blob(cloud))

    receipt = desk.receipts(cloud)[-1]
    assert desk.power_of_the_day() == 500.0
    assert (receipt.outcome, receipt.reason_code) == (Outcome.REFUSED, code)
    assert desk.refusals == [code]


async def test_a_forged_counter_does_not_lock_out_honest_orders(desk, cloud):
    forged = orders.sign(order(10**9), Ed25519PrivateKey.generate())
    honest = orders.sign(order(1), cloud.order_key)

    await desk.receiver.handle(forged)
    await desk.receiver.handle(honest)

    assert desk.power_of_the_day() == 500.0


async def test_bytes_that_are_no_order_are_counted_and_reported(desk):
    for blob in (b"", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"order":1,"key_id":2,"signature":3}'):
        await desk.receiver.handle(blob)

    assert desk.receiver.outcomes[Outcome.REFUSED] == 5
    assert desk.refusals == ["malformed"] * 5


async def test_a_refused_order_that_is_offered_for_ever_is_not_asked_for_in_a_hot_loop(
    desk, uplink, cloud
):
    cloud.offer_order(orders.sign(order(5), Ed25519PrivateKey.generate()))

    async with receiving(desk, uplink):
        await wait_for(lambda: cloud.paths.count("/edge/v1/orders") >= 4, "repeated polls")

    assert desk.refusals == ["bad_signature"]


async def test_a_manual_set_point_holds_until_it_is_released(desk, cloud):
    until = now_ms() + 60_000
    put = order(1, OrderKind.SETPOINT, payload={"power_kw": -250.5, "until_ms": until})
    release = order(2, OrderKind.RELEASE)

    await desk.receiver.handle(orders.sign(put, cloud.order_key))
    during = desk.state.wishes.manual
    await desk.receiver.handle(orders.sign(release, cloud.order_key))

    assert (during.power_kw, during.until_ms, during.order_id) == (-250.5, until, put.id)
    assert desk.state.wishes.manual is None
    assert desk.journal.recall().setpoint is None


async def test_an_accepted_reset_that_could_not_be_carried_out_is_told_and_receipted(
    desk, cloud, monkeypatch
):
    desk.state.protection = latched().protection
    seen_gone(desk.state)
    write = desk.journal.record

    def write_while_the_cause_comes_back(*what: object) -> None:
        write(*what)
        out_of_sight(desk.state)

    monkeypatch.setattr(desk.journal, "record", write_while_the_cause_comes_back)
    asked = order(1, OrderKind.RESET, payload={"target": "station"})
    await desk.receiver.handle(orders.sign(asked, cloud.order_key))

    told = [(r.order_id, r.outcome, r.reason_code) for r in desk.receipts(cloud)]
    assert told == [
        (asked.id, Outcome.ACCEPTED, "ok"),
        (asked.id, Outcome.FAILED, "cause_stands"),
    ]
    assert ["cell voltage high" in words for words in desk.failures] == [True]
    assert desk.state.protection.latched


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"power_kw": "much"},
        {"power_kw": True},
        {"power_kw": 1, "ramp": 2},
        {"power_kw": 1, "until_ms": 1.5},
        {"power_kw": 1, "until_ms": 1000},
        {"power_kw": 1001},
    ],
)
async def test_a_set_point_that_makes_no_sense_is_refused(desk, cloud, payload):
    asked = order(1, OrderKind.SETPOINT, payload=payload)

    await desk.receiver.handle(orders.sign(asked, cloud.order_key))

    assert desk.state.wishes.manual is None
    assert desk.receipts(cloud)[-1].outcome is Outcome.REFUSED


def test_an_order_is_written_with_all_its_effects_or_not_at_all(tmp_path):
    journal = Journal(tmp_path / "j")
    record = OrderRecord("id", "0" * 64, 1, "setpoint", "accepted", "ok", 1, b"receipt")

    broken = replace(record, receipt=None)
    with pytest.raises(JournalError, match="cannot be written"):
        journal.record([record, broken], 7, Effects(setpoint=StoredSetpoint("id", 1.0, 2)))

    memory = journal.recall()
    assert (memory.last_counter, memory.setpoint, journal.outbox()) == (-1, None, [])
