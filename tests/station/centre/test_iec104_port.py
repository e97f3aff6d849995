"""The port of IEC 60870-5-104, with a real centre in another process and a real server process."""

import asyncio
import contextlib
import datetime as dt
import math
import os
import signal
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contract.frame import Quality
from station.centre import (
    CentreState,
    CentreUnavailable,
    CentreView,
    Iec104Centre,
    PointValue,
    PortSettings,
    TlsFiles,
)
from station.iec104.point_list import PointList, SignOfLife, load_points
from station.iec104.values import Flags
from tests.station.centre.iec104_peer import Peer, dispatch_centre, is_open
from tests.station.pki import TestAuthority
from tests.waiting import wait_for

TIME_MS = 1_790_000_000_123
VIEW = CentreView(
    time_ms=TIME_MS,
    power_kw=-812.5,
    reactive_kvar=33.0,
    frequency_hz=49.987,
    soc=0.6213,
    low_kw=-1500.0,
    high_kw=1234.5,
    discharge_kwh=2000.0,
    charge_kwh=math.nan,
    remote=True,
    state=CentreState.LIMITED,
    accepted_kw=-800.0,
    binding=7,
)
ENABLE, POWER, HEARTBEAT = 24577, 25089, 25091


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def sample_list(**changes: object) -> PointList:
    return load_points("dispatch-centre.toml", {}).model_copy(update=changes)


def with_device(points: PointList) -> PointList:
    document = {
        "ioa": 17000,
        "type": "M_ME_NC_1",
        "direction": "monitor",
        "device": "C1-R01",
        "signal": "soc",
    }
    listed = [point.model_dump() for point in points.points]
    return PointList.model_validate({**points.model_dump(), "points": [*listed, document]})


def port_settings(*allow: str, port: int = 0) -> PortSettings:
    networks = tuple(ip_network(text) for text in allow or ("127.0.0.0/8",))
    return PortSettings("127.0.0.1", port, networks, 10.0, 1500.0, 900.0)


@contextlib.asynccontextmanager
async def opened(
    points: PointList | None = None,
    *allow: str,
    clock: Clock | None = None,
    tls: TlsFiles | None = None,
) -> AsyncIterator[Iec104Centre]:
    centre = Iec104Centre(port_settings(*allow), points or sample_list(), tls, clock or Clock())
    await centre.start()
    try:
        yield centre
    finally:
        await centre.close()


@contextlib.asynccontextmanager
async def talking(
    points: PointList | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[Iec104Centre, Peer]]:
    async with opened(points, clock=clock) as centre, dispatch_centre(centre.port) as peer:
        await is_open(peer)
        yield centre, peer


async def order(peer: Peer, ioa: int, value: float, **facts: object) -> bool:
    kind = {ENABLE: "C_SC_NA_1", POWER: "C_SE_NC_1", HEARTBEAT: "C_SE_NB_1"}[ioa]
    facts = {"kind": kind, "select": ioa == ENABLE, **facts}
    return bool(await peer.do("command", ioa=ioa, value=value, **facts))


async def give(
    peer: Peer,
    ioa: int,
    value: float,
    tag: Callable[[], str | None] = lambda: None,
    **facts: object,
) -> None:
    """Order what is to be taken; again when the client has missed the confirmation."""
    async with asyncio.timeout(20):
        while not await order(peer, ioa, value, at=tag(), **facts):
            pass


async def take_control(centre: Iec104Centre, peer: Peer) -> None:
    """Select and operate; the client may take the confirmation of the first for the second's."""
    async with asyncio.timeout(20):
        while not centre.request().enabled:
            await order(peer, ENABLE, 1)


async def everything(peer: Peer) -> dict[int, dict[str, Any]]:
    """What an interrogation brings, by address."""
    async with asyncio.timeout(20):
        while not await peer.do("interrogate"):
            pass
    return {one["ioa"]: one for one in await peer.received()}


