"""What people and programs do with bids: draft, edit, approve, withdraw.

Who may do it is asked before (`cloud.access.authorize`); what is possible is decided here. Every
act is one transaction with its line in the log and in the audit, and wakes the worker.
"""

import uuid
from dataclasses import dataclass
from typing import Final

import psycopg

from cloud.access import audit
from cloud.db import Pool, connection
from cloud.market.bid import BidSet
from cloud.market.bids import rows
from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.content import Approval, Approver, Content, Judgement, fingerprint
from cloud.market.bids.rows import Overtaken, Step
from cloud.market.bids.states import STATE_ZH, State
from cloud.market.errors import BidRefused, BidTooLate, GateClosed
from cloud.market.units import MINUTE_MS
from cloud.vault.vault import Vault
from contract.words import Words

_LONGEST_WHY: Final = 2_000
_FIELD_ZH: Final = {
    "station": "电站",
    "market": "市场",
    "product": "交易品种",
    "day": "交割日",
    "interval_min": "时段长度（分钟）",
}


@dataclass(frozen=True, slots=True)
class NewBid:
    """A bid to be made: its desk, the gate (UTC epoch ms), what it offers, and the fall-back."""

    desk: str
    gate_ms: int
    content: Content
    fallback: Content | None = None


async def draft(pool: Pool, vault: Vault, new: NewBid, *, who: str, why: str, now_ms: int) -> str:
    """Make a bid; return its id.

    Raises:
        BidTooLate: the gate is closed, or there is such a bid already.
        BidRefused: the offers are none, or the fall-back is for something else.
    """
    offers = new.content.bid_set
    begin_ms, end_ms = _time_of(offers)
    if now_ms >= new.gate_ms:
        raise GateClosed(
            Words(
                f"the gate of {offers.product} for {offers.day} is closed",
                f"{offers.product} {offers.day} 申报已截止",
            )
        )
    if new.fallback is not None:
        _require_same(offers, new.fallback.bid_set)
    bid = str(uuid.uuid4())
    keys = await vault.keys(offers.station)
    try:
        async with connection(pool) as conn, conn.transaction():
            await conn.execute(
                "INSERT INTO bids (id, station, desk, market, product, day, gate_ms, begin_ms,"
                " end_ms, created_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    *(bid, offers.station, new.desk, offers.market, offers.product, offers.day),
                    *(new.gate_ms, begin_ms, end_ms, who),
                ),
            )
            await conn.execute("INSERT INTO bid_turns (bid) VALUES (%s)", [bid])
            await rows.insert_version(conn, keys, bid, _drafted(1, new.content, who, now_ms), why)
            if new.fallback is not None:
                spare = _drafted(2, new.fallback, who, now_ms, fallback=True)
                await rows.insert_version(conn, keys, bid, spare, "the fall-back of version 1")
            await audit.write(conn, who, "draft_bid", bid, {"station": offers.station})
    except psycopg.errors.UniqueViolation as error:
        raise BidTooLate(
            Words(
                f"there is a bid of {offers.station} for {offers.product} on {offers.day} that "
                "begins at that time; edit it",
                f"{offers.station} 的 {offers.product} 在 {offers.day} 该时段已有申报；"
                "请修改该申报",
            )
        ) from error
    return bid


