"""The port of the grid's dispatch centre. The public face of this room."""

from station.centre.errors import CentreError, CentreUnavailable
from station.centre.modbus_port import ModbusCentre, PortSettings
from station.centre.port import (
    CentreRequest,
    CentreState,
    CentreView,
    DispatchCentre,
)

__all__ = [
    "CentreError",
    "CentreRequest",
    "CentreState",
    "CentreUnavailable",
    "CentreView",
    "DispatchCentre",
    "ModbusCentre",
    "PortSettings",
]
