"""The MQTT driver: all small sensors of a station, grouped by broker.

It listens to the topics of its sensors and hands each one's picture over when it speaks, and every
period while what it has told still counts. A sensor that has said nothing that still counts is
unreachable; so are all of a broker that is.
"""

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import aiomqtt

from station.clock import now_ms
from station.processes import end
from station.protocols.driver import (
    CommandOutcome,
    DeviceCommand,
    DeviceSpec,
    Driver,
    Publish,
    Refused,
)
from station.protocols.health import Health
from station.protocols.mqtt import access as accesses
from station.protocols.mqtt import profile as profiles
from station.protocols.mqtt.access import Access
from station.protocols.mqtt.sensor import Sensor

log = logging.getLogger(__name__)

_TICK_S = 0.5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_KEEP_ALIVE_S = 10
_TIMEOUT_S = 5.0
_RESTART_S = 1.0
_QOS = 1
"""At least once: one that comes again after a newer one changes nothing if it bears its time."""


class Broker:
    """One broker with the sensors behind it."""

    def __init__(
        self, host: str, port: int, access: Access, sensors: Sequence[Sensor], first_wait_s: float
    ) -> None:
        """Prepare, without connecting.

        Args:
            host: where it is.
            port: its TCP port.
            access: how it is entered.
            sensors: who speaks through it.
            first_wait_s: so long a sensor may be silent after the start.
        """
        self.host, self.port = host, port
        self._access = access
        self._sensors = [(sensor, Health(sensor.spec.device)) for sensor in sensors]
        self._by_topic: dict[str, list[tuple[Sensor, Health]]] = defaultdict(list)
        for sensor, health in self._sensors:
            for topic in sensor.topics:
                self._by_topic[topic].append((sensor, health))
        self._handed_ms = dict.fromkeys((sensor.spec.device for sensor in sensors), 0)
        self._first_wait_ms = first_wait_s * 1000
        self._connected_ms = 0
        self._failures = 0
        self._jitter = random.Random()  # noqa: S311 - spreads load, guards nothing

    async def run(self, publish: Publish) -> None:
        """Listen until cancelled, connecting again by itself."""
        while True:
            try:
                await self._listen(publish)
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                self.lose(str(error) or type(error).__name__, publish)
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._failures, 5))
            await asyncio.sleep(self._jitter.uniform(pause_s / 2, pause_s))

    async def _listen(self, publish: Publish) -> None:
        client = aiomqtt.Client(
            self.host,
            self.port,
            username=self._access.user,
            password=self._access.password,
            tls_context=self._access.tls,
            keepalive=_KEEP_ALIVE_S,
            timeout=_TIMEOUT_S,
            clean_session=True,
            logger=logging.getLogger("aiomqtt"),
        )
        async with client:
            await client.subscribe([(topic, _QOS) for topic in sorted(self._by_topic)])
            if self._failures:
                log.info("broker=%s:%d event=back", self.host, self.port)
            self._failures = 0
            self._connected_ms = now_ms()
            tasks = {
                asyncio.create_task(self._take(client, publish)),
                asyncio.create_task(self._watch(publish)),
            }
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end(tasks)
            for task in ended:
                task.result()

    async def _take(self, client: aiomqtt.Client, publish: Publish) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes):
                self._hear(str(message.topic), payload, publish, retained=message.retain)

    def _hear(self, topic: str, payload: bytes, publish: Publish, *, retained: bool) -> None:
        at_ms = now_ms()
        for sensor, health in self._by_topic.get(topic, ()):
            if sensor.hear(topic, payload, at_ms, retained=retained):
                self._hand_over(sensor, at_ms, publish)
                health.answered(publish)
            elif sensor.offline:
                health.failed("it is told to be offline", publish, at_once=True)

    async def _watch(self, publish: Publish) -> None:
        """Hand pictures over every period, and tell who has fallen silent."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.tick(now_ms(), publish)

    def tick(self, at_ms: int, publish: Publish) -> None:
        """Do what is due at a moment, epoch ms."""
        for sensor, health in self._sensors:
            period_ms = sensor.profile.period_s * 1000
            if sensor.lives(at_ms):
                if at_ms - self._handed_ms[sensor.spec.device] >= period_ms:
                    self._hand_over(sensor, at_ms, publish)
            elif health.connected:
                reason = f"it has told nothing that still counts ({sensor.profile.title})"
                health.failed(reason, publish, at_once=True)
            elif health.connected is None and self._waited(at_ms):
                health.failed("it has told nothing yet", publish, at_once=True)

    def _waited(self, at_ms: int) -> bool:
        return at_ms - self._connected_ms > self._first_wait_ms

    def _hand_over(self, sensor: Sensor, at_ms: int, publish: Publish) -> None:
        self._handed_ms[sensor.spec.device] = at_ms
        publish(sensor.reading(at_ms))

    def lose(self, reason: str, publish: Publish) -> None:
        """Tell that all its sensors are out of reach."""
        self._failures += 1
        if self._failures == 1:
            log.warning("broker=%s:%d event=unreachable reason=%r", self.host, self.port, reason)
        for _, health in self._sensors:
            health.failed(f"the broker is out of reach: {reason}", publish, at_once=True)


class MqttDriver(Driver):
    """Listens to all sensors of a station."""

    def __init__(self, devices: Sequence[DeviceSpec], resume: Mapping[str, str]) -> None:
        """Load every profile; a broker buffers nothing for us, so there is nothing to resume."""
        del resume
        by_broker: dict[tuple[str, int, str], list[Sensor]] = defaultdict(list)
        for spec in devices:
            sensor = Sensor(spec, profiles.load(spec.profile))
            by_broker[spec.host, spec.port, spec.access].append(sensor)
        self.brokers = [
            Broker(
                *(host, port, accesses.load(access), sensors),
                max(sensor.profile.stale_s for sensor in sensors),
            )
            for (host, port, access), sensors in by_broker.items()
        ]
        self._sensors = frozenset(spec.device for spec in devices)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, publish: Publish) -> None:
        """Listen to all brokers until closed."""
        self._tasks = [
            asyncio.create_task(self._supervise(broker, publish)) for broker in self.brokers
        ]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)

    async def _supervise(self, broker: Broker, publish: Publish) -> None:
        """Restart a broker's part that failed for a reason nobody foresaw; the others go on."""
        while True:
            try:
                await broker.run(publish)
            except Exception as error:
                log.exception("broker=%s:%d event=failed", broker.host, broker.port)
                broker.lose(f"the driver failed: {error!r}", publish)
                await asyncio.sleep(_RESTART_S)

    async def command(self, command: DeviceCommand) -> CommandOutcome:
        """Refuse: a sensor takes no commands."""
        known = "takes no commands" if command.device in self._sensors else "is no MQTT sensor"
        return Refused(command.id, now_ms(), f"{command.device} {known}")

    async def close(self) -> None:
        """Hang up; `run` returns."""
        await end(self._tasks)
