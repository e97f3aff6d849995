"""One Modbus unit: asked block by block, each of its ticks handed over exactly once.

The device's own clock is the identity of a sample. A reading of several requests is coherent
if the device holds the picture that goes with its time until the last of them is answered; of
any other device only if the clock did not move meanwhile, so it is read again at the end, and a
torn reading is read afresh. What came whole in the first request needs no second look. What was
asked for and not got whole is told by name.
"""

import asyncio
import time
from collections.abc import Awaitable
from enum import Enum

import numpy as np

from contract.frame import Quality
from station.protocols.driver import DeviceSpec, MissedReading, Publish, Reading
from station.protocols.errors import BadReply, ProtocolError
from station.protocols.health import Health, now_ms
from station.protocols.modbus.client import Connection
from station.protocols.modbus.decode import LayoutDecoder, Registers, gather, indices
from station.protocols.modbus.encode import registers_for
from station.protocols.modbus.plan import Plan, plan_for, spans_of
from station.protocols.modbus.profile import Place, Profile, Space, Write
from station.protocols.modbus.read_back import see
from station.protocols.modbus.turn import Urgency

TORN_ATTEMPTS = 3


class Poll(Enum):
    """What one poll of a unit brought."""

    NEWS = "a tick not seen before"
    NOTHING = "the tick already handed over"
    STALLED = "the same tick for too long"


class WrongDevice(ProtocolError):  # noqa: N818 - reads as a fact: wrong device
    """The device is not the one that its profile describes."""


