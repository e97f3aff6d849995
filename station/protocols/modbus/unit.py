"""One Modbus unit: asked group by group, each of its ticks handed over exactly once.

The device's own clock is the identity of a sample. A reading of several requests is coherent
if the device holds the picture that goes with its time until the last of them is answered; of
any other device only if the clock did not move meanwhile, so it is read again at the end, and a
torn reading is read afresh. What came whole in the first request needs no second look. What was
asked for and not got whole is told by name.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Sequence
from enum import Enum

from station.protocols.clock_watch import ClockWatch
from station.protocols.driver import DeviceSpec, Publish
from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError, WrongDevice
from station.protocols.health import Health
from station.protocols.modbus.client import Connection
from station.protocols.modbus.encode import registers_for
from station.protocols.modbus.gather import Registers, value_at
from station.protocols.modbus.group import Group, see_unit
from station.protocols.modbus.mbap import Question
from station.protocols.modbus.profile import Place, Profile, Space, Write
from station.protocols.modbus.read_back import see
from station.protocols.modbus.rhythm import rhythms_of
from station.protocols.modbus.turn import Urgency

TORN_ATTEMPTS = 3


class Poll(Enum):
    """What one poll of a unit brought."""

    NEWS = "a tick not seen before"
    NOTHING = "the tick already handed over"
    STALLED = "the same tick for too long"


class NoAnswerYet(DeviceUnreachable):
    """The device takes longer than is usual on its line, and its neighbours need not wait."""


class Unit:
    """One device behind a server: what is asked of it, and how it is.

    Attributes:
        groups: what is asked, one for each rhythm.
        health: whether it answers.
        number: running number in the station, which spreads slow groups over their period.
        answered_in_s: how long its newest answer to a first question took.
    """

    def __init__(self, spec: DeviceSpec, profile: Profile, number: int = 0) -> None:
        """Compile the profile."""
        self.spec = spec
        self.profile = profile
        self.number = number
        self.health = Health(spec.device)
        clock = profile.time
        watch = None if clock is None else ClockWatch(spec.device, clock.max_error_s)
        self.groups = [Group(spec, profile, rhythm, watch) for rhythm in rhythms_of(profile)]
        self.answered_in_s = 0.0
        self._verified: dict[Connection, int] = {}
        self._time_ms = 0
        self._moved_s = time.monotonic()

    async def poll(
        self,
        group: Group,
        connection: Connection,
        cycle_ms: int,
        publish: Publish,
        patience_s: float = math.inf,
    ) -> Poll:
        """Read one group of the unit once and hand over what is new.

        Args:
            group: one of the unit's.
            connection: an open connection to its server.
            cycle_ms: sample time of a device that has no clock of its own.
            publish: takes the readings.
            patience_s: how long to wait for the first answer, where that is less than the
                device's time-out.

        Raises:
            NoAnswerYet: it did not come within this patience; nothing is told of it.
            ProtocolError: the device did not answer as it should.
        """
        if self._verified.get(connection) != connection.opened:
            await self.verify(connection)
            self._verified[connection] = connection.opened
        for _ in range(TORN_ATTEMPTS):
            asked_s, time_ms = time.monotonic(), cycle_ms
            try:
                await self._ask_first(connection, group, patience_s)
                group.check_identity(whole=False)
                time_ms = group.time_ms(cycle_ms)
                self._note_time(time_ms)
                if group.has_handed_over(time_ms):
                    return Poll.STALLED if self._stands_still(group) else Poll.NOTHING
                group.hand_over(time_ms, publish, whole=False)
                whole = True
                if len(group.questions) > 1:
                    await self._ask_rest(connection, group)
                    group.check_identity(whole=True)
                    whole = self._held(asked_s) or await self._still_at(connection, group, time_ms)
            except NoAnswerYet:
                raise
            except ProtocolError as error:
                group.tell_missed(time_ms, "no_answer", str(error), publish)
                raise
            if whole:
                group.hand_over(time_ms, publish, whole=True)
                return Poll.STALLED if self._stands_still(group) else Poll.NEWS
            group.tell_missed(time_ms, "torn", "the device's clock moved on meanwhile", publish)
        raise BadReply(
            f"the device's clock moved in each of {TORN_ATTEMPTS} readings: "
            "it ticks faster than it can be read; make the period longer or read less"
        )

    async def _ask_first(self, connection: Connection, group: Group, patience_s: float) -> None:
        timeout_s, asked_s = self.profile.polling.timeout_s, time.monotonic()
        try:
            await connection.ask(group.questions[:1], group.registers, min(timeout_s, patience_s))
        except DeviceUnreachable as error:
            if patience_s < timeout_s and connection.connected:
                raise NoAnswerYet(str(error)) from error
            raise
        self.answered_in_s = time.monotonic() - asked_s

    async def _ask(
        self, connection: Connection, group: Group, questions: Sequence[Question]
    ) -> None:
        await connection.ask(questions, group.registers, self.profile.polling.timeout_s)

    async def _ask_rest(self, connection: Connection, group: Group) -> None:
        """Ask all questions but the first; with a rest before each, where the device wants it."""
        pause_s = self.profile.polling.pause_s
        if not pause_s:
            await self._ask(connection, group, group.questions[1:])
            return
        for question in group.questions[1:]:
            await asyncio.sleep(pause_s)
            await self._ask(connection, group, (question,))

    def _note_time(self, time_ms: int) -> None:
        if time_ms != self._time_ms:
            self._time_ms = time_ms
            self._moved_s = time.monotonic()

    def _stands_still(self, group: Group) -> bool:
        """Whether the device's clock has shown the same time for too long."""
        polling = self.profile.polling
        period_s = max(polling.period_s, group.rhythm.period_s)
        return time.monotonic() - self._moved_s > polling.stalled_after * period_s

    def _held(self, asked_s: float) -> bool:
        """Whether the device still held its picture when the last block had come."""
        place = self.profile.time
        return place is not None and time.monotonic() - asked_s < place.holds_s

    async def _still_at(self, connection: Connection, group: Group, time_ms: int) -> bool:
        """Whether the device's clock still shows the time of the first block."""
        place = self.profile.time
        if place is None:
            return True
        return group.checked_ms(int(await self._read_place(connection, place))) == time_ms

    async def write(self, connection: Connection, write: Write, value: float) -> None:
        """Write one command point and return when the device has confirmed it.

        Raises:
            ProtocolError: out of range, refused, without an answer, or not shown afterwards.
        """
        power = 0.0
        urgency = Urgency.ROUTINE if write.routine else Urgency.COMMAND
        if write.scale_factor is not None:
            power = await self._read_place(connection, write.scale_factor, urgency)
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
            if place.names_unit:
                see_unit(self.profile, place, self.spec.unit, found)
            elif found != place.equals:
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
        return value_at(registers, place)
