"""The task of a child process: what the supervisor tells it, and the sockets it inherits."""

import json
import logging
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from cloud.children import Child
from cloud.config import CloudConfig, ListenSection
from cloud.errors import ConfigError

_BACKLOG: Final = 2_048


@dataclass(frozen=True)
class Task:
    """What a child does.

    Attributes:
        config: the checked configuration.
        dsn: address of the database, with its password.
        sockets: listener name ("web", "edge", "enrol") to inherited file descriptor.
    """

    config: CloudConfig
    dsn: str
    sockets: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The form that travels through the child's standard input."""
        return {
            "config": self.config.model_dump(mode="json"),
            "dsn": self.dsn,
            "sockets": dict(self.sockets),
        }


def read_task() -> Task:
    """Read the task from standard input and set up logging; the first thing a child does."""
    told = json.load(sys.stdin)
    config = CloudConfig.model_validate(told["config"])
    set_up_logging(config)
    return Task(config, told["dsn"], told["sockets"])


def set_up_logging(config: CloudConfig) -> None:
    """Structured lines on standard error."""
    logging.basicConfig(
        level=config.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
        force=True,
    )
    for noisy in ("apscheduler", "uvicorn", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # A job that is due again while it runs waits for its turn; `cloud.jobs` tells of long ones.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    # A lost connection is told once, by `cloud.news`, and by the answers.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def bind(config: CloudConfig) -> dict[str, socket.socket]:
    """Bind all listeners before any worker starts; workers share them. Without workers: none.

    Raises:
        ConfigError: an address is in use or not ours.
    """
    if not config.workers:
        return {}
    wanted: dict[str, ListenSection] = {"web": config.web, "edge": config.edge}
    if config.enrol.enabled:
        wanted["enrol"] = config.enrol
    return {name: _bind(name, section) for name, section in wanted.items()}


def _bind(name: str, section: ListenSection) -> socket.socket:
    version = ip_address(section.host).version
    family = socket.AF_INET if version == 4 else socket.AF_INET6  # noqa: PLR2004 - IP version
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((section.host, section.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            None, f"{name}.port", section.port, f"{error.strerror}; choose another, or 0"
        ) from error
    listener.setblocking(False)
    return listener


def addresses(sockets: Mapping[str, socket.socket]) -> dict[str, str]:
    """URL of each listener as a client on this machine reaches it."""
    found = {}
    for name, listener in sockets.items():
        host, port = listener.getsockname()[:2]
        if ip_address(host).is_unspecified:
            host = "127.0.0.1"
        shown = f"[{host}]" if ":" in host else host
        found[name] = f"{'http' if name == 'web' else 'https'}://{shown}:{port}"
    return found


def web_worker(number: int, task: Task) -> Child:
    """One of the processes that serve people and stations."""
    return Child(f"worker-{number}", "cloud.worker", task.to_json(), tuple(task.sockets.values()))


def jobs_worker(task: Task) -> Child:
    """The process that does what is due by the clock."""
    return Child("jobs", "cloud.jobs", Task(task.config, task.dsn, {}).to_json())
