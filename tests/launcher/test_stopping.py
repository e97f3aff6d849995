import os
import signal
from collections.abc import Iterator

import pytest

from launcher.stopping import StoppedError, StopSignal


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield StopSignal()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_nothing_stops_until_it_is_asked_for(stop):
    stop.check()

    assert not stop.set


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_said_at_once_and_ends_the_waiting(stop, number, capfd):
    os.kill(os.getpid(), number)

    assert "Stopping …" in capfd.readouterr().out
    with pytest.raises(StoppedError):
        stop.check()


def test_impatience_does_not_break_the_stop(stop, capfd):
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGINT)

    assert capfd.readouterr().out.count("Still stopping") == 2
