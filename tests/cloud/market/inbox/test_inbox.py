"""Bids by signed file before the real store: taken once, or refused with the reason."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud.catalogue import LayoutCatalogue
from cloud.config_market import MarketSection, SenderSection
from cloud.epochs import EpochKeys
from cloud.errors import KeyStoreError, NotFound
from cloud.inbox_job import InboxJob
from cloud.keys import open_keys
from cloud.live import Live
from cloud.market import bids
from cloud.market.inbox import Inbox, refused_files, take_again
from cloud.news import News
from cloud.vault.vault import Vault
from tests.cloud.settled import MARKET, PRODUCT
from tests.cloud.stations import create_station

DAY = dt.date(2026, 3, 10)
STARTS = PRODUCT.intervals_ms(DAY)
GATE_MS = PRODUCT.gate_closure_ms(STARTS[0])
KEY = Ed25519PrivateKey.generate()


def offer(**changes: object) -> bytes:
    def start(at_ms: int) -> str:
        return dt.datetime.fromtimestamp(at_ms / 1e3, dt.UTC).isoformat()

    given = {
        "sender": "ems",
        "id": "2026-03-10-1",
        "station": "s1",
        "market": MARKET.id,
        "product": PRODUCT.id,
        "day": str(DAY),
        "interval_min": PRODUCT.interval_min,
        "intervals": [
            {
                "start": start(at),
                "segments": [{"direction": "discharge", "power_mw": "2", "price": "300"}]
                if number < 4
                else [],
            }
            for number, at in enumerate(STARTS)
        ],
        "why": "the plant's own plan",
    }
    return json.dumps(given | changes).encode()


class Drop:
    """The folder as the other system sees it."""

    def __init__(self, folder: Path, inbox: Inbox) -> None:
        self.folder, self.inbox = folder, inbox

    def put(self, body: bytes, name: str = "a", *, signed: bytes | None = None) -> None:
        given = KEY.sign(body) if signed is None else signed
        (self.folder / f"{name}.json").write_bytes(body)
        (self.folder / f"{name}.json.sig").write_bytes(base64.b64encode(given))

    async def answer(
        self, body: bytes, name: str = "a", *, signed: bytes | None = None, now_ms: int = 0
    ) -> dict:
        self.put(body, name, signed=signed)
        assert await self.inbox.run(now_ms or GATE_MS - 3_600_000) == 1
        assert not list(self.folder.glob("*.json*"))
        return json.loads((self.folder / "receipts" / f"{name}.receipt.json").read_text("utf-8"))


@pytest.fixture
async def drop(pool, dsn, tmp_path):
    await create_station(pool, "s1")
    async with pool.connection() as conn:
        await conn.execute("UPDATE stations SET rated_power_kw = 10000, capacity_kwh = 20000")
    key, secret = tmp_path / "ems.pem", tmp_path / "hub.key"
    key.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    secret.write_text("swordfish\n", "utf-8")
    secret.chmod(0o600)
    keys = open_keys(tmp_path / "keys")
    vault = Vault(pool, keys)
    folder = tmp_path / "inbox"
    folder.mkdir()
    section = MarketSection(
        inbox=folder,
        senders=(
            SenderSection(name="ems", kind="ed25519", key_file=key, desk="east"),
            SenderSection(name="hub", kind="hmac", key_file=secret, stations=("s1",)),
        ),
    )
    live = Live(pool, EpochKeys(pool, keys), LayoutCatalogue(pool), News(dsn))
    job = InboxJob(pool, vault, live, section)
    assert job._inbox is not None
    made = Drop(folder, job._inbox)
    made.pool, made.vault, made.job = pool, vault, job
    return made


async def test_a_signed_bid_is_taken_once_and_answered(drop):
    receipt = await drop.answer(offer())
    again = await drop.answer(offer(), "b")

    assert receipt["taken"]
    assert again["bid"] == receipt["bid"]
    bid = await bids.load(drop.pool, drop.vault, receipt["bid"])
    assert (bid.desk, bid.created_by, len(bid.versions)) == ("east", "file:ems/2026-03-10-1", 1)
    assert bid.versions[0].content.inputs["file"]["sha256"] == receipt["sha256"]
    log = await bids.log_of(drop.pool, drop.vault, bid)
    assert log[0].why == "the plant's own plan"
    assert sorted(one.name for one in (drop.folder / "done").iterdir()) == [
        *("a.json", "a.json.sig", "b.json", "b.json.sig")
    ]


async def test_a_secret_that_others_may_read_is_told_and_no_file_is_refused_for_it(drop):
    drop.inbox._senders["hub"].key_file.chmod(0o644)
    drop.put(offer())

    with pytest.raises(KeyStoreError, match="give it mode 0600"):
        await drop.inbox.run(GATE_MS - 3_600_000)

    assert (drop.folder / "a.json").is_file()


async def test_a_refused_file_is_taken_again_when_what_was_wrong_here_is_mended(drop):
    known = drop.inbox._senders["ems"]
    drop.inbox._senders["ems"] = known.model_copy(update={"stations": ("s2",)})
    first = await drop.answer(offer())
    drop.inbox._senders["ems"] = known
    (listed,) = refused_files(drop.folder)

    take_again(drop.folder, listed.name)
    await drop.inbox.run(GATE_MS - 3_600_000)

    receipt = json.loads((drop.folder / "receipts" / "a.receipt.json").read_text("utf-8"))
    assert (first["taken"], first["code"], listed.code) == (False, *["unknown_station"] * 2)
    assert receipt["taken"]
    assert refused_files(drop.folder) == []


@pytest.mark.parametrize("name", ["b.json", "../a.json", "a.json.sig", ""])
def test_only_a_refused_file_is_taken_again(tmp_path, name):
    (tmp_path / "refused").mkdir()
    (tmp_path / "a.json").write_text("{}")

    with pytest.raises(NotFound, match="no refused file"):
        take_again(tmp_path, name)


async def test_a_process_killed_before_the_receipt_finds_its_bid_again(drop, monkeypatch):
    monkeypatch.setattr(
        drop.inbox, "_put_away", lambda *_: (_ for _ in ()).throw(OSError("killed"))
    )
    drop.put(offer())
    with pytest.raises(OSError, match="killed"):
        await drop.inbox.run(GATE_MS - 3_600_000)
    monkeypatch.undo()

    receipt = await drop.answer(offer())

    async with drop.pool.connection() as conn:
        (count,) = await (await conn.execute("SELECT count(*) FROM bids")).fetchone()
    assert (receipt["taken"], count) == (True, 1)


async def test_a_shared_secret_signs_as_well(drop):
    body = offer(sender="hub")

    receipt = await drop.answer(body, signed=hmac.new(b"swordfish", body, hashlib.sha256).digest())

    assert receipt["taken"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"sender": "nobody"}, "unknown_sender", "nobody may not bid here"),
        ({"station": "s9"}, "unknown", "s9"),
        ({"market": "moon"}, "unknown", "market 'moon' is not known"),
        ({"product": "x"}, "unknown", "product 'x' is not traded"),
        ({"day": "soon"}, "unreadable", "day: "),
        ({"extra": 1}, "unreadable", "extra: "),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_its_reason(drop, changes, code, words):
    receipt = await drop.answer(offer(**changes))

    assert (receipt["taken"], receipt["code"]) == (False, code)
    assert words in receipt["reason"]
    assert (drop.folder / "refused" / "a.json").is_file()


async def test_a_bad_signature_is_refused(drop):
    signed = KEY.sign(b"something else")

    receipt = await drop.answer(offer(), signed=signed)

    assert receipt["code"] == "bad_signature"


async def test_a_closed_gate_and_broken_rules_are_named(drop):
    late = await drop.answer(offer(), now_ms=GATE_MS)
    many = json.loads(offer(id="2"))
    many["intervals"][0]["segments"][0]["power_mw"] = "500"
    large = await drop.answer(json.dumps(many).encode(), "b")

    assert late["code"] == "gate_closed"
    assert large["code"] == "broken_rules"
    assert "500" in large["reason"]


async def test_the_same_id_with_another_bid_is_no_repetition(drop):
    await drop.answer(offer())

    receipt = await drop.answer(offer(why="another"), "b")

    assert receipt["code"] == "repeated_id"


async def test_a_file_without_its_signature_waits(drop):
    (drop.folder / "a.json").write_bytes(offer())

    await drop.job.work()

    assert (drop.folder / "a.json").is_file()
