"""Steps of bids at a real receiver: signed, in order, at least once, given up in the end."""

import base64
import hashlib
import hmac
from typing import get_args

import pytest

from cloud import alarms, hook_job
from cloud.alarms.channels import NotDelivered
from cloud.config_market import MarketSection, StepName, WebhookSection
from cloud.errors import NotFound
from cloud.hook_job import HookJobs
from cloud.market import webhooks
from cloud.market.bids import State
from tests.cloud.alarms.receivers import HttpReceiver
from tests.cloud.market.bids.conftest import floor, hall  # noqa: F401 - fixtures
from tests.cloud.market.bids.trade_hall import NOON_MS

HOUR_MS = 3_600_000


@pytest.fixture
def hook(tmp_path):
    secret = tmp_path / "hook.secret"
    secret.write_text("swordfish", "utf-8")
    secret.chmod(0o600)

    def made(receiver, name="scada", **more: object) -> WebhookSection:
        return WebhookSection(name=name, url=receiver.address, secret_file=secret, **more)

    return made


async def send(floor, hook, now_ms=NOON_MS) -> int:  # noqa: F811 - the fixture
    await webhooks.hand_over(floor.pool, [hook.name], now_ms)
    return await webhooks.send_due(floor.pool, floor.vault, hook, lambda: now_ms)


def steps(receiver) -> list[tuple[str, int, str]]:
    return [(body["bid"], body["number"], body["after"]) for _, _, body in receiver.requests]


async def test_every_step_arrives_once_in_order_and_signed(floor, hook):  # noqa: F811
    async with HttpReceiver() as receiver:
        bid = await floor.draft()
        await floor.run()
        taken = await send(floor, hook(receiver))
        again = await send(floor, hook(receiver))

    wanted = ["drafted", "checked", "approved", "submitted", "accepted"]
    assert steps(receiver) == [(bid, n + 1, after) for n, after in enumerate(wanted)]
    assert (taken, again) == (5, 0)
    _, headers, body = receiver.requests[0]
    assert (headers["webhook-id"], body["id"]) == (f"{bid}-1", f"{bid}-1")
    assert (body["station"], body["who"], body["why"]) == ("haibin-1", "ann", "tomorrow")


def test_a_signature_is_hmac_sha256_of_id_time_and_body():
    said = webhooks.signature("swordfish", "b-1", 1_700_000_000, b'{"a":1}')

    digest = hmac.new(b"swordfish", b'b-1.1700000000.{"a":1}', hashlib.sha256).digest()
    assert said == "v1," + base64.b64encode(digest).decode()


async def test_a_receiver_in_trouble_gets_the_same_steps_later_in_the_same_order(
    floor,  # noqa: F811
    hook,
):
    bid = await floor.draft()
    await floor.run()
    async with HttpReceiver(status=503) as receiver:
        with pytest.raises(NotDelivered, match="webhook scada: it answered HTTP 503"):
            await send(floor, hook(receiver))
        receiver.status = 200
        early = await send(floor, hook(receiver), NOON_MS + 1_000)
        late = await send(floor, hook(receiver), NOON_MS + 2_000)

    assert (early, late) == (0, 5)
    assert steps(receiver)[:2] == [(bid, 1, "drafted")] * 2
    assert [number for _, number, _ in steps(receiver)[1:]] == [1, 2, 3, 4, 5]


async def test_one_that_does_not_answer_at_all_is_tried_again(floor, hook):  # noqa: F811
    receiver = HttpReceiver()
    await floor.draft()

    with pytest.raises(NotDelivered, match="does not answer"):
        await send(floor, hook(receiver))
    async with receiver:
        assert await send(floor, hook(receiver), NOON_MS + 2_000) == 1


async def test_a_refused_step_holds_its_bid_and_no_other_until_it_is_given_up(
    floor,  # noqa: F811
    hook,
    monkeypatch,
):
    await floor.draft()
    await floor.draft(product="intraday-energy")
    await floor.run()
    async with HttpReceiver(status=400) as receiver:
        asked = hook(receiver, give_up_h=1)
        await send(floor, asked)
        held = steps(receiver)
        now_ms = NOON_MS + HOUR_MS
        await send(floor, asked, now_ms)
        receiver.status = 200
        await send(floor, asked, now_ms)
    monkeypatch.setattr(hook_job, "_now_ms", lambda: now_ms)
    jobs = HookJobs(floor.pool, floor.vault, MarketSection(webhooks=(asked,)))
    await jobs.hand_over()
    async with floor.pool.connection() as conn:
        found = await conn.execute("SELECT station, code, active FROM cloud_edges")
        edges = await found.fetchall()

    assert [number for _, number, _ in held] == [1, 1]  # the first of each bid, once
    assert {name for name, *_ in jobs.jobs()} == {"webhooks", "webhook scada"}
    assert edges == [("haibin-1", webhooks.FAILED, True)]
    assert webhooks.FAILED in alarms.load().by_code


async def test_what_was_given_up_is_sent_again_under_the_same_id(floor, hook):  # noqa: F811
    await floor.draft()
    await floor.run()
    late_ms = NOON_MS + HOUR_MS
    async with HttpReceiver(status=400) as receiver:
        asked = hook(receiver, give_up_h=1)
        await send(floor, asked)
        await send(floor, asked, late_ms)
        receiver.status = 200
        await send(floor, asked, late_ms)
        left, *others = await webhooks.given_up(floor.pool)
        place = floor.pool, left.hook, left.bid, left.number
        await webhooks.send_again(*place, who="ann", now_ms=late_ms)
        sent = await send(floor, asked, late_ms)
        with pytest.raises(NotFound, match="not among those that scada left"):
            await webhooks.send_again(*place, who="ann", now_ms=late_ms)

    assert (left.number, left.why, sent) == (1, "it refused: HTTP 400", 1)
    assert steps(receiver)[-1][1] == 1
    assert await webhooks.given_up(floor.pool) == others


async def test_only_the_steps_that_are_asked_for_are_told(floor, hook):  # noqa: F811
    async with HttpReceiver() as receiver:
        await floor.draft()
        await floor.run()
        await send(floor, hook(receiver, steps=("accepted",)))

    assert [after for *_, after in steps(receiver)] == ["accepted"]


async def test_each_receiver_has_a_queue_of_its_own_and_nobody_none(floor, hook):  # noqa: F811
    async with HttpReceiver() as one, HttpReceiver() as other:
        first, second = hook(one), hook(other, name="book")
        await floor.draft()
        await webhooks.hand_over(floor.pool, ["scada", "book"], NOON_MS)
        for each in (first, second):
            await webhooks.send_due(floor.pool, floor.vault, each, lambda: NOON_MS)
        await floor.draft(product="intraday-energy")
        await webhooks.hand_over(floor.pool, [], NOON_MS)
        await webhooks.send_due(floor.pool, floor.vault, first, lambda: NOON_MS)

    assert len(steps(one)) == len(steps(other)) == 1


def test_the_steps_of_the_configuration_are_the_states_of_bids():
    assert set(get_args(StepName)) == {state.value for state in State}
