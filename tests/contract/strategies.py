"""Frames of every shape for property tests."""

import numpy as np
from hypothesis import strategies as st

from contract import layouts
from contract.frame import Frame
from contract.layouts import Column, Layout
from contract.signals import Grade, Kind, Signal

DTYPES = ("i1", "i2", "i4", "f4")


def odd_layout() -> Layout:
    """A layout with every dtype, narrow and wide: more than any device has."""
    columns = [
        Column(
            Signal(f"{dtype}_x{repeat}", "", dtype, 0.5, Kind.ANALOG, Grade.GENERAL, "x", "x"),
            repeat,
        )
        for dtype in DTYPES
        for repeat in (1, 3, 9, 40)
    ]
    return layouts.register(Layout("test.odd", tuple(columns)))


ODD = odd_layout()
LAYOUTS = [ODD, layouts.cells_layout(1), layouts.cells_layout(40), *layouts.ALL.values()]


def column_values(rng: np.random.Generator, style: str, dtype: str, shape: tuple[int, int]):
    """Values of a column: constant, extreme, uniform over the type, or like a measurement."""
    if dtype == "f4":
        if style == "extremes":
            special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3.4e38], dtype="f4")
            return rng.choice(special, shape)
        return rng.normal(0, 100, shape).astype("f4")
    info = np.iinfo(dtype)
    match style:
        case "constant":
            return np.full(shape, rng.integers(info.min, info.max), dtype=dtype)
        case "extremes":
            return rng.choice(np.array([info.min, info.max, 0, -1], dtype=dtype), shape)
        case "uniform":
            return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        case _:
            middle = rng.integers(info.min // 2, info.max // 2)
            noise = rng.normal(0, rng.choice([0.3, 3, 30]), shape)
            spikes = (rng.random(shape) < 0.01) * 1000
            wild = middle + noise + spikes + rng.normal(0, 4, shape[1])
            return np.clip(np.rint(wild), info.min, info.max).astype(dtype)


def quality_of(rng: np.random.Generator, style: str, shape: tuple[int, int]):
    quality = np.zeros(shape, dtype=np.uint8)
    if style == "rows":
        quality[:] = rng.choice([0, 0, 3], (shape[0], 1))
    elif style == "columns":
        quality[:] = rng.choice([0, 1, 2, 3], (1, shape[1]))
    elif style == "scattered":
        quality[:] = rng.choice([0, 0, 0, 0, 1, 2, 3], shape)
    elif style == "nothing":
        quality[:] = 3
    return quality


@st.composite
def frames(draw, *, layout=None, n=None, device=None, t0_ms=None, step_ms=None):
    """A frame of any layout, dtype, quality and length, with or without jitter."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layout = layout or draw(st.sampled_from(LAYOUTS))
    n = n or draw(st.sampled_from([1, 2, 3, 8, 9, 10, 31, 64]) | st.integers(1, 80))
    values = tuple(
        column_values(
            rng,
            str(rng.choice(["constant", "extremes", "uniform", "measured"])),
            c.signal.dtype,
            (n, c.repeat),
        )
        for c in layout.columns
    )
    style = draw(st.sampled_from(["good", "rows", "columns", "scattered", "nothing"]))
    jitter = rng.integers(-(2**15), 2**15, n).astype("i2") if draw(st.booleans()) else None
    return Frame(
        device or draw(st.sampled_from(["C1-R01", "METER", "一号簇", "x" * 64])),
        layout,
        draw(st.integers(0, 4 * 10**12)) if t0_ms is None else t0_ms,
        step_ms or draw(st.sampled_from([1, 100, 1000, 60_000])),
        values,
        quality_of(rng, style, (n, layout.width)),
        jitter,
    )