async def refuse(
    centre: Iec104Centre, peer: Peer, reason: str, ioa: int, value: float, **facts: object
) -> None:
    """Order what is to be refused; again when the client has not got as far as to order it."""
    before = centre.refused.get(reason, 0)
    async with asyncio.timeout(20):
        while centre.refused.get(reason, 0) == before:
            await order(peer, ioa, value, **facts)


async def test_a_centre_takes_control_is_lost_with_its_heartbeat_and_must_enable_anew():
    clock = Clock()
    async with talking(clock=clock) as (centre, peer):
        await refuse(centre, peer, "no_set_point", ENABLE, 1)
        await give(peer, HEARTBEAT, 1)
        await give(peer, POWER, -1200.0)
        await take_control(centre, peer)
        request = centre.request()
        clock.now_s += 10.5

        assert request is not None
        assert (request.enabled, request.power_kw, request.reactive_kvar) == (True, -1200.0, None)
        assert centre.request() is None
        assert centre.lost
        await refuse(centre, peer, "no_heartbeat", POWER, -100.0)
        await give(peer, HEARTBEAT, 2)
        await refuse(centre, peer, "no_set_point", ENABLE, 1)


async def test_what_is_not_agreed_is_confirmed_negatively_with_its_reason_and_changes_nothing():
    points = sample_list()
    listed = [
        replace_point(p, max_step=500.0, low=-1000.0) if p.ioa == POWER else p
        for p in points.points
    ]
    async with talking(points.model_copy(update={"points": tuple(listed)})) as (centre, peer):
        centre.show(replace(VIEW, power_kw=0.0))
        await give(peer, HEARTBEAT, 1)
        await give(peer, POWER, 400.0)

        await refuse(centre, peer, "step_too_large", POWER, 950.0)
        await refuse(centre, peer, "power_out_of_range", POWER, -1001.0)
        await refuse(centre, peer, "power_out_of_range", POWER, math.nan)
        await refuse(centre, peer, "not_selected", ENABLE, 1, select=False)
        await peer.do("command", ioa=999, kind="C_SC_NA_1", value=1, select=False)
        await wait_for(lambda: "no_such_register" in centre.refused, "the library's own refusal")

        request = centre.request()
        assert request is not None
        assert (request.enabled, request.power_kw) == (False, 400.0)


