"""Which signals a station has: what may be asked of its history."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader
from cloud.api.stations import StationId
from cloud.history.known import first_ms, known_signals
from contract.estimate_signals import HALF_WIDTHS
from contract.layouts import Column

router = APIRouter(prefix="/stations", tags=["history"], responses=ERRORS)


class StateAnswer(BaseModel):
    """A value of a state signal, or the number of a bit, in words."""

    value: int
    en: str
    zh: str


class SignalAnswer(BaseModel):
    """One signal; ask for it as DEVICE:signal, or DEVICE:signal:cell where `cells` is over 1."""

    signal: str
    unit: str = Field(description="SI symbol; empty for shares of one, states and numbers")
    kind: str = Field(description='"analog", "state", "bits", "counter" or "index"')
    label_en: str
    label_zh: str
    half_width: str = Field(
        description="signal of the same device that is half of the interval around this estimate; "
        "empty where it has none"
    )
    cells: int = Field(description="number of values side by side, e.g. the cells of a rack")
    states: list[StateAnswer]


class LayoutAnswer(BaseModel):
    """Signals that travel together."""

    layout: str
    signals: list[SignalAnswer]


class DeviceAnswer(BaseModel):
    """A device that has sent data, and the layouts of its signals."""

    device: str
    layouts: list[str]


class SignalList(BaseModel):
    """All signals of a station: those of each layout, and which devices have it."""

    station: str
    first_ms: int | None = Field(
        description="oldest stored sample (at most 30 days before it, where only rollups are kept)"
    )
    layouts: list[LayoutAnswer]
    devices: list[DeviceAnswer]


@router.get("/{station}/signals")
async def list_signals(parts: DeskOf, _: Reader, station: StationId) -> SignalList:
    """Every signal that the station has ever sent, with its unit and its label."""
    pool = parts.services.pool
    await fleet.find(pool, station)
    known = await known_signals(pool, station)
    return SignalList(
        station=station,
        first_ms=await first_ms(pool, station),
        layouts=[
            LayoutAnswer(layout=name, signals=[_told(column) for column in columns])
            for name, columns in known.layouts.items()
        ],
        devices=[
            DeviceAnswer(device=device, layouts=list(layouts))
            for device, layouts in known.devices.items()
        ],
    )


def _told(column: Column) -> SignalAnswer:
    signal = column.signal
    return SignalAnswer(
        signal=signal.name,
        unit=signal.unit,
        kind=signal.kind.value,
        label_en=signal.label_en,
        label_zh=signal.label_zh,
        half_width=HALF_WIDTHS.get(signal.name, ""),
        cells=column.repeat,
        states=[StateAnswer(value=value, en=en, zh=zh) for value, en, zh in signal.states],
    )
