"""Runs a site from a configuration file until it is told to stop."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from simulator.config import load_config
from simulator.errors import ConfigError, IcdError, ServerStartError, SimulatorError
from simulator.site import Site

_log = logging.getLogger(__name__)

_WRONG_INPUT, _FAILED = 2, 1

Ready = Callable[[dict[str, int]], None]


def run(config_path: Path, *, ready: Ready | None = None) -> int:
    """Serve the plant described by `config_path` until SIGTERM or SIGINT.

    Args:
        config_path: a TOML file; see `SimulatorConfig`.
        ready: called with the ports by device tag once all servers listen; by default they are
            printed as one line of JSON on standard output.

    Returns:
        The exit status: 0 after a clean stop, 2 when a file cannot be used, 1 when something else
        could not be set up.
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        config = load_config(config_path)
        _ask_for_priority(config.realtime_priority)
        site = Site(config, config_path.resolve().parent)
        asyncio.run(_serve(site, config.ports_out, ready or _announce))
    except (ConfigError, IcdError) as error:
        print(f"stationmaster: {error}", file=sys.stderr)
        return _WRONG_INPUT
    except ServerStartError as error:
        print(f"stationmaster: {config_path}: ports.base: {error}", file=sys.stderr)
        return _FAILED
    except SimulatorError as error:
        print(f"stationmaster: {error}", file=sys.stderr)
        return _FAILED
    return 0


async def _serve(site: Site, ports_out: Path | None, ready: Ready) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def on_ready(ports: dict[str, int]) -> None:
        if ports_out is not None:
            _write_whole(ports_out, json.dumps(ports, indent=1))
        _log.info("event=serving devices=%d", len(ports))
        ready(ports)

    await site.run(stop, on_ready)


def _ask_for_priority(level: int) -> None:
    """Put this thread and those begun later into Linux's round-robin real-time class."""
    if not level:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(level))
    except OSError as error:
        _log.warning("event=no_realtime_priority level=%d reason=%r", level, error.strerror)
    else:
        _log.info("event=realtime_priority level=%d", level)


def _announce(ports: dict[str, int]) -> None:
    print(json.dumps({"ready": True, "ports": ports}), flush=True)


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105 - says what it is
