"""Layouts of one device that are asked for together: compiled questions and decoders.

Everything that does not change from one asking to the next is made here once: the bytes of the
questions, the vector that takes the replies, where the device's time lies in it.
"""

from contract.frame import Quality
from station.clock import now_ms
from station.protocols.clock_watch import ClockWatch
from station.protocols.driver import DeviceSpec, MissedReading, Publish, Reading
from station.protocols.errors import BadReply, WrongDevice
from station.protocols.modbus.decode import LayoutDecoder, gather, indices
from station.protocols.modbus.mbap import Question, new_registers, reading
from station.protocols.modbus.plan import Plan, plan_for, spans_of
from station.protocols.modbus.point import Expectation
from station.protocols.modbus.profile import Profile
from station.protocols.modbus.rhythm import Rhythm


class Group:
    """What is asked of one device in one rhythm, and how far it has been handed over.

    Attributes:
        rhythm: how often, and which layouts.
        questions: in the order in which they are asked; the first brings the device's time.
        registers: takes the replies to all of them.
        failures: attempts in a row that failed.
    """

    def __init__(
        self, spec: DeviceSpec, profile: Profile, rhythm: Rhythm, watch: ClockWatch | None = None
    ) -> None:
        """Compile.

        Args:
            spec: who it is.
            profile: of the device.
            rhythm: how often, and which layouts.
            watch: the device's clock, None where it has none.
        """
        self.rhythm = rhythm
        self.failures = 0
        self._spec = spec
        self._profile = profile
        self._clock = profile.time
        self._watch = watch
        plan: Plan = plan_for(profile, rhythm.layouts)
        self.questions: tuple[Question, ...] = tuple(
            reading(spec.unit, block.space, block.address, block.count, block.start)
            for block in plan.blocks
        )
        self.registers = new_registers(plan.size)
        filled = profile.layout_points()
        self._decoders = [
            LayoutDecoder(profile, plan, name, filled[name]) for name in rhythm.layouts
        ]
        self._identity = [
            (place, indices(plan, profile, place)) for place in profile.expect if place.names_unit
        ]
        self._known_early = all(
            plan.block_of(profile.space_of(place), place.address) == 0
            for place, _ in self._identity
        )
        self._in_first_block = [
            self._known_early
            and all(
                plan.block_of(span.space, span.address + span.count - 1) == 0
                for point in filled[name].values()
                for span in spans_of(profile, point)
            )
            for name in rhythm.layouts
        ]
        self._clock_index = None if profile.time is None else indices(plan, profile, profile.time)
        self._handed_over: dict[str, int] = {}

    def check_identity(self, *, whole: bool) -> None:
        """See whether who answered is who was asked, as soon as the registers of it have come.

        Raises:
            WrongDevice: another unit answered in its place.
        """
        if whole is self._known_early:
            return
        for place, index in self._identity:
            found = gather(self.registers, index, place.type, place.byte_order)
            see_unit(self._profile, place, self._spec.unit, int(found[0]))

    def time_ms(self, cycle_ms: int) -> int:
        """Return the sample's time; a device without a clock takes the cycle's.

        Raises:
            BadReply: the device's clock is not set.
        """
        if self._clock is None or self._clock_index is None:
            return cycle_ms
        place = self._clock
        raw = gather(self.registers, self._clock_index, place.type, place.byte_order)
        return self.checked_ms(int(raw[0]))

    def checked_ms(self, raw: int) -> int:
        """Return epoch milliseconds of what the clock's register says.

        Raises:
            BadReply: it is not set.
        """
        place = self._clock
        if place is None or raw == 0 or raw in place.markers:
            raise BadReply("the device's clock is not set; set it, or leave [time] out")
        return raw * 1000 if place.unit == "s" else raw

    def has_handed_over(self, time_ms: int) -> bool:
        """Whether every layout of this device time was handed over."""
        return all(self._handed_over.get(name) == time_ms for name in self.rhythm.layouts)

    def hand_over(self, time_ms: int, publish: Publish, *, whole: bool) -> None:
        """Publish the layouts that are complete and not handed over yet."""
        for decoder, early in zip(self._decoders, self._in_first_block, strict=True):
            name = decoder.layout.name
            if not (whole or early) or self._handed_over.get(name) == time_ms:
                continue
            values, quality = decoder.decode(self.registers)
            received_ms = now_ms()
            if self._watch is not None and self._watch.is_wrong(time_ms - received_ms):
                quality[quality == Quality.GOOD] = Quality.QUESTIONABLE
            self._handed_over[name] = time_ms
            publish(Reading(self._spec.device, name, time_ms, received_ms, values, quality))

    def tell_missed(self, time_ms: int, kind: str, reason: str, publish: Publish) -> None:
        """Name the layouts of a device time that were not handed over."""
        for name in self.rhythm.layouts:
            if self._handed_over.get(name) != time_ms:
                publish(MissedReading(self._spec.device, name, time_ms, kind, reason))


def see_unit(profile: Profile, place: Expectation, unit: int, found: int) -> None:
    """Compare what a device says of its unit id with the unit that was asked.

    Raises:
        WrongDevice: another unit answered.
    """
    if found != unit:
        raise WrongDevice(
            f"unit {found} answers in place of unit {unit} ({place.meaning} at "
            f"{profile.space_of(place)} {place.address}): mend the unit ids or the gateway's routes"
        )
