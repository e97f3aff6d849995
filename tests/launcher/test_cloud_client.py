import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from launcher.cloud_client import CloudClient
from launcher.errors import CloudAnswerError


class _Cloud(BaseHTTPRequestHandler):
    """Signs in whoever says "open sesame"; its sessions can be ended."""

    sessions = 0
    alive = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = body.get("password") == "open sesame"
        type(self).alive = good
        type(self).sessions += good
        self._answer(200 if good else 401, {"csrf_token": f"token-{self.sessions}"})

    def do_GET(self) -> None:
        self._answer(200 if self.alive else 401, {"models": [self.headers["X-CSRF-Token"]]})

    def _answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cloud():
    server = HTTPServer(("127.0.0.1", 0), _Cloud)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_session_that_has_ended_is_opened_again(cloud: str):
    with CloudClient(cloud) as client:
        client.sign_in("admin", "open sesame")
        _Cloud.alive = False

        assert client.models() == [f"token-{_Cloud.sessions}"]


def test_a_wrong_password_is_told_and_not_tried_again(cloud: str):
    with CloudClient(cloud) as client, pytest.raises(CloudAnswerError, match="401"):
        client.sign_in("admin", "wrong")
