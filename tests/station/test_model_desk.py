"""A model comes over a real link, is tried beside the one in force, and stays or goes by itself."""

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from contract import orders
from contract.model_order import ModelAction, ModelOrder
from contract.orders import OrderKind, Outcome
from station.clock import now_ms
from station.control.cycle import ControlState
from station.estimation import ModelReport, Report
from station.journal import Journal
from station.maintenance import ModelStore, Rules, Stage
from station.model_desk import ModelDesk, ModelPorts
from station.office import Office
from station.protection import load_rules
from station.uplink.orders import OrderOffice, OrderReceiver
from station.uplink.worker import BlockingWorker
from tests.station.cloud_server import STATION
from tests.station.maintenance import bundles
from tests.station.uplink.conftest import *  # noqa: F403 - the fixtures cloud and uplink
from tests.station.uplink.test_orders import SITE, SelfTests, order
from tests.waiting import wait_for

BLOB = bundles.package(2, weights=bytes(range(256)) * 40)
ASKED = bundles.order_of(BLOB, 2)


@dataclass
class Estimators:
    """Runs models as the estimator process does; `broken` ones cannot be loaded."""

    active: str
    second: str | None = None
    broken: set[str] = field(default_factory=set)
    ratios: dict[str, float] = field(default_factory=dict)
    error: str = ""
    asked: list[str] = field(default_factory=list)

    def shadow(self, folder) -> None:
        self.asked.append("shadow")
        self.error = ""
        if str(folder) in self.broken:
            self.error = "cell.toml: no such key"
        else:
            self.second = str(folder)

    def promote(self) -> None:
        self.asked.append("promote")
        self.active, self.second = self.second, self.active

    def drop_shadow(self) -> None:
        self.asked.append("drop_shadow")
        self.second = None

    def report(self) -> Report:
        second = None if self.second is None else self._figures(self.second)
        return Report(self._figures(self.active), second, 200 << 20, 0.1, self.error)

    def _figures(self, folder: str) -> ModelReport:
        return ModelReport(folder, "lfp-280ah", 1, self.ratios.get(folder, 1.0), math.nan, 0.01)


class Station:
    """The parts of a station process that have to do with models."""

    def __init__(self, uplink, cloud, folder) -> None:
        self.folder = folder
        self.journal = Journal(folder / "journal")
        self.store = ModelStore(folder / "models", folder / "shipped", 1 << 20)
        self.work = BlockingWorker("models")
        self.told: list[str] = []
        ports = ModelPorts(
            tell=lambda told: self.told.append(told.code), settle=self._settle, done=self._done
        )
        memory = self.journal.recall()
        self.desk = ModelDesk(
            self.store, uplink.link, self.work, rules=Rules(probation_s=100), ports=ports
        )
        self.desk.arrivals.add(*memory.models)
        self.estimators = Estimators(*(p and str(p) for p in self.desk.folders))
        self.desk.serve(self.estimators)
        self.office = Office(SITE, ControlState(), load_rules(), SelfTests(), now_ms)
        self.office.models = self.desk
        self.receiver = OrderReceiver(
            uplink.link,
            self.journal,
            uplink.work,
            station=STATION,
            keys={orders.key_id(cloud.order_key.public_key()): cloud.order_key.public_key()},
            sign=cloud.keys.signing,
            office=OrderOffice(
                self.office.judge, self.office.carry_out, lambda *_: None, lambda _: None
            ),
            last_counter=memory.last_counter,
            longest_pause_s=0.3,
        )

    async def _settle(self, settled) -> None:
        await self.receiver.report(
            settled.order_id, settled.outcome, settled.reason_code, settled.words
        )

    async def _done(self, order_id: str) -> None:
        self.journal.model_done(order_id)

    def seconds(self, count: int) -> None:
        """Let so many seconds of estimates come in."""
        for _ in range(count):
            self.desk.on_report(self.estimators.report())

    def running(self) -> tuple[str, str | None]:
        return self.estimators.active, self.estimators.second

    def path(self, package: str = ASKED.package) -> str:
        return str(self.folder / "models" / package)


@pytest.fixture
def station(uplink, cloud, tmp_path) -> Station:
    bundles.shipped(tmp_path / "shipped")
    cloud.packages[ASKED.package] = BLOB
    return Station(uplink, cloud, tmp_path)


