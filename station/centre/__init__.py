"""The port of the grid's dispatch centre. The public face of this room."""

from station.centre.errors import CentreError, CentreUnavailable
from station.centre.iec104_port import Iec104Centre, TlsFiles
from station.centre.modbus_port import ModbusCentre
from station.centre.port import (
    CentreRequest,
    CentreState,
    CentreView,
    DispatchCentre,
    PointValue,
    PortSettings,
)
from station.centre.requests import REFUSAL_WORDS, Refusal

__all__ = [
    "REFUSAL_WORDS",
    "CentreError",
    "CentreRequest",
    "CentreState",
    "CentreUnavailable",
    "CentreView",
    "DispatchCentre",
    "Iec104Centre",
    "ModbusCentre",
    "PointValue",
    "PortSettings",
    "Refusal",
    "TlsFiles",
]
