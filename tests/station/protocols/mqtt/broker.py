"""A real MQTT broker (amqtt) for tests, with or without passwords and TLS, and who speaks to it."""

import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
from amqtt.broker import Broker

logging.getLogger("amqtt").setLevel(logging.ERROR)
logging.getLogger("transitions").setLevel(logging.ERROR)


def _plugins(passwords: Path | None) -> dict[str, dict[str, object]]:
    if passwords is None:
        return {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    return {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)}}


async def start_broker(
    port: int = 0, *, passwords: Path | None = None, tls: tuple[Path, Path] | None = None
) -> tuple[Broker, int]:
    """A broker that listens, and its port."""
    listener: dict[str, object] = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    if tls is not None:
        listener |= {"ssl": True, "certfile": str(tls[0]), "keyfile": str(tls[1])}
    broker = Broker({"listeners": {"default": listener}, "plugins": _plugins(passwords)})
    await broker.start()
    (server,) = broker._servers.values()
    return broker, int(server.instance.sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def running_broker(**options: object) -> AsyncIterator[int]:
    broker, port = await start_broker(**options)
    try:
        yield port
    finally:
        await broker.shutdown()


async def say(port: int, topic: str, payload: object, *, retain: bool = False) -> None:
    """Publish one message."""
    body = payload if isinstance(payload, str) else json.dumps(payload)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(topic, body, qos=1, retain=retain)
