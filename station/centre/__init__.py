"""The port of the grid's dispatch centre. The public face of this room."""

from station.centre.errors import CentreError, CentreUnavailable
from station.centre.modbus_port import ModbusCentre, PortSettings
from station.centre.port import (
    STATE_WORDS,
    CentreRequest,
    CentreState,
    CentreView,
    DispatchCentre,
)

__all__ = [
    "STATE_WORDS",
    "CentreError",
    "CentreRequest",
    "CentreState",
    "CentreUnavailable",
    "CentreView",
    "DispatchCentre",
    "ModbusCentre",
    "PortSettings",
]
