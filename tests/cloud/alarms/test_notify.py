"""Notifications to real receivers on loopback, also to such that are down, refuse, or come back."""

import email
import email.policy

import pytest
from pydantic import ValidationError

from cloud.access import Role, User
from cloud.alarms import Change, Desk, Notifier, Wanted, health, load, tell_condition
from cloud.alarms.channels import NotDelivered, deliver, signature
from cloud.alarms.messages import Message
from cloud.alarms.outbox import Announced, plan, retry_ms
from cloud.config_alarms import ChannelSection, NotificationsSection
from tests.cloud.alarms.happening import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    Happened,
    engine,
    id_of,
    put,
    rows,
)
from tests.cloud.alarms.receivers import HttpReceiver, MailReceiver, free_port

ANN = User("1", "ann", frozenset({Role.OPERATOR}))
FIRE = Happened("fire.alarm", "C1-FIRE", 0)
RACK = Happened("rack.alarm", "C1-R07", 0, tag="rack_alarms.2", value=61.0, limit=55.0)


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text("very-secret-key\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def webhook(name="hook", address="http://127.0.0.1:9/hook", **more: object) -> ChannelSection:
    return ChannelSection(name=name, kind="webhook", address=address, **more)  # type: ignore[arg-type]


def section(*channels: ChannelSection, chains=()) -> NotificationsSection:
    return NotificationsSection(channels=channels, chains=chains)


async def announce(pool, vault, *events: Happened, now=T0 + 10 * SECOND):
    await put(pool, vault, events)
    await engine(pool, vault).run(now)


async def outbox(pool):
    return await rows(
        pool, "SELECT channel, step, status, due_ms, attempts FROM alarm_outbox ORDER BY id"
    )


@pytest.mark.usefixtures("station")
async def test_a_webhook_is_told_once_of_each_alarm(pool, vault, secret):
    async with HttpReceiver() as receiver:
        wanted = section(webhook(address=receiver.address, secret_file=secret))
        notifier = Notifier(pool, vault, load(), wanted)
        await announce(pool, vault, RACK)

        for _ in range(2):
            await notifier.plan(T0 + 10 * SECOND)
            await notifier.send(wanted.channels[0], T0 + 10 * SECOND)

    ((path, headers, body),) = receiver.requests
    assert path == "/hook"
    assert headers["authorization"] == "Bearer very-secret-key"
    assert body["title"] == "[3 medium] Haibin 1 C1-R07 Rack alarm (BMS)"
    assert "(61 / 55)" in body["message"]
    assert "2026-01-01 00:00:00 UTC+0000" in body["message"]
    assert "within 15 min: Open the rack page" in body["message"]
    assert [row[:3] for row in await outbox(pool)] == [("hook", 0, "sent")]


@pytest.mark.usefixtures("station")
async def test_a_missed_gate_is_told_with_its_product(pool, vault):
    (station,) = (await rows(pool, "SELECT id FROM stations"))[0]
    async with HttpReceiver() as receiver:
        wanted = section(webhook(address=receiver.address))
        notifier = Notifier(pool, vault, load(), wanted)
        place = station, "test-exchange/minute-energy"
        await tell_condition(pool, "cloud.bid_missed", {place}, T0)
        await announce(pool, vault)

        await notifier.plan(T0 + 10 * SECOND)
        await notifier.send(wanted.channels[0], T0 + 10 * SECOND)

    ((_, _, body),) = receiver.requests
    assert "test-exchange/minute-energy Gate closed without a bid" in body["title"]


@pytest.mark.usefixtures("station")
async def test_a_mail_reaches_its_server_in_the_reader_s_language(pool, vault):
    with MailReceiver() as server:
        mail = ChannelSection(
            name="mail",
            kind="smtp",
            address=f"smtp://127.0.0.1:{server.port}",
            plain=True,
            sender="alarms@example.com",
            to=("duty@example.com", "boss@example.com"),
            language="zh",
        )
        notifier = Notifier(pool, vault, load(), section(mail))
        await announce(pool, vault, FIRE)
        await notifier.plan(T0 + 10 * SECOND)
        await notifier.send(mail, T0 + 10 * SECOND)

    told = {address for envelope in server.mails for address in envelope.rcpt_tos}
    assert told == {"duty@example.com", "boss@example.com"}
    content = server.mails[0].content
    assert isinstance(content, bytes)
    read = email.message_from_bytes(content, policy=email.policy.default)
    assert read["subject"] == "[1 紧急] Haibin 1 C1-FIRE 火警"
    assert "拨打消防电话" in read.get_body(("plain",)).get_content()


@pytest.mark.parametrize("kind", ["wecom", "dingtalk"])
async def test_a_robot_is_asked_in_its_own_format_and_its_refusal_is_heard(kind, secret):
    async with HttpReceiver() as receiver:
        robot = ChannelSection(
            name="robot",
            kind=kind,
            address=receiver.address,
            secret_file=secret,
            sign_file=secret if kind == "dingtalk" else None,
        )
        await deliver(robot, Message("title", "告警" * 5_000))

        receiver.answer = {"errcode": 93000, "errmsg": "invalid key very-secret-key"}
        with pytest.raises(NotDelivered, match=r"refused: 93000 invalid key \*\*\*"):
            await deliver(robot, Message("title", "body"))
        receiver.status = 502
        with pytest.raises(NotDelivered, match="HTTP 502"):
            await deliver(robot, Message("title", "body"))

    path, _, body = receiver.requests[0]
    assert body["msgtype"] == "text"
    assert body["text"]["content"].startswith("title\n告警告警")
    assert len(body["text"]["content"].encode()) <= 18_000
    if kind == "wecom":
        assert path == "/hook?key=very-secret-key"
        assert len(body["text"]["content"].encode()) <= 2_048
    else:
        assert "access_token=very-secret-key&timestamp=" in path
        assert "&sign=" in path


def test_a_signature_is_that_of_the_published_rule():
    # HMAC-SHA256 of "1735689600000\nSECtest" with the key "SECtest", computed with openssl.
    found = signature("SECtest", 1_735_689_600_000)

    assert found["timestamp"] == "1735689600000"
    assert found["sign"] == SIGNED


SIGNED = "bD412zEGNthb5YXUe1RAyaOCDWBOlz4TYtHlJFjuNJE="


@pytest.mark.usefixtures("station")
async def test_a_receiver_that_is_down_is_shown_and_told_when_it_is_up_again(pool, vault):
    port = free_port()
    hook = webhook(address=f"http://127.0.0.1:{port}/hook")
    notifier = Notifier(pool, vault, load(), section(hook))
    now = T0 + 10 * SECOND
    await announce(pool, vault, RACK)
    await notifier.plan(now)

    with pytest.raises(NotDelivered):
        await notifier.send(hook, now)
    assert await notifier.send(hook, now + 4 * SECOND) == 0
    (dead,) = await health(pool, section(hook), now)
    assert (dead.failing_since_ms, dead.sent_ms, dead.waiting) == (now, None, 1)
    assert dead.error

    restarted = Notifier(pool, vault, load(), section(hook))
    async with HttpReceiver(port) as receiver:
        assert await restarted.send(hook, now + 5 * SECOND) == 1
    (alive,) = await health(pool, section(hook), now + 5 * SECOND)
    assert (alive.failing_since_ms, alive.sent_ms) == (None, now + 5 * SECOND)
    assert len(receiver.requests) == 1
    assert [row[:3] + row[4:] for row in await outbox(pool)] == [("hook", 0, "sent", 2)]


@pytest.mark.usefixtures("station")
async def test_a_receiver_that_never_comes_back_is_given_up_and_counted(pool, vault):
    hook = webhook(address=f"http://127.0.0.1:{free_port()}/hook")
    notifier = Notifier(pool, vault, load(), section(hook))
    await announce(pool, vault, RACK)
    await notifier.plan(T0 + 10 * SECOND)

    for now in (T0 + 10 * SECOND, T0 + 26 * HOUR):
        with pytest.raises(NotDelivered):
            await notifier.send(hook, now)

    assert [row[2] for row in await outbox(pool)] == ["given_up"]
    (dead,) = await health(pool, section(hook), T0 + 26 * HOUR)
    assert (dead.given_up, dead.waiting) == (1, 0)


@pytest.mark.usefixtures("station")
async def test_an_alarm_that_nobody_acknowledges_goes_to_the_next_and_one_that_is_does_not(
    pool, vault
):
    async with HttpReceiver() as first, HttpReceiver() as second:
        duty, boss = webhook("duty", first.address), webhook("boss", second.address)
        wanted = section(duty, boss, chains=(("duty", "boss"),))
        notifier = Notifier(pool, vault, load(), wanted)
        await announce(pool, vault, FIRE, RACK)
        await notifier.plan(T0 + 10 * SECOND)
        await notifier.send(duty, T0 + 10 * SECOND)
        rack = await id_of(pool, "C1-R07", "rack.alarm", "rack_alarms.2")
        desk = Desk(pool, vault, load())
        await desk.act(ANN, [rack], Wanted(Change.ACKNOWLEDGED), T0 + MINUTE)

        assert await notifier.send(boss, T0 + 3 * MINUTE - 1) == 0
        assert await notifier.send(boss, T0 + 3 * MINUTE) == 1
        assert await notifier.send(boss, T0 + HOUR) == 0

    assert first.requests[0][2]["title"].startswith("2 alarms, first: [1 critical]")
    assert len(first.requests) == 1
    ((_, _, body),) = second.requests
    assert "escalation 1" in body["message"]
    assert sorted(row[:3] for row in await outbox(pool)) == [
        ("boss", 1, "not_needed"),
        ("boss", 1, "sent"),
        ("duty", 0, "sent"),
        ("duty", 0, "sent"),
    ]


@pytest.mark.usefixtures("station")
async def test_one_who_dies_while_sending_leaves_the_row_to_the_next(pool, vault, monkeypatch):
    async with HttpReceiver() as receiver:
        hook = webhook(address=receiver.address)
        notifier = Notifier(pool, vault, load(), section(hook))
        await announce(pool, vault, RACK)
        await notifier.plan(T0 + 10 * SECOND)

        async def dies(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("cloud.alarms.notify.deliver", dies)
            with pytest.raises(KeyboardInterrupt):
                await notifier.send(hook, T0 + 10 * SECOND)

        assert await notifier.send(hook, T0 + 11 * SECOND) == 0
        assert await notifier.send(hook, T0 + 71 * SECOND) == 1
    assert len(receiver.requests) == 1


@pytest.mark.usefixtures("station")
async def test_a_flood_is_one_message_and_old_news_are_none(pool, vault):
    async with HttpReceiver() as receiver:
        hook = webhook(address=receiver.address)
        notifier = Notifier(pool, vault, load(), section(hook))
        flood = [Happened("rack.alarm", f"C1-R{n}", n, tag="x") for n in range(300)]
        await announce(pool, vault, FIRE, *flood)
        await notifier.plan(T0 + 10 * SECOND)
        await notifier.send(hook, T0 + 10 * SECOND)
        await put(pool, vault, [Happened("rack.alarm", "C9-R01", 20 * SECOND, tag="x")])
        await engine(pool, vault).run(T0 + 30 * HOUR)
        await notifier.plan(T0 + 30 * HOUR)

    ((_, _, body),) = receiver.requests
    assert body["title"].startswith("301 alarms, first: [1 critical] Haibin 1 C1-FIRE")
    assert body["message"].endswith("and 291 more")
    assert await rows(pool, "SELECT count(*) FROM alarm_outbox") == [(301,)]


@pytest.mark.usefixtures("station")
async def test_what_has_returned_meanwhile_is_told_only_when_it_was_urgent(pool, vault):
    async with HttpReceiver() as receiver:
        hook = webhook(address=receiver.address)
        notifier = Notifier(pool, vault, load(), section(hook))
        over = [
            Happened("fire.alarm", "C1-FIRE", SECOND, active=False),
            Happened("rack.alarm", "C1-R07", SECOND, active=False, tag="rack_alarms.2"),
        ]
        await announce(pool, vault, FIRE, RACK, *over)
        await notifier.plan(T0 + 10 * SECOND)
        assert await notifier.send(hook, T0 + 10 * SECOND) == 1

    assert "returned" in receiver.requests[0][2]["message"]


def announced(priority, at_ms, **more: object) -> Announced:
    facts = {"station": "haibin-1", "class_": "equipment", "respond_ms": 600_000} | more
    return Announced(1, 0, at_ms, priority=priority, **facts)  # type: ignore[arg-type]


NIGHT = {"begin": "22:00", "end": "07:00", "timezone": "Asia/Shanghai"}
AT_22 = T0 + 14 * HOUR
"""22:00 in Shanghai (UTC+8) on 1 January 2026."""


@pytest.mark.parametrize(
    ("priority", "at_ms", "due_ms"),
    [
        (1, AT_22, AT_22),
        (2, AT_22, AT_22),
        (3, AT_22 - 1, AT_22 - 1),
        (3, AT_22, AT_22 + 9 * HOUR),
        (4, AT_22 + 5 * HOUR, AT_22 + 9 * HOUR),
        (4, AT_22 + 9 * HOUR, AT_22 + 9 * HOUR),
    ],
)
def test_quiet_hours_hold_back_what_is_not_urgent(priority, at_ms, due_ms):
    (row,) = plan([announced(priority, at_ms)], section(webhook(quiet=NIGHT)))

    assert row.due_ms == due_ms


def test_a_chain_skips_channels_that_do_not_take_the_alarm():
    channels = [
        webhook("fire", classes=("safety",)),
        webhook("north", stations=("north-1",)),
        webhook("urgent", priorities=(1, 2)),
        webhook("all"),
    ]
    wanted = section(*channels, chains=(("fire", "urgent", "all"), ("north", "all")))

    def told(alarm):
        return [(row.channel, row.step, row.due_ms) for row in plan([alarm], wanted)]

    assert told(announced(3, 0)) == [("all", 0, 0), ("all", 0, 0)]
    assert told(announced(1, 0, class_="safety"))[:3] == [
        ("fire", 0, 0),
        ("urgent", 1, 600_000),
        ("all", 2, 1_200_000),
    ]
    assert told(announced(3, 0, station="north-1"))[1:] == [("north", 0, 0), ("all", 1, 600_000)]


def test_retries_come_ever_more_rarely():
    assert [retry_ms(n) // 1000 for n in range(1, 12)] == [
        *(5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900),
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604])
async def test_a_secret_that_others_may_read_is_refused(secret, mode):
    secret.chmod(mode)
    with pytest.raises(NotDelivered, match="mode 0600"):
        await deliver(ChannelSection(name="r", kind="wecom", secret_file=secret), Message("t", "b"))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"kind": "webhook"}, "needs an address"),
        ({"kind": "webhook", "address": "ftp://x"}, "begins with http://"),
        ({"kind": "webhook", "address": "https://u:p@x/"}, "no password in the address"),
        ({"kind": "smtp", "address": "smtp://x"}, "needs sender and to"),
        ({"kind": "wecom"}, "needs a secret_file"),
        (
            {"kind": "smtp", "address": "smtp://x", "sender": "a@b", "to": ["c@d"], "user": "u"},
            "go together",
        ),
        ({"kind": "webhook", "address": "http://x", "priorities": [5]}, "less than or equal"),
        (
            {"kind": "webhook", "address": "http://x", "quiet": {"begin": "7", "end": "08:00"}},
            "time of day",
        ),
    ],
)
def test_a_channel_that_could_not_work_is_refused(given, text):
    with pytest.raises(ValidationError, match=text):
        ChannelSection.model_validate({"name": "c"} | given)


@pytest.mark.parametrize("chains", [[["nobody"]], [[]], [["a", "a"]]])
def test_a_chain_names_channels_once_each(chains):
    with pytest.raises(ValidationError, match=r"chain"):
        NotificationsSection.model_validate(
            {"channels": [{"name": "a", "kind": "webhook", "address": "http://x"}]}
            | {"chains": chains}
        )
