"""The converter's server against open61850, an implementation that shares no code with ours."""

import asyncio
import queue
import time

import pytest
from open61850.data import FloatData, StructureData
from open61850.mms import (
    ControlError,
    DataAccessError,
    MmsClient,
    ObjectName,
    Report,
    TrgOps,
    decode_report,
    is_report,
    operate,
)
from open61850.mms.rcb import RcbSettings, enable

from simulator.iec61850.server import PcsValues
from simulator.physics.converter import PcsState
from tests.simulator.small import Running, event, running_site
from tests.waiting import wait_for

DOMAIN = "C1PCSPCS1"
BUFFERED = ObjectName("LLN0$BR$brMeas", DOMAIN)
RATED_W = 1.725e6


@pytest.fixture
async def running(tmp_path):
    async with running_site(tmp_path) as made:
        yield made


async def connect(port: int) -> MmsClient:
    return await asyncio.to_thread(MmsClient.connect, "127.0.0.1", port)


def value(data: StructureData) -> float:
    """The float at the bottom of an analogue value."""
    while isinstance(data, StructureData):
        data = data.members[0]
    assert isinstance(data, FloatData)
    return data.value


async def command(client: MmsClient, name: str, number: object) -> None:
    control = StructureData([FloatData(number)]) if isinstance(number, float) else number
    await asyncio.to_thread(operate, client, ObjectName(f"DRCC1$CO${name}", DOMAIN), control)


def subscribe(
    client: MmsClient, block: ObjectName = BUFFERED, **settings: object
) -> "queue.Queue[Report]":
    reports: queue.Queue[Report] = queue.Queue()
    client.add_report_listener(
        lambda message: reports.put(decode_report(message)) if is_report(message) else None
    )
    trigger = TrgOps(data_change=True, data_update=True)
    chosen = {
        "trg_ops": trigger,
        "intg_pd_ms": None,
        "resv_tms": None,
        "general_interrogation": False,
    }
    enable(client, block, RcbSettings(**(chosen | settings)))
    return reports


def shown_ticks(running: Running) -> list[int]:
    """The ticks that the converter shows from now on: a machine that is late leaves some out."""
    server, shown = running.site.devices.pcs["C1-PCS"], []
    publish = server.publish

    def note(tick: int, values: PcsValues) -> None:
        shown.append(tick)
        publish(tick, values)

    server.publish = note
    return shown


def report_second(report: Report) -> int:
    """The device time of the first member of a report."""
    return int(report.entries[0].value.members[2].value.timestamp())


async def test_the_model_has_the_logical_nodes_of_a_converter(running):
    client = await connect(running.ports["C1-PCS"])

    names = await asyncio.to_thread(client.get_name_list, 0, DOMAIN)
    members = await asyncio.to_thread(
        client.get_data_set_members, ObjectName("LLN0$dsMeas", DOMAIN)
    )
    client.close()

    nodes = {name.partition("$")[0] for name in names}
    assert nodes >= {"LLN0", "LPHD1", "MMXU1", "MMDC1", "ZINV1", "XCBR1", "DRCC1", "CALH1", "GGIO1"}
    assert len(members) == 13


async def test_a_set_point_is_followed_and_read_back(running):
    client = await connect(running.ports["C1-PCS"])
    converter = running.site.plant.converters[0]

    await command(client, "OutWSet", 30e3)
    await wait_for(lambda: converter.active_w == pytest.approx(30e3), "the converter to follow")
    followed = running.site.devices.tick
    await wait_for(lambda: running.site.devices.tick > followed, "the next tick")
    shown = ObjectName("DRCC1$MX$OutWSet$mxVal$f", DOMAIN)
    read = await asyncio.to_thread(client.read, shown)
    client.close()

    assert read.value == 30e3


async def test_a_set_point_beyond_the_rating_is_refused_and_changes_nothing(running):
    client = await connect(running.ports["C1-PCS"])

    with pytest.raises((ControlError, DataAccessError)):
        await command(client, "OutWSet", RATED_W * 1.01)
    client.close()

    assert running.site.plant.converters[0].active_setpoint_w == 0
    assert not running.site.devices.accepted


async def test_operate_without_select_is_refused(running):
    client = await connect(running.ports["C1-PCS"])
    name = ObjectName("DRCC1$CO$OutWSet", DOMAIN)
    without_select = 3

    with pytest.raises((ControlError, DataAccessError)):
        await asyncio.to_thread(
            operate, client, name, StructureData([FloatData(1e3)]), ctl_model=without_select
        )
    client.close()


