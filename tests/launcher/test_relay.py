import socket
import threading

import pytest

from launcher.relay import Relay


@pytest.fixture
def echo_port():
    """A server on loopback that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def _echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(1024):
            connection.sendall(data)


def test_bytes_pass_both_ways_while_the_cable_is_plugged(echo_port):
    relay = Relay(echo_port)
    port = relay.start()

    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"frame")
        answer = client.recv(16)
    relay.stop()

    assert answer == b"frame"


def test_a_pulled_cable_is_silence_and_what_was_sent_arrives_when_it_is_back(echo_port):
    relay = Relay(echo_port)
    port = relay.start()

    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"one")
        first = client.recv(16)
        relay.pull()
        client.sendall(b"two")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(16)
        relay.plug()
        client.settimeout(10)
        second = client.recv(16)
    relay.stop()

    assert first == b"one"
    assert second == b"two"