@asynccontextmanager
async def working(station, uplink):
    await uplink.link.request("GET", "/edge/v1/nothing")
    tasks = [asyncio.create_task(station.receiver.run()), asyncio.create_task(station.desk.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def send(station, cloud, asked: ModelOrder, counter: int = 1):
    made = order(counter, OrderKind.MODEL, payload=asked.to_payload())
    cloud.offer_order(orders.sign(made, cloud.order_key))
    return made


def outcomes(cloud, asked) -> list[tuple[str, str]]:
    found = [r["receipt"] for r in cloud.receipts]
    return [(r["outcome"], r["reason_code"]) for r in found if r["order_id"] == asked.id]


async def answered(cloud, asked, outcome: Outcome) -> str:
    """The reason code with which an order ended so."""
    await wait_for(
        lambda: any(found == outcome.value for found, _ in outcomes(cloud, asked)),
        f"a receipt {outcome.value}",
    )
    return dict(outcomes(cloud, asked))[outcome.value]


async def in_shadow(station, cloud, asked=ASKED, counter=1):
    sent = send(station, cloud, asked, counter)
    await wait_for(lambda: station.desk.life.stage is not Stage.NONE, "the model on trial")
    station.seconds(2)
    return sent


async def test_a_model_is_fetched_in_pieces_tried_and_put_in_force(station, uplink, cloud):
    cloud.piece_bytes = 3000
    shipped = str(station.folder / "shipped")
    async with working(station, uplink):
        sent = await in_shadow(station, cloud)
        assert station.running() == (shipped, station.path())
        assert station.desk.signals["shadow_version"] == 2.0

        station.seconds(70)
        assert station.running() == (station.path(), shipped)
        assert await answered(cloud, sent, Outcome.EXECUTED) == "ok"

        station.seconds(120)
        assert station.running() == (station.path(), None)
        assert station.told == ["model.shadow", "model.promoted", "model.confirmed"]
        assert station.desk.signals["model_version"] == 2.0
    assert cloud.paths.count(f"/edge/v1/models/{ASKED.package}") > 3


async def test_a_bad_model_put_in_force_at_once_rolls_back_by_itself(station, uplink, cloud):
    station.estimators.ratios[station.path()] = 5.0
    shipped = str(station.folder / "shipped")
    async with working(station, uplink):
        sent = await in_shadow(station, cloud, replace(ASKED, shadow_s=0))
        assert station.running() == (station.path(), shipped)

        station.seconds(40)

        assert station.running() == (shipped, None)
        assert await answered(cloud, sent, Outcome.FAILED) == "model_worse"
    assert station.told == ["model.promoted", "model.rolled_back"]
    assert station.desk.signals["model_state"] == 3.0


async def test_a_model_that_cannot_be_loaded_is_given_up_and_a_later_one_is_tried(
    station, uplink, cloud
):
    station.estimators.broken.add(station.path())
    other = bundles.package(3)
    cloud.packages[bundles.order_of(other, 3).package] = other
    async with working(station, uplink):
        sent = await in_shadow(station, cloud)
        station.seconds(5)
        assert await answered(cloud, sent, Outcome.FAILED) == "model_failed"

        send(station, cloud, bundles.order_of(other, 3), 2)
        await wait_for(lambda: station.desk.life.stage is Stage.SHADOW, "the later model on trial")
        station.seconds(5)

    assert station.running()[1] == station.path(bundles.order_of(other, 3).package)


@pytest.mark.parametrize("fault", ["not there", "altered", "longer"])
async def test_a_package_that_is_not_the_ordered_one_never_runs(station, uplink, cloud, fault):
    match fault:
        case "not there":
            cloud.packages.clear()
        case "altered":
            cloud.packages[ASKED.package] = BLOB[:-1] + b"x"
        case _:
            cloud.packages[ASKED.package] = BLOB + b"x"
    async with working(station, uplink):
        sent = send(station, cloud, ASKED)
        code = await answered(cloud, sent, Outcome.FAILED)
        await wait_for(lambda: station.desk.arrivals.on_its_way is None, "the order forgotten")

    assert code == ("model_not_fetched" if fault == "not there" else "model_invalid")
    assert station.desk.life.stage is Stage.NONE
    assert station.journal.recall().models == ()


async def test_a_restart_in_the_middle_of_a_fetch_goes_on_from_the_byte_that_is_here(
    station, uplink, cloud, tmp_path
):
    station.store.add(ASKED.package, BLOB[:5000])
    cloud.packages.clear()
    cloud.faults.append("503")
    async with working(station, uplink):
        cloud.always = "hang"
        sent = order(1, OrderKind.MODEL, payload=ASKED.to_payload())
        await station.receiver.handle(orders.sign(sent, cloud.order_key))
    assert [m.order_id for m in station.journal.recall().models] == [sent.id]
    cloud.always = ""
    cloud.packages[ASKED.package] = BLOB

    again = Station(uplink, cloud, tmp_path)
    async with working(again, uplink):
        await wait_for(lambda: again.desk.life.stage is Stage.SHADOW, "the model on trial")

    assert again.store.has(ASKED.package)


async def test_a_restart_in_the_middle_of_a_trial_goes_on_with_it(station, uplink, cloud, tmp_path):
    async with working(station, uplink):
        await in_shadow(station, cloud)
        station.seconds(61)
        await wait_for(
            lambda: station.store.recall().stage is Stage.PROMOTED, "the life on the disk"
        )

    again = Station(uplink, cloud, tmp_path)

    assert again.running() == (again.path(), str(tmp_path / "shipped"))
    assert again.desk.life.order_id


async def test_orders_that_do_not_fit_are_refused_by_receipt(station, uplink, cloud):
    async with working(station, uplink):
        unknown = send(station, cloud, replace(ASKED, action=ModelAction.PROMOTE), 1)
        assert await answered(cloud, unknown, Outcome.REFUSED) == "model_unknown"

        await in_shadow(station, cloud, counter=2)
        busy = send(station, cloud, bundles.order_of(bundles.package(3), 3), 3)
        assert await answered(cloud, busy, Outcome.REFUSED) == "model_busy"


async def test_people_promote_and_take_back_by_order(station, uplink, cloud):
    shipped = str(station.folder / "shipped")
    async with working(station, uplink):
        await in_shadow(station, cloud)
        put = send(station, cloud, replace(ASKED, action=ModelAction.PROMOTE), 2)
        assert await answered(cloud, put, Outcome.EXECUTED) == "ok"
        station.seconds(3)
        assert station.running() == (station.path(), shipped)

        back = send(station, cloud, replace(ASKED, action=ModelAction.ROLLBACK), 3)
        assert await answered(cloud, back, Outcome.EXECUTED) == "ok"
        station.seconds(3)
        assert station.running() == (shipped, None)


async def test_a_model_on_its_way_can_be_given_up(station, uplink, cloud):
    async with working(station, uplink):
        cloud.packages.clear()
        deploy = order(1, OrderKind.MODEL, payload=ASKED.to_payload())
        cloud.always = "hang"
        await station.receiver.handle(orders.sign(deploy, cloud.order_key))
        await wait_for(lambda: station.desk.arrivals.on_its_way is not None, "the fetch")
        back = replace(ASKED, action=ModelAction.ROLLBACK)
        made = order(2, OrderKind.MODEL, payload=back.to_payload())
        await station.receiver.handle(orders.sign(made, cloud.order_key))
        await wait_for(lambda: station.desk.arrivals.on_its_way is None, "the end of the fetch")
        cloud.always = ""

    assert station.desk.life.stage is Stage.NONE
    assert station.journal.recall().models == ()


async def test_a_message_that_was_lost_is_sent_again(station, uplink, cloud):
    async with working(station, uplink):
        sent = send(station, cloud, ASKED)
        await answered(cloud, sent, Outcome.ACCEPTED)
        await wait_for(lambda: station.desk.life.stage is Stage.SHADOW, "the model on trial")
        station.seconds(1)
        station.estimators.second = None  # the process was replaced before it had heard of it

        station.seconds(30)

    assert station.estimators.asked.count("shadow") == 2


async def test_a_model_in_force_with_which_the_process_is_lost_goes_back_without_any_report(
    station, uplink, cloud
):
    shipped = str(station.folder / "shipped")
    async with working(station, uplink):
        sent = await in_shadow(station, cloud, replace(ASKED, shadow_s=0))
        assert station.running() == (station.path(), shipped)

        station.desk.on_lost("killed")
        station.estimators.second = None  # the host starts it without the other one
        station.desk.on_lost("killed")

        assert station.running() == (shipped, None)
        assert await answered(cloud, sent, Outcome.FAILED) == "model_failed"
    station.seconds(3)
    assert station.desk.life.stage is Stage.ROLLED_BACK


async def test_a_shadow_with_which_the_process_is_lost_is_not_tried_again(station, uplink, cloud):
    async with working(station, uplink):
        sent = await in_shadow(station, cloud)
        station.seconds(3)
        station.estimators.second = None
        station.estimators.error = "the estimator process was lost with it: killed"

        station.seconds(5)

        assert await answered(cloud, sent, Outcome.FAILED) == "model_failed"
    assert station.estimators.asked.count("shadow") == 1


async def test_one_loss_of_the_process_condemns_no_model(station, uplink, cloud):
    async with working(station, uplink):
        await in_shadow(station, cloud, replace(ASKED, shadow_s=0))
        for _ in range(3):
            station.desk.on_lost("killed by an operator")
            station.seconds(2)

    assert station.desk.life.stage is Stage.PROMOTED


def test_a_station_without_estimators_refuses_models():
    office = Office(SITE, ControlState(), load_rules(), SelfTests(), now_ms)

    judged = office.judge(order(1, OrderKind.MODEL, payload=ASKED.to_payload()))

    assert (judged.outcome, judged.reason_code) == (Outcome.REFUSED, "no_estimators")


def test_a_model_order_that_is_none_is_refused():
    office = Office(SITE, ControlState(), load_rules(), SelfTests(), now_ms)

    judged = office.judge(order(1, OrderKind.MODEL, payload={"action": "install"}))

    assert judged.reason_code == "invalid_payload"