async def test_stop_and_start_open_and_close_the_breaker(running):
    client = await connect(running.ports["C1-PCS"])
    converter = running.site.plant.converters[0]

    await command(client, "DERStop", True)
    await wait_for(lambda: converter.state is PcsState.STANDBY, "the converter to stop")
    await command(client, "DERStr", True)
    await wait_for(lambda: converter.state is PcsState.RUNNING, "the converter to start")
    client.close()


async def test_every_tick_is_one_report_of_all_members_of_that_tick(running):
    client = await connect(running.ports["C1-PCS"])
    shown = shown_ticks(running)

    reports = await asyncio.to_thread(subscribe, client, purge_buf=True)
    await wait_for(lambda: reports.qsize() >= 4, "four reports")
    client.close()

    got = [reports.get() for _ in range(4)][1:]  # the first may be of a tick before
    seconds = [report_second(report) for report in got]
    begin = shown.index(seconds[0])
    assert seconds == shown[begin : begin + 3]
    for report, second in zip(got, seconds, strict=True):
        assert len(report.entries) == 13
        assert 49.0 < value(report.entries[4].value) < 51.0
        phase = report.entries[5].value.members[2]
        assert int(phase.members[2].value.timestamp()) == second


async def test_reports_missed_during_a_break_come_after_it(running):
    client = await connect(running.ports["C1-PCS"])
    shown = shown_ticks(running)
    reports = await asyncio.to_thread(subscribe, client, purge_buf=True)
    await wait_for(lambda: not reports.empty(), "a report")
    last = reports.get()
    while not reports.empty() or report_second(last) not in shown:
        last = await asyncio.to_thread(reports.get)
    client.close()
    away = running.site.devices.tick + 3
    await wait_for(lambda: running.site.devices.tick >= away, "three ticks to pass")

    client = await connect(running.ports["C1-PCS"])
    reports = await asyncio.to_thread(subscribe, client, entry_id=last.entry_id, trg_ops=None)
    await wait_for(lambda: reports.qsize() >= 3, "the missed reports")
    client.close()

    assert report_second(reports.get()) == shown[shown.index(report_second(last)) + 1]


async def test_a_trip_shows_as_fault_alarm_and_open_breaker(tmp_path):
    trip = event(at_s=1, kind="pcs_trip", target="C1-PCS", for_s=60)
    async with running_site(tmp_path, trip) as running:
        client = await connect(running.ports["C1-PCS"])
        converter = running.site.plant.converters[0]
        await wait_for(lambda: converter.state is PcsState.FAULT, "the trip")
        published = running.site.devices.tick + 1
        await wait_for(lambda: running.site.devices.tick >= published, "the next tick")

        names = ["ZINV1$ST$GridModSt$stVal", "CALH1$ST$GrAlm$stVal", "GGIO1$ST$Alm8$stVal"]
        state, alarm, bit = [
            (await asyncio.to_thread(client.read, ObjectName(name, DOMAIN))).value for name in names
        ]
        with pytest.raises((ControlError, DataAccessError)):
            await command(client, "OutWSet", 1e3)
        client.close()

    assert (state, alarm, bit) == (PcsState.FAULT, True, True)


async def test_a_trip_between_two_ticks_is_reported_at_once_with_its_own_time(tmp_path):
    trip = event(at_s=0.0, kind="pcs_trip", target="C1-PCS", for_s=60)
    begin = tmp_path / "begin"
    async with running_site(tmp_path, trip, begins_with=begin) as running:
        client = await connect(running.ports["C1-PCS"])
        states = await asyncio.to_thread(
            subscribe, client, ObjectName("LLN0$BR$brStat", DOMAIN), purge_buf=True
        )
        await wait_for(lambda: 0.2 < time.time() % 1 < 0.4, "the middle of a second")
        begun = time.time()
        begin.touch()
        await wait_for(lambda: not states.empty(), "the report of the states")
        report = states.get()
        client.close()

    member = next(e.value for e in report.entries if len(e.value.members) == 3)
    moment = member.members[2].value.timestamp()
    assert moment == pytest.approx(begun, abs=0.5)
    assert moment % 1 > 0.01
