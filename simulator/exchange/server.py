"""The exchange's REST door.

Every request brings `Authorization: Bearer TOKEN`. A submission is
`POST /v1/submissions/MARKET` with `Idempotency-Key` and, if it replaces another, `Amends`.
"""

import hmac
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from urllib.parse import unquote, urlsplit

from simulator.exchange.answers import Answer, as_json
from simulator.exchange.desk import Desk
from simulator.exchange.mischief import Mischief

_MOST_BYTES = 16_000_000
_LATE_S = 5.0
"""How long a late answer is held back: longer than a client with any sense waits."""


class Door(ThreadingHTTPServer):
    """Listens on loopback; `port` 0 takes any free one."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, desk: Desk, host: str, port: int, token: str) -> None:
        self.desk, self.token, self.closing = desk, token, Event()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Request)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def stop(self) -> None:
        """Stop listening and let late answers go."""
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
        """Say nothing; the exchange has its own log."""

    def do_GET(self) -> None:
        desk = self.server.desk
        match self._path():
            case ["v1", "health"]:
                self._send(as_json(200, {"status": "open"}))
            case _ if not self._known():
                pass
            case ["v1", "log"]:
                self._send(desk.log())
            case ["v1", "submissions", name]:
                self._send(desk.state(name))
            case ["v1", "submissions", name, "clearing"]:
                self._send(desk.clearing(name))
            case ["v1", "statements", market, station, day]:
                self._send(desk.statement(market, station, day))
            case ["v1", "prices", market, product, day]:
                self._send(desk.prices(market, product, day))
            case _:
                self._send(as_json(404, {"error": "no such place"}))

    def do_PUT(self) -> None:
        body = self._body()
        if body is None or not self._known():
            return
        match self._path():
            case ["v1", "meter", market, station]:
                self._send(self.server.desk.meter(market, station, body))
            case _:
                self._send(as_json(404, {"error": "no such place"}))

    def do_POST(self) -> None:
        body = self._body()
        if body is None or not self._known():
            return
        desk = self.server.desk
        match self._path():
            case ["v1", "submissions", market]:
                self._submit(market, body)
            case ["v1", "submissions", name, "withdraw"]:
                self._send(desk.withdraw(name))
            case ["v1", "misbehave"]:
                self._send(desk.misbehave(body))
            case ["v1", "clock"]:
                self._send(desk.set_clock(body))
            case _:
                self._send(as_json(404, {"error": "no such place"}))

    def _submit(self, market: str, body: bytes) -> None:
        desk, key = self.server.desk, self.headers.get("Idempotency-Key", "")
        mischief = desk.plan.take()
        if mischief is Mischief.DISCONNECT_BEFORE:
            desk.note(key, "hung up before")
            self._hang_up()
            return
        if mischief is Mischief.BUSY:
            desk.note(key, "busy")
            self._send(as_json(503, {"error": "come back later"}))
            return
        answer, _ = desk.submit(market, key, body, self.headers.get("Amends", ""), mischief)
        if mischief is Mischief.DISCONNECT_AFTER:
            self._hang_up()
            return
        if mischief is Mischief.LATE:
            self.server.closing.wait(_LATE_S)
        self._send(answer)

    def _path(self) -> list[str]:
        return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

    def _known(self) -> bool:
        given = self.headers.get("Authorization", "")
        if hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
            return True
        self._send(as_json(401, {"error": "bring the token of the token file"}))
        return False

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            self.close_connection = True
            self._send(as_json(413, {"error": f"say a Content-Length up to {_MOST_BYTES}"}))
            return None
        return self.rfile.read(int(length))

    def _send(self, answer: Answer) -> None:
        try:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
