"""Whether a device could be served at all: driver and profile, checked before anything starts.

Nothing is connected to and no protocol library is loaded; a driver that somebody else ships
checks its own profiles when its process starts.
"""

from station.protocols.driver import ONLINE, DeviceSpec, available_drivers
from station.protocols.errors import ProfileError, UnknownDriver
from station.protocols.iec61850 import mapping as mappings
from station.protocols.iec61850 import scl
from station.protocols.modbus import profile as profiles
from station.protocols.mqtt import access as accesses
from station.protocols.mqtt import profile as sensors
from station.protocols.profile_files import find

_CELLS = "rack.cells/"


def check_device(driver: str, spec: DeviceSpec) -> frozenset[str]:
    """Load what describes a device.

    Returns:
        Names of the layouts that it tells; none where nobody knows before its process starts.

    Raises:
        ProtocolError: nobody offers the driver, or the profile is missing or wrong.
    """
    known = available_drivers()
    if driver not in known:
        raise UnknownDriver(
            f"driver {driver!r} is unknown; choose one of {', '.join(sorted(known))}"
        )
    if driver == "modbus":
        return frozenset(profiles.load(spec.profile).layout_points())
    if driver == "mqtt":
        return frozenset({_check_sensor(spec)})
    if driver == "iec61850":
        signal_map = mappings.load(spec.mapping)
        if spec.profile != ONLINE:
            ied = scl.load(find(spec.profile), spec.ied)
            mappings.bind(spec.mapping or mappings.STANDARD, signal_map, ied)
        return frozenset({signal_map.layout})
    return frozenset()


def _check_sensor(spec: DeviceSpec) -> str:
    profile = sensors.load(spec.profile)
    accesses.load(spec.access)
    if profile.needs_topic and not spec.topic:
        raise ProfileError(
            spec.profile,
            "signals",
            f"{spec.device} has no topic for the place {{topic}}",
            "give the device a key topic, e.g. topic = 'room/1'",
        )
    return profile.layout


def cells_of(driver: str, spec: DeviceSpec) -> int:
    """Return how many cell values a device tells; 0 where it tells none, or nobody knows.

    Raises:
        ProtocolError: the profile is missing or wrong.
    """
    if driver != "modbus":
        return 0
    names = profiles.load(spec.profile).layout_points()
    return max((int(n.removeprefix(_CELLS)) for n in names if n.startswith(_CELLS)), default=0)
