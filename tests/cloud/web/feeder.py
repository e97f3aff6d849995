"""A station without devices: enrolled, sealing and signing for real, its telemetry made by `Plant`.

It hands its messages to the same gate, ledger and live lane that the edge listener uses; only the
TLS connection between them is left out.
"""

import asyncio
import base64
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.x509.oid import NameOID
from psycopg_pool import PoolTimeout

from cloud import fleet
from cloud.access import enrolment
from cloud.access.enrolment import EnrolmentRequest
from cloud.access.pki import PeerIdentity
from cloud.app import Worker
from cloud.fleet.delivery import keep_receipt, wait_for_orders
from cloud.live import intake
from contract import events, orders
from contract.canonical import canonical_json
from contract.commands import CommandRecord, to_json
from contract.envelope import Sealer, Stream
from contract.events import Event
from contract.frame import encode_batch
from contract.orders import Order, Outcome, Receipt
from tests.cloud.web.plant import Plant

_BATCH_SAMPLES = 300


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Feeder:
    """One enrolled station."""

    worker: Worker
    station: str
    plant: Plant
    key: Ed25519PrivateKey
    peer: PeerIdentity
    sealer: Sealer
    sequence: int = 0
    refuse: str | None = None
    saying: str = ""
    paused: bool = False

    @classmethod
    async def enrol(cls, worker: Worker, facts: fleet.StationFacts, plant: Plant) -> "Feeder":
        """Make the station in the cloud and enrol it with its one-time token."""
        pool, station = worker.services.pool, facts.id
        made = await fleet.create(pool, facts, "test")
        key = Ed25519PrivateKey.generate()
        fields = {
            "token": made.enrolment_token,
            "station": station,
            "csr": _csr(station),
            "signing_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        }
        proof = base64.b64encode(key.sign(canonical_json(fields))).decode()
        request = EnrolmentRequest(**fields, proof=proof)
        issued = await enrolment.enrol(pool, worker.edge.authority, request)
        cloud_key = X25519PublicKey.from_public_bytes(worker.services.keys.telemetry_public)
        sealer = Sealer(station, cloud_key, key, epoch=int(time.time()))
        announcement = sealer.announcement
        blob = announcement if isinstance(announcement, bytes) else announcement.to_bytes()
        await worker.edge.epochs.announce(station, blob)
        return cls(worker, station, plant, key, issued.identity, sealer)

    async def history(self, from_ms: int, to_ms: int, step_ms: int = 1000) -> None:
        """Deliver telemetry of [from_ms, to_ms)."""
        for start in range(from_ms, to_ms, _BATCH_SAMPLES * step_ms):
            n = min(_BATCH_SAMPLES, -(-(to_ms - start) // step_ms))
            await self._deliver(encode_batch(self.plant.frames(start, n, step_ms)))

    async def second(self, at_ms: int) -> None:
        """Deliver one second of telemetry and the live image of it."""
        blob = encode_batch(self.plant.frames(at_ms))
        await self._deliver(blob)
        self.sequence += 1
        body = self.sealer.seal(self.sequence, Stream.LIVE, blob)
        header, newest = await self.worker.edge.gate.live(self.peer, body)
        await intake.keep(self.worker.edge.pool, header, newest, body)

    async def raise_event(
        self, device: str, code: str, *, active: bool, detail: str = "", at_ms: int | None = None
    ) -> None:
        """Deliver one event of the catalogue, of now or of a past time."""
        at_ms = now_ms() if at_ms is None else at_ms
        kind = events.EVENT_CODES[code]
        en, zh = kind.words
        event = Event(
            *(str(uuid.uuid4()), self.station, device, code, int(kind.severity), active, at_ms),
            *((en + detail).strip(), (zh + detail).strip()),
        )
        await self.event(event)

    async def event(self, event: Event) -> None:
        """Deliver an event as it is."""
        self.sequence += 1
        body = self.sealer.seal(self.sequence, Stream.EVENTS, events.to_json([event]))
        offer = await self.worker.edge.gate.events(self.peer, body)
        await self.worker.edge.commit.offer(offer)

    async def command(self, *records: CommandRecord) -> None:
        """Deliver records of commands in one message."""
        self.sequence += 1
        body = self.sealer.seal(self.sequence, Stream.COMMANDS, to_json(records))
        offer = await self.worker.edge.gate.commands(self.peer, body)
        await self.worker.edge.commit.offer(offer)

    async def run(self) -> None:
        """Deliver every second and answer orders, until cancelled.

        A cloud that is too busy for one request is asked again, as a station does.
        """
        await asyncio.gather(self._feed(), self._answer_orders())

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Deliver no seconds meanwhile."""
        self.paused = True
        try:
            yield
        finally:
            self.paused = False

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            if not self.paused:
                with suppress(PoolTimeout):
                    await self.second(now_ms() // 1000 * 1000)

    async def _answer_orders(self) -> None:
        counter = 0
        keys = self.worker.services.keys
        public = Ed25519PublicKey.from_public_bytes(keys.order_public)
        edge = self.worker.edge
        while True:
            with suppress(PoolTimeout):
                found = await wait_for_orders(
                    edge.pool, edge.vault, edge.news, self.station, counter=counter, wait_s=5.0
                )
                for blob in found:
                    order = orders.verify(
                        blob, {keys.order_key_id: public}, self.station, counter, now_ms()
                    )
                    await keep_receipt(edge.pool, edge.vault, self.station, self._receipt(order))
                    counter = order.counter

    def _receipt(self, order: Order) -> bytes:
        refused = self.refuse is not None
        receipt = Receipt(
            order_id=order.id,
            order_sha256=order.sha256,
            station=self.station,
            counter=order.counter,
            outcome=Outcome.REFUSED if refused else Outcome.ACCEPTED,
            reason_code=self.refuse or "ok",
            reason=self.saying or self.refuse or "accepted",
            at_ms=now_ms(),
        )
        return orders.sign_receipt(receipt, self.key)

    async def _deliver(self, blob: bytes) -> None:
        self.sequence += 1
        body = self.sealer.seal(self.sequence, Stream.TELEMETRY, blob)
        offer = await self.worker.edge.gate.telemetry(self.peer, body)
        await self.worker.edge.commit.offer(offer)
        self.worker.edge.gate.stored(offer)


def _csr(station: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, station)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return pem.decode()