class Unit:
    """One device behind a connection: its compiled profile and how far it has been read.

    Attributes:
        health: whether it answers.
        asked_s: when it was asked last, monotonic seconds.
    """

    def __init__(self, spec: DeviceSpec, profile: Profile) -> None:
        """Compile the profile."""
        self.spec = spec
        self.profile = profile
        self.health = Health(spec.device)
        self.asked_s = 0.0
        self._plan: Plan = plan_for(profile)
        filled = profile.layout_points()
        self._decoders = [
            LayoutDecoder(profile, self._plan, name, points) for name, points in filled.items()
        ]
        self._in_first_block = [
            all(
                self._plan.block_of(span.space, span.address + span.count - 1) == 0
                for point in points.values()
                for span in spans_of(profile, point)
            )
            for points in filled.values()
        ]
        self._handed_over: dict[str, int] = {}
        self._verified = False
        self._moved_s = time.monotonic()

    def forget_identity(self) -> None:
        """The connection is a new one: who answers must be verified again."""
        self._verified = False

    async def poll(self, connection: Connection, cycle_ms: int, publish: Publish) -> Poll:
        """Read the unit once and hand over what is new.

        Args:
            connection: an open connection to its server.
            cycle_ms: sample time of a device that has no clock of its own.
            publish: takes the readings.

        Raises:
            ProtocolError: the device did not answer as it should.
        """
        if not self._verified:
            await self.verify(connection)
            self._verified = True
        for _ in range(TORN_ATTEMPTS):
            registers = np.zeros(self._plan.size, np.uint16)
            asked_s, time_ms = time.monotonic(), cycle_ms
            try:
                await self._fetch(connection, 0, registers)
                time_ms = self._time_ms(registers, cycle_ms)
                if all(self._handed_over.get(d.layout.name) == time_ms for d in self._decoders):
                    return self._nothing_new()
                self._moved_s = time.monotonic()
                self._hand_over(registers, time_ms, publish, whole=False)
                for number in range(1, len(self._plan.blocks)):
                    await self._fetch(connection, number, registers)
                whole = self._held(asked_s) or await self._still_at(connection, time_ms)
            except ProtocolError as error:
                self._tell_missed(time_ms, "no_answer", str(error), publish)
                raise
            if whole:
                self._hand_over(registers, time_ms, publish, whole=True)
                return Poll.NEWS
            self._tell_missed(time_ms, "torn", "the device's clock moved on meanwhile", publish)
        raise BadReply(
            f"the device's clock moved in each of {TORN_ATTEMPTS} readings: "
            "it ticks faster than it can be read; make the period longer or read less"
        )

    def _held(self, asked_s: float) -> bool:
        """Whether the device still held its picture when the last block had come."""
        place = self.profile.time
        return place is not None and time.monotonic() - asked_s < place.holds_s

    def _tell_missed(self, time_ms: int, kind: str, reason: str, publish: Publish) -> None:
        """Name the layouts of a device time that were not handed over."""
        for decoder in self._decoders:
            name = decoder.layout.name
            if self._handed_over.get(name) != time_ms:
                publish(MissedReading(self.spec.device, name, time_ms, kind, reason))

    def _nothing_new(self) -> Poll:
        polling = self.profile.polling
        still_s = time.monotonic() - self._moved_s
        return Poll.STALLED if still_s > polling.stalled_after * polling.period_s else Poll.NOTHING

    async def write(self, connection: Connection, write: Write, value: float) -> None:
        """Write one command point and return when the device has confirmed it.

        Raises:
            ProtocolError: out of range, refused, without an answer, or not shown afterwards.
        """
        power = 0
        urgency = Urgency.ROUTINE if write.routine else Urgency.COMMAND
        if write.scale_factor is not None:
            power = int(await self._read_place(connection, write.scale_factor, urgency))
        registers = registers_for(write, value, power)
        timeout_s = self.profile.polling.timeout_s
        await connection.write(
            self.spec.unit,
            write.space or Space.HOLDING,
            write.address - len(write.before),
            registers,
            timeout_s,
            single=write.single,
            urgency=urgency,
        )

        def read(space: Space, address: int, count: int) -> Awaitable[Registers]:
            return connection.read(
                self.spec.unit, space, address, count, timeout_s, urgency=urgency
            )

        await see(read, write, registers, value)

    async def verify(self, connection: Connection) -> None:
        """Compare the registers that tell who this device is.

        Raises:
            WrongDevice: it is another one.
        """
        for place in self.profile.expect:
            found = int(await self._read_place(connection, place))
            if found != place.equals:
                raise WrongDevice(
                    f"{place.meaning} at {self.profile.space_of(place)} {place.address} is "
                    f"{found}, the profile {self.spec.profile} says {place.equals}: "
                    "choose the profile of this device"
                )

    async def _read_place(
        self, connection: Connection, place: Place, urgency: Urgency = Urgency.POLL
    ) -> float:
        space = self.profile.space_of(place)
        registers = await connection.read(
            self.spec.unit,
            space,
            place.address,
            place.type.words,
            self.profile.polling.timeout_s,
            urgency=urgency,
        )
        order = 1 if place.word_order == "hi-lo" else -1
        index = np.arange(place.type.words)[::order][None, :]
        return float(gather(registers, index, place.type, place.byte_order)[0])

    async def _fetch(self, connection: Connection, number: int, registers: Registers) -> None:
        """Read one block into its part of the register vector."""
        block = self._plan.blocks[number]
        polling = self.profile.polling
        if polling.pause_s and number:
            await asyncio.sleep(polling.pause_s)
        registers[block.start : block.start + block.count] = await connection.read(
            self.spec.unit, block.space, block.address, block.count, polling.timeout_s
        )

    def _time_ms(self, registers: Registers, cycle_ms: int) -> int:
        """Return the sample's time; a device without a clock takes the cycle's."""
        place = self.profile.time
        if place is None:
            return cycle_ms
        index = indices(self._plan, self.profile, place)
        raw = int(gather(registers, index, place.type, place.byte_order)[0])
        return self._checked_ms(raw, place.unit)

    def _checked_ms(self, raw: int, unit: str) -> int:
        place = self.profile.time
        if raw == 0 or (place is not None and raw in place.markers):
            raise BadReply("the device's clock is not set; set it, or leave [time] out")
        return raw * 1000 if unit == "s" else raw

    async def _still_at(self, connection: Connection, time_ms: int) -> bool:
        """Whether the device's clock still shows the time of the first block."""
        place = self.profile.time
        if place is None or len(self._plan.blocks) == 1:
            return True
        raw = int(await self._read_place(connection, place))
        return self._checked_ms(raw, place.unit) == time_ms

    def _hand_over(
        self, registers: Registers, time_ms: int, publish: Publish, *, whole: bool
    ) -> None:
        """Publish the layouts that are complete and not handed over yet."""
        for decoder, early in zip(self._decoders, self._in_first_block, strict=True):
            name = decoder.layout.name
            if not (whole or early) or self._handed_over.get(name) == time_ms:
                continue
            values, quality = decoder.decode(registers)
            received_ms = now_ms()
            clock = self.profile.time
            if clock is not None and abs(received_ms - time_ms) > clock.max_error_s * 1000:
                quality[quality == Quality.GOOD] = Quality.QUESTIONABLE
            self._handed_over[name] = time_ms
            publish(Reading(self.spec.device, name, time_ms, received_ms, values, quality))
