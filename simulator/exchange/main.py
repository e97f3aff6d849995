"""Runs the test exchange from a configuration file until it is told to stop."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from simulator.errors import ConfigError
from simulator.exchange.config import ExchangeConfig, load_config
from simulator.exchange.desk import Desk, read_token
from simulator.exchange.drop import Drop
from simulator.exchange.server import Door

_log = logging.getLogger(__name__)

_WRONG_INPUT, _FAILED = 2, 1
_LOOK_S = 0.05
"""How often the door looks whether it is to close."""

Ready = Callable[[dict[str, int]], None]


def run(config_path: Path, *, folder: Path | None = None, ready: Ready | None = None) -> int:
    """Serve the exchange described by `config_path` until SIGTERM or SIGINT.

    Args:
        config_path: a TOML file; see `ExchangeConfig`.
        folder: for what the exchange writes, instead of the places that the file names: `token`,
            `ports.json`, `journal.jsonl`, `inbox`, `outbox`.
        ready: called with the port under "exchange" once it listens; by default it is printed
            as one line of JSON on standard output.

    Returns:
        The exit status: 0 after a clean stop, 2 when a file cannot be used, 1 when the port or
        the folder cannot.
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        config = load_config(config_path)
        if folder is not None:
            config = in_folder(config, folder.resolve())
        serve(config, stop, ready or _announce)
    except ConfigError as error:
        print(f"stationmaster: {error}", file=sys.stderr)
        return _WRONG_INPUT
    except OSError as error:
        print(
            f"stationmaster: {config_path}: {error}: free the port or set port = 0, and name a "
            "folder that can be written",
            file=sys.stderr,
        )
        return _FAILED
    return 0


def serve(config: ExchangeConfig, stop: Event, ready: Ready) -> None:
    """Serve until `stop` is set.

    Raises:
        ConfigError: recorded prices cannot be used.
        OSError: the port or the folder cannot be used.
    """
    desk = Desk(config)
    door = Door(desk, config.host, config.port, read_token(config.token_file))
    drop = Drop(desk, config.folder)
    threads = [
        Thread(target=door.serve_forever, args=(_LOOK_S,), name="door"),
        Thread(target=drop.run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    try:
        ports = {"exchange": door.port}
        if config.ports_out is not None:
            part = config.ports_out.with_name(config.ports_out.name + ".part")
            part.write_text(json.dumps(ports), "utf-8")
            os.replace(part, config.ports_out)  # noqa: PTH105 - says what it is
        markets = ",".join(market.id for market in config.markets)
        _log.info("event=serving port=%d markets=%s", door.port, markets)
        ready(ports)
        stop.wait()
    finally:
        stop.set()
        door.stop()
        for thread in threads:
            thread.join()
        desk.close()


def in_folder(config: ExchangeConfig, folder: Path) -> ExchangeConfig:
    """Return a configuration by which all that is written lies in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {"folder": folder, "token_file": folder / "token", "ports_out": folder / "ports.json"}
    return config.model_copy(update=places)


def _announce(ports: dict[str, int]) -> None:
    print(json.dumps({"ready": True, "ports": ports}), flush=True)