class Line:
    """A centre of bare octets: what it is answered is what was on the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.sent = self.got = 0

    async def cause_of(self, kind: int, ioa: int, element: bytes) -> int:
        """Give a command; return the octet of the cause of its confirmation."""
        unit = bytes([kind, 1, 6, 0, 1, 0]) + ioa.to_bytes(3, "little") + element
        counts = (self.sent << 1).to_bytes(2, "little") + (self.got << 1).to_bytes(2, "little")
        self.writer.write(bytes([0x68, len(unit) + 4]) + counts + unit)
        self.sent += 1
        while True:
            _, size = await self.reader.readexactly(2)
            frame = await self.reader.readexactly(size)
            if frame[0] & 1:
                continue
            self.got += 1
            if frame[4] == kind and frame[6] & 0x3F == 7:
                return frame[6]


CONFIRMED, DENIED = 7, 7 | 0x40
SINGLE, SCALED, SHORT = 45, 49, 50


async def test_a_refusal_is_a_negative_confirmation_on_the_line():
    async with opened() as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        writer.write(bytes.fromhex("680407000000"))
        assert await reader.readexactly(6) == bytes.fromhex("68040b000000")
        line, select, on = Line(reader, writer), b"\x81", b"\x01"
        async with asyncio.timeout(20):
            causes = [
                await line.cause_of(SCALED, HEARTBEAT, struct.pack("<hB", 1, 0)),
                await line.cause_of(SHORT, POWER, struct.pack("<fB", 1501.0, 0)),
                await line.cause_of(SINGLE, ENABLE, on),
                await line.cause_of(SHORT, POWER, struct.pack("<fB", 1500.0, 0)),
                await line.cause_of(SINGLE, ENABLE, select),
                await line.cause_of(SINGLE, ENABLE, on),
            ]
        writer.close()

        assert causes == [CONFIRMED, DENIED, DENIED, CONFIRMED, CONFIRMED, CONFIRMED]
        assert centre.request().enabled


def replace_point(point, **changes: object):
    return point.model_copy(update=changes)


async def test_an_interrogation_answers_everything_and_changes_come_by_themselves_with_their_time():
    async with talking(with_device(sample_list())) as (centre, peer):
        centre.show(VIEW, {("C1-R01", "soc"): PointValue(0.5, Quality.GOOD, TIME_MS, stale=True)})
        first = await peer.until(16385, cause="SPONTANEOUS")
        centre.show(replace(VIEW, power_kw=-815.0, soc=0.7, time_ms=TIME_MS + 1000))
        await peer.until(16388, value=7000.0, cause="SPONTANEOUS")
        power = await peer.received(16385)
        told = await everything(peer)

    local = dt.datetime.fromtimestamp(TIME_MS / 1000, ZoneInfo("Asia/Shanghai"))
    assert (first["value"], first["type"]) == (-812.5, "M_ME_TF_1")
    assert first["at"] == local.replace(tzinfo=None).isoformat()
    assert [one["value"] for one in power if one["cause"] == "SPONTANEOUS"] == [-812.5]
    assert set(told) == {p.ioa for p in with_device(sample_list()).monitored}
    assert {one["cause"] for one in told.values()} == {"INTERROGATED_BY_STATION"}
    assert not any(one["sequence"] for one in told.values() if one["at"] is not None)
    assert told[16385]["value"] == -815.0
    assert told[16385]["quality"] == Flags.GOOD
    assert told[16392]["quality"] == Flags.INVALID
    assert (told[1]["value"], told[3]["value"], told[16394]["value"]) == (1, 1, CentreState.LIMITED)
    assert told[17000]["quality"] == Flags.INVALID


async def test_an_old_value_of_a_device_is_told_as_not_topical():
    async with talking(with_device(sample_list())) as (centre, peer):
        centre.show(VIEW, {("C1-R01", "soc"): PointValue(0.5, Quality.GOOD, TIME_MS, stale=True)})

        told = await peer.until(17000, cause="SPONTANEOUS")

    assert (told["value"], told["quality"], told["at"]) == (0.5, Flags.NOT_TOPICAL, None)


async def test_the_link_itself_may_be_the_sign_of_life():
    clock = Clock()
    async with talking(sample_list(sign_of_life=SignOfLife.LINK), clock) as (centre, peer):
        await give(peer, POWER, 100.0)
        await take_control(centre, peer)
        for _ in range(3):
            clock.now_s += 8
            await wait_for(lambda: centre.request().heartbeat_ms == 0, "the link heard")

        await peer.do("disconnect")
        await wait_for(lambda: not centre.connected, "the link gone")
        clock.now_s += 10.5
        assert centre.lost
        assert centre.request() is None


async def test_a_command_with_an_old_time_tag_is_refused_and_one_of_now_is_taken():
    points = sample_list(timezone="UTC")
    listed = [replace_point(p, type="C_SE_TC_1") if p.ioa == POWER else p for p in points.points]

    def now() -> dt.datetime:
        return dt.datetime.now(dt.UTC).replace(tzinfo=None)

    async with talking(points.model_copy(update={"points": tuple(listed)})) as (centre, peer):
        await give(peer, HEARTBEAT, 1)

        old = (now() - dt.timedelta(minutes=1)).isoformat()
        await refuse(centre, peer, "command_too_old", POWER, 100.0, kind="C_SE_TC_1", at=old)
        await give(peer, POWER, 200.0, lambda: now().isoformat(), kind="C_SE_TC_1")

        assert centre.request().power_kw == 200.0


async def test_a_clock_of_the_centre_is_compared_and_a_wrong_one_is_refused():
    async with talking(sample_list(timezone="UTC")) as (centre, peer):
        async with asyncio.timeout(20):
            while not await peer.do("clock"):
                assert centre.refused == {}
    async with talking(sample_list(timezone="Asia/Shanghai")) as (centre, peer):
        async with asyncio.timeout(20):
            while "clock_differs" not in centre.refused:
                assert not await peer.do("clock")


async def test_an_address_that_is_not_listed_is_turned_away_and_a_taken_port_is_named():
    async with opened(None, "127.0.0.2/32") as centre, dispatch_centre(centre.port):
        await wait_for(lambda: centre.turned_away > 0, "the stranger turned away")
        assert not centre.connected

        second = Iec104Centre(port_settings(port=centre.port), sample_list())
        with pytest.raises(CentreUnavailable, match=rf"{centre.port}.*\[centre\]"):
            await second.start()


async def test_a_process_that_is_killed_is_replaced_on_the_same_port_with_the_same_values():
    async with talking() as (centre, peer):
        centre.show(VIEW)
        await give(peer, HEARTBEAT, 1)
        await give(peer, POWER, 100.0)
        port = centre.port

        os.kill(centre.pid, signal.SIGKILL)
        await wait_for(lambda: centre.restarts == 1 and centre.pid, "the next process")
        await wait_for(lambda: centre.port == port, "the port open again")
        request = centre.request()

        assert request is not None
        assert request.power_kw == 100.0


async def test_no_frame_however_broken_costs_the_request_or_the_next_centre():
    async with opened() as centre:
        centre.show(VIEW)
        async with dispatch_centre(centre.port) as peer:
            await is_open(peer)
            await give(peer, HEARTBEAT, 1)
            await give(peer, POWER, 100.0)
        await wait_for(lambda: not centre.connected, "the place free")

        # A clock command whose time is one octet short aborts the process of c104 2.2.1.
        _, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        writer.write(bytes.fromhex("680407000000"))
        writer.write(bytes.fromhex("681300000000670106000100000000000000000000"))
        await writer.drain()
        writer.close()

        async with dispatch_centre(centre.port) as peer:
            await is_open(peer)
            await take_control(centre, peer)
        assert centre.request().power_kw == 100.0
        assert centre.request().enabled


async def test_commands_and_values_at_the_same_moment_do_not_wait_for_one_another():
    async with talking() as (centre, peer):
        await give(peer, HEARTBEAT, 1)

        async def show() -> None:
            for k in range(200):
                centre.show(replace(VIEW, power_kw=float(k)))
                await asyncio.sleep(0)

        showing = asyncio.create_task(show())
        for k in range(100):
            await give(peer, POWER, float(k))
        await showing

        assert centre.refused == {}
        assert centre.request().power_kw == 99.0
        assert centre.restarts == 0


async def start_of(port: int, context: ssl.SSLContext | None) -> bytes:
    """What the station answers to STARTDT act, nothing when it hangs up."""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(bytes.fromhex("680407000000"))
        answer = await reader.read(6)
        writer.close()
        return answer
    return b""


async def test_with_tls_only_a_centre_whose_certificate_is_signed_is_served(tmp_path):
    authority = TestAuthority()
    certificate, key = authority.server_files(tmp_path)
    authority_file = tmp_path / "authority.pem"
    authority_file.write_bytes(authority.pem)
    unknown = ssl.create_default_context(cafile=str(authority_file))
    known = ssl.create_default_context(cafile=str(authority_file))
    known.load_cert_chain(certificate, key)

    async with opened(tls=TlsFiles(str(certificate), str(key), str(authority_file))) as centre:
        in_the_clear = await start_of(centre.port, None)
        without_certificate = await start_of(centre.port, unknown)
        started = await start_of(centre.port, known)

    assert started == bytes.fromhex("68040b000000")  # STARTDT con
    assert in_the_clear != started
    assert without_certificate != started
