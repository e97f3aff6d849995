"""A past for the console's station: weeks of quarter hours, a day of minutes, old cells, events.

Everything is stored and rolled up by the real parts; samples are only more seldom than in life.
"""

from dataclasses import dataclass

from cloud.app import Worker
from cloud.db import connection
from cloud.history.blocks.backfill import backfill
from cloud.history.blocks.compaction import Compactor
from cloud.history.blocks.reading import FrameReader
from cloud.history.rollups.cells import roll_up_cells
from cloud.history.rollups.job import roll_up
from cloud.history.rollups.rebuild import rebuild
from contract.frame import Frame
from tests.cloud.web.feeder import Feeder, now_ms
from tests.cloud.web.plant import WARM_RACK

_MINUTE_MS = 60_000
_QUARTER_MS = 15 * _MINUTE_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_CELL_STEP_MS = 10_000
_CELL_DAYS_AGO = 3
_SEEN = ("STATION", "METER", "C1-PCS", WARM_RACK)
# Days after the first that have no sample: a hole in every chart.
_HOLE_DAYS = (25, 26)
_HOLE_HOUR = 6
EVENTS = (
    (50 * _MINUTE_MS, "C1-PCS", "pcs.alarm", True),
    (45 * _MINUTE_MS, "C1-PCS", "pcs.alarm", False),
    (5 * _HOUR_MS, "STATION", "control.mode_changed", True),
    (11 * _HOUR_MS, "C2-R04", "rack.warning", True),
    (10 * _HOUR_MS, "C2-R04", "rack.warning", False),
    (26 * _HOUR_MS, "FIRE", "fire.alarm", True),
    (25 * _HOUR_MS, "FIRE", "fire.alarm", False),
    (12 * _DAY_MS, "C1-R02", "rack.isolated", True),
    (11 * _DAY_MS, "C1-R02", "rack.isolated", False),
)
"""How long ago, where, what, whether it appeared."""


@dataclass(frozen=True)
class Past:
    """What was stored.

    Attributes:
        first_ms: time of the first sample.
        cells_ms: start of a quarter hour whose cells are kept as means only.
    """

    first_ms: int
    cells_ms: int


async def give_past(worker: Worker, feeder: Feeder, *, days: int = 40) -> Past:
    """Store `days` days before the present hour, and events; roll everything up."""
    services, edge = worker.services, worker.edge
    reader = FrameReader(services.pool, edge.epochs, services.vault, edge.layouts)
    end_ms = now_ms() // _HOUR_MS * _HOUR_MS - _HOUR_MS
    first_ms = end_ms - days * _DAY_MS
    fine_ms = end_ms - _DAY_MS

    async def store(frames: list[Frame], *, mark: bool) -> None:
        await backfill(
            services.pool, services.vault, edge.layouts, feeder.station, frames, mark=mark
        )

    for day in (d for d in range(days - 1) if d not in _HOLE_DAYS):
        frames = feeder.plant.frames(first_ms + day * _DAY_MS, 96, _QUARTER_MS, racks=())
        await store([f for f in frames if f.device in _SEEN[:2]], mark=False)
    await rebuild(services.pool, reader, feeder.station, first_ms, fine_ms)
    for hour_ms in range(fine_ms, end_ms, _HOUR_MS):
        frames = feeder.plant.frames(hour_ms, 60, _MINUTE_MS, racks=(WARM_RACK,))
        seen = [f for f in frames if f.device in _SEEN and "cells" not in f.layout.name]
        await store([piece for f in seen for piece in _in_pieces(f)], mark=True)
    cells_ms = (end_ms - _CELL_DAYS_AGO * _DAY_MS) // _QUARTER_MS * _QUARTER_MS
    frames = feeder.plant.frames(cells_ms, 180, _CELL_STEP_MS, racks=(WARM_RACK,))
    await store([f for f in frames if "cells" in f.layout.name], mark=True)
    with feeder.pausing():
        await settle(worker, feeder.station)
    async with connection(services.pool) as conn:  # what retention does with old samples
        await conn.execute(
            "DELETE FROM blocks WHERE station = %s AND device = %s AND hour_ms < %s",
            [feeder.station, WARM_RACK, end_ms - 2 * _DAY_MS],
        )
    for ago_ms, device, code, active in EVENTS:
        await feeder.raise_event(device, code, active=active, at_ms=now_ms() - ago_ms)
    return Past(first_ms, cells_ms)


async def settle(worker: Worker, station: str) -> None:
    """Do what the jobs do: compact all that waits, roll up all that is dirty.

    Ends only if nothing new comes in meanwhile: a pass may take longer than a second.
    """
    services, edge = worker.services, worker.edge
    reader = FrameReader(services.pool, edge.epochs, services.vault, edge.layouts)
    compactor = Compactor(services.pool, edge.epochs, services.vault, edge.layouts)
    while (await compactor.compact(station, 0)).batches:
        pass
    while await roll_up(services.pool, reader, station, {}):
        pass
    while await roll_up_cells(services.pool, reader, station, now_ms()):
        pass


def _in_pieces(frame: Frame) -> list[Frame]:
    """The frame without its minutes 20 to 39 in the sixth hour of a day: a hole of 20 minutes."""
    if frame.t0_ms // _HOUR_MS % 24 != _HOLE_HOUR:
        return [frame]
    edges = (0, 20, 40, 60)
    marks = [frame.t0_ms + minute * _MINUTE_MS for minute in edges]
    pieces = [frame.between(marks[0], marks[1]), frame.between(marks[2], marks[3])]
    return [piece for piece in pieces if piece is not None]
