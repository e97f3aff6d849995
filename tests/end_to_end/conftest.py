"""One house of real processes for all end-to-end tests: plant, cloud, station, cable."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import scenario
from launcher.cloud_client import CloudClient
from launcher.demo_config import Folders
from launcher.stack import Stack, market_today, schedule_for
from tests.end_to_end.house import House


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """A running station with two cloud workers, enrolled, on its schedule."""
    with tempfile.TemporaryDirectory(prefix="stationmaster-e2e-") as folder:
        stack = Stack(Folders(Path(folder)), scenario.find("normal-day"), workers=2)
        try:
            ports = stack.start_plant()
            stack.start_exchange()
            stack.start_cloud()
            client: CloudClient = stack.client()
            stack.enrol_station(ports, client)
            stack.start_station()
            client.send_schedule("demo", schedule_for(market_today()))
            stack.import_prices()  # the desk learns its forecasts while other tests run
            yield House(stack, client, started_s=int(time.time()))
        finally:
            stack.stop()
            _show_logs(stack.folders.logs)


def _show_logs(logs: Path) -> None:
    """Warnings and errors of every process, for whoever reads a failed run."""
    for log in sorted(logs.glob("*.log")):
        lines = [
            line
            for line in log.read_text(errors="replace").splitlines()
            if any(word in line for word in ("ERROR", "CRITICAL", "Traceback", "Error:"))
        ]
        if lines:
            print(f"--- {log.name}: {len(lines)} lines of errors, the last ones:")
            print("\n".join(lines[-10:]))
