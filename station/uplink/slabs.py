"""Samples as slabs on the 1 s grid: what hundreds of like devices said becomes a few arrays."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from contract import frame, layouts
from station.samples import Sample
from station.uplink.queue import StreamKey

GRID_MS = 1000

_Kind = tuple[str, int, int, bool]
"""Layout, first second, rows, and whether device times lie off the second."""


def slabs_of(samples: Sequence[Sample]) -> list[frame.Slab]:
    """Return the samples as slabs: a frame per device, layout and run of consecutive seconds.

    Raises:
        UnknownLayoutError: of a sample.
    """
    alike: defaultdict[_Kind, list[list[Sample]]] = defaultdict(list)
    for run in _runs(samples):
        off = any(sample.time_ms % GRID_MS for sample in run)
        alike[run[0].layout, run[0].time_ms // GRID_MS, len(run), off].append(run)
    return [_slab(kind, runs) for kind, runs in alike.items()]


def _runs(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Yield runs of consecutive seconds of one device in one layout."""
    streams: defaultdict[StreamKey, list[Sample]] = defaultdict(list)
    for sample in samples:
        streams[sample.device, sample.layout].append(sample)
    for stream in streams.values():
        if len(stream) == 1:
            yield stream
            continue
        stream.sort(key=lambda s: s.time_ms)
        run = [stream[0]]
        for sample in stream[1:]:
            if sample.time_ms // GRID_MS != run[-1].time_ms // GRID_MS + 1:
                yield run
                run = []
            run.append(sample)
        yield run


def _slab(kind: _Kind, runs: Sequence[Sequence[Sample]]) -> frame.Slab:
    name, second, n, off = kind
    layout = layouts.get(name)
    flat = [sample for run in runs for sample in run]
    shape = (len(runs), n)
    quality = np.concatenate([sample.quality for sample in flat])
    jitter = [sample.time_ms % GRID_MS for sample in flat]
    return frame.Slab(
        devices=tuple(run[0].device for run in runs),
        layout=layout,
        t0_ms=second * GRID_MS,
        step_ms=GRID_MS,
        columns=tuple(
            np.concatenate(rows).reshape(*shape, -1)
            for rows in zip(*(sample.values for sample in flat), strict=True)
        ),
        quality=quality.reshape(*shape, layout.width) if quality.any() else None,
        jitter_ms=np.array(jitter, np.int16).reshape(shape) if off else None,
    )
