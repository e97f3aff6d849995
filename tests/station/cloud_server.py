"""A cloud for tests on real sockets with real mutual TLS 1.3; it can misbehave on purpose.

It keeps a ledger as the real one does and opens what it stores, so a test can count samples.
`faults` holds what goes wrong with the next requests, first one first.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import math
import ssl
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract import commands, envelope, frame, layouts
from contract.envelope import Stream
from contract.errors import UnknownLayoutError
from contract.events import from_json
from contract.orders import key_id
from station.security import Identity, load_identity
from station.security.identity import CloudTrust, StationKeys, save_identity
from tests.station.pki import TestAuthority

STATION = "test-station"


class TestCloud:
    """One listener; `async with` starts and stops it."""

    __test__ = False

    def __init__(self, folder: Path, *, port: int = 0, mutual: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = TestAuthority()
        self.private = X25519PrivateKey.generate()
        self.order_key = Ed25519PrivateKey.generate()
        self.keys = StationKeys.generate()
        self.ledger: dict[tuple[int, int], bytes] = {}
        self.epochs: dict[int, envelope.EpochKey] = {}
        self.known_layouts: set[bytes] = set()
        self.asks_for_layouts = False
        self.offered: Counter[tuple[int, int]] = Counter()
        self.duplicates = 0
        self.samples: Counter[tuple[str, str, int]] = Counter()
        self.newest: dict[tuple[str, str], frame.Frame] = {}
        self.events = []
        self.commands = []
        self.pictures = 0
        self.orders: list[bytes] = []
        self.order_news = asyncio.Event()
        self.packages: dict[str, bytes] = {}
        self.piece_bytes = 1 << 20
        self.receipts: list[dict] = []
        self.paths: list[str] = []
        self.faults: deque[str] = deque()
        self.always: str = ""
        self.enrol_answer: Callable[[dict], tuple[int, dict]] | None = None
        self.port = port
        self._mutual = mutual
        self._files = self.authority.server_files(folder)
        self._folder = folder
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def identity(self, data_dir: Path, authority: TestAuthority | None = None) -> Identity:
        """An enrolled station's identity, signed by this cloud (or by a foreign authority)."""
        signer = authority or self.authority
        csr = self.keys.signing_request(STATION)
        trust = CloudTrust(
            certificate=signer.sign_station(csr, STATION),
            authority=self.authority.pem,
            cloud_key=self.private.public_key().public_bytes_raw(),
            order_keys={
                key_id(self.order_key.public_key()): self.order_key.public_key().public_bytes_raw()
            },
        )
        save_identity(data_dir, STATION, self.keys, trust)
        return load_identity(data_dir, STATION)

    async def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(*self._files)
        if self._mutual:
            ca = self._folder / "ca.pem"
            ca.write_bytes(self.authority.pem)
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def value(self, device: str, layout: str, signal: str) -> float:
        """The newest value of a signal that has come, NaN where none is known."""
        told = self.newest.get((device, layout))
        if told is None:
            return math.nan
        start, _ = told.layout.offset(signal)
        if told.quality[-1, start] >= frame.Quality.INVALID:
            return math.nan
        column = told.layout.column(signal)
        return float(told.values[column][-1, 0]) * told.layout.signal(signal).scale

    def offer_order(self, blob: bytes) -> None:
        self.orders.append(blob)
        self.order_news.set()

    async def _serve(self, reader, writer) -> None:
        self._writers.add(writer)
        try:
            while request := await self._read(reader):
                fault = self.faults.popleft() if self.faults else self.always
                if not await self._misbehave(fault, writer):
                    continue
                status, body = await self._answer(*request)
                if fault == "answer lost":
                    writer.transport.abort()
                    return
                self._write(writer, status, body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    @staticmethod
    async def _read(reader) -> tuple[str, str, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return method, target, body

    async def _misbehave(self, fault: str, writer) -> bool:
        """Whether the request is to be answered as an honest cloud would."""
        match fault:
            case "500" | "503" | "400" | "409" | "403":
                self._write(writer, int(fault), json.dumps({"code": f"fault_{fault}"}).encode())
            case "reset":
                writer.transport.abort()
                raise ConnectionResetError
            case "garbage":
                writer.write(b"\x00\xff not http at all\r\n\r\n")
                writer.close()
                raise ConnectionResetError
            case "hang":
                await asyncio.sleep(3600)
            case "200 of another":
                self._write(writer, 200, b"<html>a captive portal</html>")
            case _:
                return True
        return False

    @staticmethod
    def _write(writer, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    async def _answer(  # noqa: PLR0911 - one line for each path
        self, method: str, target: str, body: bytes
    ) -> tuple[int, bytes]:
        path = target.split("?", maxsplit=1)[0]
        self.paths.append(path)
        match path.split("/")[1:]:
            case ["edge", "v1", "keys"]:
                key = envelope.open_key(body, self.private, self.keys.signing.public_key())
                self.epochs[key.epoch] = key
                return 204, b""
            case ["edge", "v1", "layouts", _]:
                told = layouts.register(layouts.Layout.from_json(body))
                self.known_layouts.add(told.hash8)
                return 204, b""
            case ["edge", "v1", "batches" | "events" | "commands"]:
                return self._store(body)
            case ["edge", "v1", "live"]:
                return self._picture(body)
            case ["edge", "v1", "orders"]:
                return await self._offer(target)
            case ["edge", "v1", "models", sha256]:
                return self._piece(sha256, int(target.split("offset=")[1]))
            case ["edge", "v1", "receipts"]:
                self.receipts.append(json.loads(body))
                return 204, b""
            case ["edge", "v1", "renew"]:
                csr = json.loads(body)["csr"].encode()
                return 200, json.dumps(
                    {
                        "certificate": self.authority.sign_station(csr, STATION).decode(),
                        "ca": self.authority.pem.decode(),
                    }
                ).encode()
            case ["enrol", "v1"]:
                status, answer = self.enrol_answer(json.loads(body))
                return status, json.dumps(answer).encode()
        return 404, b'{"code": "not_found"}'

    def _store(self, body: bytes) -> tuple[int, bytes]:
        header = envelope.peek(body)
        key = (header.epoch, header.sequence)
        self.offered[key] += 1
        if header.epoch not in self.epochs:
            return 428, b'{"code": "unknown_epoch"}'
        digest = hashlib.sha256(body).digest()
        if key in self.ledger:
            self.duplicates += 1
            same = self.ledger[key] == digest
            return (200, b'{"result": "duplicate"}') if same else (409, b'{"code": "conflict"}')
        plain = self.epochs[header.epoch].open(body, STATION)
        if header.stream is Stream.EVENTS:
            self.events += from_json(plain)
        elif header.stream is Stream.COMMANDS:
            self.commands += commands.from_json(plain)
        else:
            try:
                frames = frame.decode_batch(plain)
            except UnknownLayoutError:
                return 404, b'{"code": "unknown_layout"}'
            unknown = {f.layout.hash8 for f in frames} - self.known_layouts
            if self.asks_for_layouts and unknown:
                return 404, b'{"code": "unknown_layout"}'
            for f in frames:
                self.newest[f.device, f.layout.name] = f
                for ms in f.times_ms:
                    self.samples[f.device, f.layout.name, int(ms)] += 1
        self.ledger[key] = digest
        return 200, b'{"result": "stored"}'

    def _piece(self, sha256: str, offset: int) -> tuple[int, bytes]:
        blob = self.packages.get(sha256)
        if blob is None:
            return 404, b'{"code": "not_found", "reason": "no such model"}'
        return 200, blob[offset : offset + self.piece_bytes]

    def _picture(self, body: bytes) -> tuple[int, bytes]:
        header = envelope.peek(body)
        if header.epoch not in self.epochs:
            return 428, b'{"code": "unknown_epoch"}'
        with contextlib.suppress(UnknownLayoutError):  # as the cloud, until it is told
            frame.decode_batch(self.epochs[header.epoch].open(body, STATION))
        self.pictures += 1
        return 204, b""

    async def _offer(self, target: str) -> tuple[int, bytes]:
        after = int(target.split("after=")[1].split("&", maxsplit=1)[0])
        fresh = [o for o in self.orders if json.loads(o)["order"]["counter"] > after]
        if not fresh:
            self.order_news.clear()
            try:
                await asyncio.wait_for(self.order_news.wait(), 1.0)
            except TimeoutError:
                return 204, b""
            fresh = self.orders[-1:]
        return 200, json.dumps({"orders": [json.loads(o) for o in fresh]}).encode()


def trust_answer(cloud: TestCloud, request: dict) -> dict:
    """What an honest cloud answers to an enrolment."""
    public = cloud.order_key.public_key()
    return {
        "certificate": cloud.authority.sign_station(
            request["csr"].encode(), request["station"]
        ).decode(),
        "ca": cloud.authority.pem.decode(),
        "cloud_key": base64.b64encode(cloud.private.public_key().public_bytes_raw()).decode(),
        "order_keys": {key_id(public): base64.b64encode(public.public_bytes_raw()).decode()},
        "station": request["station"],
    }
