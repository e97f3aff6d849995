"""Which layouts of a device are asked for together, and how often.

A reading is one layout at one device time, so a layout has one rhythm: that of its class in
``[polling.classes]``, or else that of the ``[[blocks]]`` in which its points lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from station.protocols.errors import ProfileError
from station.protocols.modbus.place import ADDRESSES, MAX_BITS, Space
from station.protocols.modbus.plan import in_block, spans_of
from station.protocols.modbus.polling import FixedBlock, PollClass

if TYPE_CHECKING:
    from station.protocols.modbus.profile import Profile


@dataclass(frozen=True)
class Rhythm:
    """Layouts that are asked for together, every `period_s`."""

    poll_class: PollClass
    period_s: float
    layouts: tuple[str, ...]


def rhythms_of(profile: "Profile") -> list[Rhythm]:
    """Return the rhythms of a checked profile, the quickest first."""
    found: dict[tuple[float, PollClass], list[str]] = {}
    for name in profile.layout_points():
        poll_class, period_s = _wanted(profile, name)[0]
        found.setdefault((period_s, poll_class), []).append(name)
    return [
        Rhythm(poll_class, period_s, tuple(names))
        for (period_s, poll_class), names in sorted(found.items())
    ]


def _wanted(profile: "Profile", name: str) -> list[tuple[PollClass, float]]:
    """Return the class and period of a layout; several where its blocks disagree."""
    polling = profile.polling
    classes = {key.format_map(profile.parameters): c for key, c in polling.classes.items()}
    if name in classes:
        return [(classes[name], polling.class_period_s(classes[name]))]
    wanted = []
    for block in profile.blocks:
        if _holds(profile, block, name):
            poll_class = block.poll_class or PollClass.NORMAL
            wanted.append((poll_class, block.period_s or polling.class_period_s(poll_class)))
    return list(dict.fromkeys(wanted)) or [(PollClass.NORMAL, polling.period_s)]


def _holds(profile: "Profile", block: FixedBlock, name: str) -> bool:
    """Whether a value of this layout lies whole in the block."""
    return any(
        in_block(block, block.space or profile.space, span)
        for point in profile.layout_points()[name].values()
        for span in spans_of(profile, point)
    )


def wrong_rhythms(file: str, profile: "Profile") -> Iterator[ProfileError]:
    """Tell classes and blocks that contradict the layouts, the device, or one another."""
    polling = profile.polling
    known = profile.layout_points()
    for key in polling.classes:
        try:
            name = key.format_map(profile.parameters)
        except (KeyError, ValueError):
            name = key
        if name not in known:
            yield ProfileError(
                file, f"polling.classes.{key}", "is no layout of this profile",
                f"take one of {', '.join(known)}",
            )  # fmt: skip
            return
    if polling.slow_s < polling.period_s and PollClass.SLOW in polling.classes.values():
        yield ProfileError(
            file, "polling.slow_s", f"is shorter than period_s, {polling.period_s:g}",
            "make it longer, or take the layout out of the class slow",
        )  # fmt: skip
    for number, block in enumerate(profile.blocks):
        yield from _wrong_block(file, profile, number, block)
    for name in known:
        wanted = _wanted(profile, name)
        if len(wanted) > 1:
            said = " and ".join(f"{c} every {period_s:g} s" for c, period_s in wanted)
            yield ProfileError(
                file, f"layouts.{name}", f"lies in blocks of different rhythms: {said}",
                "a layout is read whole: give its blocks one class and period_s",
            )  # fmt: skip


def _wrong_block(
    file: str, profile: "Profile", number: int, block: FixedBlock
) -> Iterator[ProfileError]:
    key, space = f"blocks.{number}", block.space or profile.space
    limit = MAX_BITS if space.is_bit else profile.polling.max_registers
    if block.count > limit:
        yield ProfileError(
            file, f"{key}.count", f"is {block.count}; a reply brings at most {limit}",
            "make several blocks of it",
        )  # fmt: skip
    if block.address + block.count > ADDRESSES:
        yield ProfileError(file, key, "reaches past address 65535", "make count smaller")
    for earlier in range(number):
        if _overlap(profile, block, profile.blocks[earlier]):
            yield ProfileError(
                file, key, f"overlaps blocks.{earlier}", "give each address to one block"
            )
    if not any(_holds(profile, block, name) for name in profile.layout_points()) and not (
        _holds_time(profile, block, space)
    ):
        yield ProfileError(file, key, "holds no point whole", "move it, or take it out")


def _holds_time(profile: "Profile", block: FixedBlock, space: Space) -> bool:
    time = profile.time
    return time is not None and any(
        in_block(block, space, span) for span in spans_of(profile, time)
    )


def _overlap(profile: "Profile", one: FixedBlock, other: FixedBlock) -> bool:
    return (
        (one.space or profile.space) is (other.space or profile.space)
        and one.address < other.address + other.count
        and other.address < one.address + one.count
    )
