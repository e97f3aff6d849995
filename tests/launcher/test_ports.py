import socket

import pytest

from launcher.demo_config import Ports
from launcher.ports import free_block


def test_a_block_of_ports_is_free_from_its_first_to_its_last():
    base = free_block(20)

    for port in range(base, base + 20):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_block_that_somebody_uses_a_part_of_is_left_alone(monkeypatch):
    first = free_block(6)
    with socket.socket() as used:
        used.bind(("127.0.0.1", first + 2))
        offered = iter([first, first + 3])
        monkeypatch.setattr("launcher.ports.random.randrange", lambda *_: next(offered))

        assert free_block(3) == first + 3


def test_fixed_ports_of_a_run_do_not_meet():
    ports = Ports.fixed()
    single = [ports.web, ports.edge, ports.enrol, ports.centre]

    assert len(set(single)) == 4
    assert max(single) < ports.plant


@pytest.mark.parametrize("port", ["web", "edge", "enrol", "centre", "plant"])
def test_ports_that_nobody_fixed_are_given_out_by_the_system(port):
    assert getattr(Ports(), port) == 0
