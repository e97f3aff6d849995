"""The stand-in devices of the acquisition benchmark answer as devices do."""

import time

import pytest

from bench._acquisition_server import serving
from station.protocols.errors import DeviceUnreachable
from station.protocols.modbus.client import Connection
from station.protocols.modbus.profile import Space


async def test_a_device_of_the_benchmark_tells_the_second_and_can_be_silenced():
    with serving(2, [(2, 3300)]) as servers:
        connection = Connection("127.0.0.1", servers.ports[1], in_flight=2)
        await connection.connect(5.0)
        high, low, value = await connection.read(1, Space.INPUT, 0, 3, 5.0)
        servers.silence(servers.ports[1], 1)
        with pytest.raises(DeviceUnreachable):
            await connection.read(1, Space.INPUT, 0, 3, 0.1)
        other = await connection.read(2, Space.INPUT, 2, 1, 5.0)
        servers.wake(servers.ports[1], 1)
        again = await connection.read(1, Space.INPUT, 2, 1, 5.0)
        connection.close()

    assert abs(int(high) * 65536 + int(low) - time.time()) < 60
    assert [int(value), int(other[0]), int(again[0])] == [3300] * 3