async def edit(
    pool: Pool,
    vault: Vault,
    bid: Bid,
    content: Content,
    *,
    who: str,
    why: str,
    now_ms: int,
    fallback: bool = False,
) -> int:
    """Make a new version from `bid` as its editor saw it; return the version's number.

    It is checked, weighed and approved anew. Open versions that it replaces are withdrawn; one that
    stands at the exchange stays there until the new one is accepted in its place.

    Raises:
        BidRefused: the gate is closed, it is cleared or over, or somebody has changed it meanwhile.
    """
    _require_same(bid.versions[0].content.bid_set, content.bid_set)
    if now_ms >= bid.gate_ms:
        raise GateClosed(
            Words(
                f"the gate of bid {bid.id} is closed; nothing can be changed",
                f"申报 {bid.id} 已截止，不能再修改",
            )
        )
    number = bid.versions[-1].number + 1
    keys = await vault.keys(bid.station)
    try:
        async with connection(pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            await _require_turn(conn, bid)
            for old in bid.open:
                if old.fallback == fallback:
                    words = f"replaced by version {number}"
                    gone = Step(old.number, old.state, State.WITHDRAWN, now_ms, who, words)
                    await rows.move(conn, keys, bid.id, gone)
            made = _drafted(number, content, who, now_ms, fallback=fallback)
            await rows.insert_version(conn, keys, bid.id, made, _why(why))
            await conn.execute("UPDATE bids SET withdrawn_ms = NULL WHERE id = %s", [bid.id])
            await audit.write(conn, who, "edit_bid", bid.id, {"version": number})
            await rows.wake(conn, bid.id)
    except (psycopg.errors.UniqueViolation, Overtaken) as error:
        raise BidRefused(
            Words(
                f"bid {bid.id} has changed since it was opened; open it again and repeat the "
                "change",
                f"申报 {bid.id} 打开后已有变化；请重新打开后再修改",
            )
        ) from error
    return number


async def approve(
    pool: Pool,
    vault: Vault,
    bid: Bid,
    number: int,
    *,
    who: str,
    why: str,
    may_large: bool,
    now_ms: int,
) -> None:
    """Approve a checked version, as a person.

    Args:
        pool: the store.
        vault: keys of stations.
        bid: the bid as its approver saw it.
        number: the version that was looked at.
        who: the person's name.
        why: what the person says; may be empty.
        may_large: whether the person may approve above what a trader may.
        now_ms: the present.

    Raises:
        BidRefused: it is not checked, above what this person may approve, its gate is closed, or
            somebody has changed it meanwhile.
    """
    version = bid.of(number)
    if version.state is not State.CHECKED:
        raise BidRefused(
            Words(
                f"version {number} of bid {bid.id} is {version.state}; only a checked one is "
                "approved",
                f"申报 {bid.id} 的版本 {number} 当前{STATE_ZH[version.state]}；"
                "仅可签署已校核的版本",
            )
        )
    if now_ms >= bid.gate_ms:
        raise GateClosed(
            Words(
                f"the gate of bid {bid.id} is closed; nothing can be approved",
                f"申报 {bid.id} 已截止，不能再签署",
            )
        )
    judged = await rows.paper_of(pool, vault, bid, number, Judgement)
    if judged is None or judged.approver is Approver.HEAD_TRADER:
        if not may_large:
            raise BidRefused(
                Words(
                    f"version {number} of bid {bid.id} is above what a trader may approve; ask a "
                    "head of trading",
                    f"申报 {bid.id} 的版本 {number} 超出交易员签署限额；请交易主管签署",
                )
            )
        if who == version.made_by:
            raise BidRefused(
                Words(
                    f"version {number} of bid {bid.id} is above what one person may decide, and "
                    "you have made it; somebody else approves it",
                    f"申报 {bid.id} 的版本 {number} 超出一人可决定的限额，且由您编制；须由他人签署",
                )
            )
    keys = await vault.keys(bid.station)
    step = Step(number, State.CHECKED, State.APPROVED, now_ms, who, _why(why))
    try:
        async with connection(pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            given = Approval(who, fingerprint(version.content.bid_set))
            await rows.put_paper(conn, keys, bid.id, number, given, at_ms=now_ms)
            await rows.move(conn, keys, bid.id, step, approved_by=who)
            await audit.write(conn, who, "approve_bid", bid.id, {"version": number})
            await rows.wake(conn, bid.id)
    except Overtaken as error:
        raise BidRefused(
            Words(f"{error}; open it again", f"申报 {bid.id} 刚被他人处理；请重新打开")
        ) from error


async def withdraw(pool: Pool, vault: Vault, bid: Bid, *, who: str, why: str, now_ms: int) -> None:
    """Take a bid back: open versions at once, one that stands by asking the exchange.

    Raises:
        BidRefused: the gate is closed, the exchange is being asked something already, or nothing is
            left to withdraw.
    """
    if now_ms >= bid.gate_ms:
        raise GateClosed(
            Words(
                f"the gate of bid {bid.id} is closed; it cannot be withdrawn",
                f"申报 {bid.id} 已截止，不能再撤回",
            )
        )
    sent = bid.newest(State.SUBMITTED)
    if sent is not None:
        raise BidRefused(
            Words(
                f"version {sent.number} of bid {bid.id} is on its way to the exchange; withdraw "
                "the bid when the exchange has answered",
                f"申报 {bid.id} 的版本 {sent.number} 正在提交交易所；请在交易所答复后再撤回",
            )
        )
    standing = bid.newest(State.ACCEPTED)
    if standing is None and not bid.open:
        raise BidRefused(
            Words(
                f"bid {bid.id} has no version that could be withdrawn",
                f"申报 {bid.id} 没有可撤回的版本",
            )
        )
    keys = await vault.keys(bid.station)
    try:
        async with connection(pool) as conn, conn.transaction():
            await rows.lock(conn, bid.id)
            for version in bid.open:
                gone = Step(version.number, version.state, State.WITHDRAWN, now_ms, who, _why(why))
                await rows.move(conn, keys, bid.id, gone)
            if standing is not None:
                await conn.execute(
                    "INSERT INTO bid_outbox (key, action, bid, version, asked_by, written_ms)"
                    " VALUES (%s, 'withdraw', %s, %s, %s, %s) ON CONFLICT (key, action)"
                    " DO UPDATE SET asked_by = EXCLUDED.asked_by, written_ms = EXCLUDED.written_ms,"
                    " tries = 0, tried_ms = NULL, answered_ms = NULL, answer = NULL"
                    " WHERE bid_outbox.answer = 'rejected'",
                    (bid.key(standing), bid.id, standing.number, who, now_ms),
                )
            await conn.execute("UPDATE bids SET withdrawn_ms = %s WHERE id = %s", (now_ms, bid.id))
            await audit.write(conn, who, "withdraw_bid", bid.id, {})
            await rows.wake(conn, bid.id)
    except (psycopg.errors.UniqueViolation, Overtaken) as error:
        raise BidRefused(
            Words(
                f"bid {bid.id} has changed, or the exchange is being asked about it; open it again",
                f"申报 {bid.id} 已有变化，或正在向交易所查询；请重新打开",
            )
        ) from error


async def _require_turn(conn: rows.Connection, bid: Bid) -> None:
    """Refuse to change what is over or cleared: its worker is gone, or has gone on."""
    found = await conn.execute("SELECT 1 FROM bid_turns WHERE bid = %s", [bid.id])
    if await found.fetchone() is None or bid.after_clearing is not None:
        raise BidRefused(
            Words(
                f"bid {bid.id} is cleared or over; nothing can be changed",
                f"申报 {bid.id} 已出清或已结束，不能再修改",
            )
        )


def _drafted(
    number: int, content: Content, who: str, now_ms: int, *, fallback: bool = False
) -> Version:
    return Version(number, State.DRAFTED, fallback, who, now_ms, None, "", "", content)


def _time_of(offers: BidSet) -> tuple[int, int]:
    starts = [one.start_ms for one in offers.intervals]
    if not starts or sorted(set(starts)) != starts:
        raise BidRefused(
            Words(
                "a bid has at least one interval, in order of time, without doubles",
                "申报至少含一个时段，按时间排列且不重复",
            )
        )
    return starts[0], starts[-1] + offers.interval_min * MINUTE_MS


def _require_same(there: BidSet, given: BidSet) -> None:
    for name in _FIELD_ZH:
        if getattr(there, name) != getattr(given, name):
            raise BidRefused(
                Words(
                    f"the bid is for {name} {getattr(there, name)}, not {getattr(given, name)}; "
                    "make another bid for that",
                    f"该申报的{_FIELD_ZH[name]}为 {getattr(there, name)}，不是 "
                    f"{getattr(given, name)}；请另行申报",
                )
            )
    if _time_of(there) != _time_of(given):
        raise BidRefused(
            Words(
                "the bid is for another time; a version covers the same time as the first",
                "申报时段不同；各版本的时段须与第一版一致",
            )
        )


def _why(text: str) -> str:
    if len(text) > _LONGEST_WHY:
        raise BidRefused(
            Words(
                f"the reason has {len(text)} characters; at most {_LONGEST_WHY} are kept",
                f"理由有 {len(text)} 个字符；最多保留 {_LONGEST_WHY} 个",
            )
        )
    return text.strip()


async def weigh_again(conn: rows.Connection, desk: str) -> None:
    """Have the worker judge anew what limits of this desk have blocked; in their transaction."""
    await conn.execute(
        "UPDATE bid_versions v SET blocked = '' FROM bids b"
        " WHERE b.id = v.bid AND b.desk = %s AND v.blocked = 'limits' AND v.state = 'drafted'",
        [desk],
    )
    await conn.execute(
        "UPDATE bids SET due_ms = 0, wakes = wakes + 1 FROM bid_turns t"
        " WHERE t.bid = bids.id AND bids.desk = %s",
        [desk],
    )
