"""The host with a real estimator process that is killed, stopped and given wrong models."""

import asyncio
import contextlib
import os
import signal

import pytest

from station.estimation import EstimatorHost, HostPorts
from station.processes import HostTiming
from tests.station.estimation.groups import group, moment, setup_of
from tests.station.estimation.plant_site import BUNDLE
from tests.waiting import wait_for

PATIENCE = HostTiming(start=60.0, pause_min=0.05, pause_max=0.5, close=20.0)
NOW_MS = 1_700_000_000_000
_SOON_S = 60


class Heard:
    def __init__(self) -> None:
        self.answers, self.began, self.lost = [], [], []
        self.ports = HostPorts(self.answers.append, self.began.append, self.lost.append)


@contextlib.asynccontextmanager
async def hosting(setup, silence_s: float = 5.0):
    heard = Heard()
    host = EstimatorHost(setup, heard.ports, silence_s=silence_s, timing=PATIENCE)
    host.start()
    seconds = asyncio.create_task(moments(host, setup))
    try:
        yield host, heard
    finally:
        seconds.cancel()
        await host.close()


async def moments(host, setup) -> None:
    at_ms = NOW_MS
    while True:
        if host.take(moment(setup, at_ms)):
            at_ms += 1000
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_dies_or_hangs_is_replaced_and_resumes(tmp_path, blow):
    setup = setup_of(tmp_path, state_period_s=1.0)
    async with hosting(setup, silence_s=2.0) as (host, heard):
        kept = tmp_path / "estimators" / "state.bin"
        await wait_for(kept.exists, "the kept state", _SOON_S)
        os.kill(host.pid, blow)
        await wait_for(lambda: heard.lost, "the loss", _SOON_S)
        before = len(heard.answers)
        await wait_for(lambda: len(heard.answers) > before, "answers again", _SOON_S)

        assert [began.how for began in heard.began] == ["cold", "resumed"]
        assert host.restarts == 1
        times = [answer.at_ms for answer in heard.answers]
        assert times == sorted(set(times))


async def test_models_run_as_arranged_and_do_so_again_after_a_loss(tmp_path):
    async with hosting(setup_of(tmp_path)) as (host, heard):
        await wait_for(lambda: heard.answers, "an answer", _SOON_S)
        host.shadow(BUNDLE)
        await wait_for(lambda: host.report and host.report.second, "two models", _SOON_S)
        os.kill(host.pid, signal.SIGKILL)
        await wait_for(lambda: host.report is None, "the loss", _SOON_S)
        await wait_for(lambda: host.report and host.report.second, "two models again", _SOON_S)
        host.drop_shadow()
        await wait_for(lambda: host.report and not host.report.second, "one model", _SOON_S)

        assert host.report.shadow_error == ""
        assert host.report.memory_bytes > 1_000_000


async def test_a_second_model_with_which_the_process_is_lost_again_and_again_is_given_up(tmp_path):
    async with hosting(setup_of(tmp_path)) as (host, heard):
        await wait_for(lambda: heard.answers, "an answer", _SOON_S)
        host.shadow(BUNDLE)
        for losses in (1, 2):
            await wait_for(lambda: host.pid, "a process", _SOON_S)
            os.kill(host.pid, signal.SIGKILL)
            await wait_for(lambda n=losses: len(heard.lost) >= n, "the loss", _SOON_S)
        await wait_for(lambda: host.report, "answers again", _SOON_S)

        assert host.report.second is None
        assert "lost" in host.report.shadow_error


async def test_a_bundle_that_is_missing_is_told_with_its_folder(tmp_path):
    setup = setup_of(tmp_path, group(bundle=str(tmp_path / "none")))
    async with hosting(setup) as (_, heard):
        await wait_for(lambda: heard.lost, "the refusal", _SOON_S)

    assert str(tmp_path / "none") in heard.lost[0]
