"""Several like devices behind one unit id: whether their registers are apart, and exist.

Devices lie a stride apart. One that is shorter than a device lets two of them read the same
registers, and a count that is too large puts the last of them past the last address.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from station.protocols.errors import ProfileError
from station.protocols.modbus.place import ADDRESSES, Space
from station.protocols.modbus.plan import runs_of

if TYPE_CHECKING:
    from station.protocols.modbus.profile import Instances, Profile


def wrong_instances(file: str, profile: "Profile", number: int = 1) -> Iterator[ProfileError]:
    """Tell devices of one profile that lie in one another, or past the last address.

    Args:
        file: for people.
        profile: a checked one, whose ``[instances]`` may be left out.
        number: which of them its addresses are those of.
    """
    several = profile.instances
    if several is None or several.count == 1:
        return
    for space, addresses in _moving(profile).items():
        stride = _stride(several, space)
        if not stride:
            continue
        key = "instances.bit_stride" if space.is_bit and several.bit_stride else "instances.stride"
        common = _common(addresses, stride, several.count)
        if common is not None:
            yield ProfileError(
                file, key, f"is {stride}, so two of the devices read {space} {common}",
                "give the registers from one device to the next; what all have in common is shared",
            )  # fmt: skip
        fitting = (ADDRESSES - 1 - max(addresses)) // stride + number
        if several.count > fitting:
            yield ProfileError(
                file, "instances.count",
                f"is {several.count}, and the last would lie past {space} {ADDRESSES - 1}",
                f"at most {fitting} devices fit with {key.partition('.')[2]} = {stride}",
            )  # fmt: skip


def _stride(several: "Instances", space: Space) -> int:
    if space.is_bit and several.bit_stride is not None:
        return several.bit_stride
    return several.stride


def _moving(profile: "Profile") -> dict[Space, set[int]]:
    """Return the addresses of all signals that each device has for itself."""
    found: dict[Space, set[int]] = {}
    for points in profile.layout_points().values():
        for point in points.values():
            for place, run in runs_of(profile, point):
                if not place.shared:
                    found.setdefault(run.space, set()).update(
                        range(run.address, run.address + run.count)
                    )
    return found


def _common(addresses: set[int], stride: int, count: int) -> int | None:
    """Return the first address that two devices read, if there is any."""
    before: dict[int, int] = {}
    for address in sorted(addresses):
        last = before.get(address % stride)
        if last is not None and address - last < count * stride:
            return address
        before[address % stride] = address
    return None
