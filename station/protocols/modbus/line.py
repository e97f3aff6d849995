"""One line: a server, the units behind it, and who of them is asked next over which connection.

An `Agenda` says what to ask; each connection takes from it whatever comes first. A silent unit
is asked in gaps, ever more rarely, so its neighbours do not wait for it, and one that takes much
longer than usual is left for a gap; a server that answers nobody loses its connection and is
called again with jittered pauses.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Sequence

from station.protocols.driver import Publish
from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.modbus.agenda import Agenda, Errand
from station.protocols.modbus.client import Connection, DeviceRefused
from station.protocols.modbus.group import Group
from station.protocols.modbus.polling import PollClass
from station.protocols.modbus.unit import NoAnswerYet, Poll, Unit

log = logging.getLogger(__name__)

_PAUSES_S = (0.2, 3.0)
"""Between two calls of a server; the longest lets it be back within 5 s of its return."""
_AGAIN_S = 0.1
"""A device whose tick is late is asked again after this rest."""
_AFTER_FAILURE_S = 1.0
"""A group that failed is asked again after this rest, if its period lasts so long."""
_SILENT_SERVER = 3
"""So many questions in a row without an answer, and the server counts as silent."""
_HEARD_S = 1.0
"""A server that was heard so lately is not silent."""
_FRUITLESS_CONNECTIONS = 2
"""So many connections in a row without one answer, and the server counts as gone."""
_USUAL = 10.0
_LEAST_PATIENCE_S = 0.05
"""A device with neighbours is given so many times what is usual, at least so long; one that
takes longer is asked once more, with its whole time-out, when none of them is due."""
_FORGETS = 0.95
"""What is usual on a line: the longest answer, forgotten by so much with each that is shorter."""
_IN_TIME_S = 10.0
"""So long without a late answer, and a slow line counts as in time again."""

_Errand = Errand[tuple[Unit, Group]]


class Line:
    """All units behind one server.

    Attributes:
        name: host and port.
        connections: to the server, as many as all of its units allow.
        slow_cycles: answers that came after the end of their period.
    """

    def __init__(
        self, host: str, port: int, units: Sequence[Unit], *, shift_s: float = 0.0
    ) -> None:
        """Prepare; `run` serves.

        Args:
            host: address of the server.
            port: its TCP port.
            units: the devices behind it.
            shift_s: asked so much later than their profiles say, as lines begin one by one.
        """
        polling = [unit.profile.polling for unit in units]
        in_flight = min(one.in_flight for one in polling)
        self.name = f"{host}:{port}"
        self.connections = [
            Connection(host, port, in_flight=in_flight)
            for _ in range(min(one.connections for one in polling))
        ]
        self.units = list(units)
        self.slow_cycles = 0
        self._timeout_s = max(one.timeout_s for one in polling)
        self._errands = [
            _errand(unit, group, shift_s) for unit in self.units for group in unit.groups
        ]
        self._of = {
            unit: [errand for errand in self._errands if errand.what[0] is unit]
            for unit in self.units
        }
        self._agenda: Agenda[tuple[Unit, Group]]
        self._jitter = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._slow_until_s = 0.0
        self._fewer = False
        self._usual_s = self._timeout_s / _USUAL

    @property
    def missed_cycles(self) -> int:
        """Periods for which a group was not asked because earlier answers took too long."""
        return sum(errand.missed for errand in self._errands)

    def for_commands(self) -> Connection | None:
        """Return the standing connection on which a command waits least, if there is one."""
        standing = [connection for connection in self.connections if connection.connected]
        return min(standing, key=lambda connection: connection.load, default=None)

    def close(self) -> None:
        """Close all connections."""
        for connection in self.connections:
            connection.close()

    async def run(self, publish: Publish) -> None:
        """Serve the units until cancelled."""
        self._agenda = Agenda(self._errands, time.time())
        async with asyncio.TaskGroup() as group:
            for connection in self.connections:
                group.create_task(self._serve(connection, publish))

    async def _serve(self, connection: Connection, publish: Publish) -> None:
        """Ask over one connection, which is opened anew whenever it is lost."""
        pause_s, fruitless = _PAUSES_S[0], 0
        while True:
            try:
                await connection.connect(self._timeout_s)
            except DeviceUnreachable as error:
                self._refused(str(error), publish)
                await asyncio.sleep(self._jitter.uniform(pause_s / 2, pause_s))
                pause_s = min(pause_s * 2, _PAUSES_S[1])
                continue
            self._accepted()
            fruitless += 1
            if await self._ask_while_connected(connection, publish):
                pause_s, fruitless = _PAUSES_S[0], 0
            if fruitless >= _FRUITLESS_CONNECTIONS:
                self._all_failed("the server answers none of its units", publish)
            await asyncio.sleep(self._jitter.uniform(0, pause_s))
            pause_s = min(pause_s * 2, _PAUSES_S[1])

    async def _ask_while_connected(self, connection: Connection, publish: Publish) -> bool:
        """Ask what the agenda says; return whether there ever was an answer."""
        heard_s, silent = 0.0, 0
        while connection.connected:
            errand = self._agenda.take(time.time())
            if errand is None:
                await asyncio.sleep(self._agenda.wait_s(time.time()))
                continue
            answered = await self._ask(connection, errand, publish)
            if answered is None:
                continue
            if answered:
                heard_s, silent = time.monotonic(), 0
                continue
            silent += 1
            alone = silent >= min(_SILENT_SERVER, len(self.units))
            if alone and time.monotonic() - heard_s > _HEARD_S and connection.connected:
                connection.close()
                self._all_failed("the server answers none of its units", publish)
        return heard_s > 0

    async def _ask(self, connection: Connection, errand: _Errand, publish: Publish) -> bool | None:
        """Poll one group of one unit and note how it is.

        Returns:
            Whether anybody answered; None where that was not waited for.
        """
        unit, group = errand.what
        heard: bool | None = True
        again_s: float | None = None
        cycle_ms, patience_s = round(errand.tick_s * 1000), self._patience_s(errand)
        try:
            errand.spared = False
            poll = await unit.poll(group, connection, cycle_ms, publish, patience_s)
        except NoAnswerYet:
            for other in self._of[unit]:
                other.doubtful = True
            errand.spared, again_s, heard = True, 0.0, None
        except ProtocolError as error:
            silent = isinstance(error, DeviceUnreachable) or (
                isinstance(error, DeviceRefused) and error.is_silence
            )
            heard = not isinstance(error, DeviceUnreachable)
            self._failed(errand, str(error), publish, silent=silent)
            again_s = _AFTER_FAILURE_S
        else:
            if poll is Poll.STALLED:
                self._failed(errand, "the device's clock stands still", publish, silent=False)
            else:
                self._answered(errand, poll, publish)
            again_s = _AGAIN_S if poll is Poll.NOTHING else None
            self._note_duration(errand, time.time())
        self._agenda.done(errand, time.time(), again_s)
        return heard

    def _patience_s(self, errand: _Errand) -> float:
        """Return how long its neighbours wait for a device that has always answered."""
        if errand.doubtful or len(self.units) == 1:
            return math.inf
        return max(_USUAL * self._usual_s, _LEAST_PATIENCE_S)

    def _answered(self, errand: _Errand, poll: Poll, publish: Publish) -> None:
        unit, group = errand.what
        self._usual_s = max(unit.answered_in_s, _FORGETS * self._usual_s)
        for other in self._of[unit]:
            other.doubtful = False
        if poll is Poll.NOTHING:
            return
        group.failures = 0
        errand.rest_until_s = 0.0
        if any(one.failures for one in unit.groups):
            return
        if unit.health.connected is False:
            self._ask_soon()
        unit.health.answered(publish)

    def _failed(self, errand: _Errand, reason: str, publish: Publish, *, silent: bool) -> None:
        """Note a failure: of the whole unit when it is silent, else of what it was asked."""
        unit, group = errand.what
        group.failures += 1
        unit.health.failed(reason, publish)
        rest_until_s = time.time() + unit.health.rest_s
        for other in self._of[unit] if silent else [errand]:
            other.doubtful = other.doubtful or silent
            other.rest_until_s = rest_until_s

    def _ask_soon(self) -> None:
        """Drop all pauses: something behind this server has come back."""
        for errand in self._errands:
            errand.rest_until_s = 0.0

    def _accepted(self) -> None:
        """Give every unit its chance: the connection is a new one."""
        self._ask_soon()
        for errand in self._errands:
            errand.doubtful = errand.spared = False
        if self._fewer and all(connection.connected for connection in self.connections):
            self._fewer = False
            log.info("line=%s event=all_connections", self.name)

    def _refused(self, reason: str, publish: Publish) -> None:
        """The server accepts no connection, or no further one."""
        if self.for_commands() is None:
            self._all_failed(reason, publish)
        elif not self._fewer:
            self._fewer = True
            log.warning("line=%s event=fewer_connections reason=%r", self.name, reason)

    def _all_failed(self, reason: str, publish: Publish) -> None:
        if self.for_commands() is None:
            for unit in self.units:
                unit.health.failed(reason, publish, at_once=True)

    def _note_duration(self, errand: _Errand, now_s: float) -> None:
        """Count an answer that took past the end of its period; log when that begins and ends."""
        late = now_s > errand.end_s
        self.slow_cycles += late
        if late:
            if not self._slow_until_s:
                log.warning("line=%s event=slow slow_cycles=%d", self.name, self.slow_cycles)
            self._slow_until_s = time.monotonic() + _IN_TIME_S
        elif self._slow_until_s and time.monotonic() > self._slow_until_s:
            self._slow_until_s = 0.0
            log.info("line=%s event=in_time slow_cycles=%d", self.name, self.slow_cycles)


def _errand(unit: Unit, group: Group, shift_s: float) -> _Errand:
    """Return the errand of a group; slow ones are spread over the seconds of their period."""
    polling, period_s = unit.profile.polling, group.rhythm.period_s
    phase_s = polling.phase_s + shift_s
    if group.rhythm.poll_class is PollClass.FAST:
        phase_s = min(polling.phase_s, period_s / 2)
    seconds = int(period_s) if group.rhythm.poll_class is PollClass.SLOW else 0
    return Errand(
        what=(unit, group),
        period_s=period_s,
        phase_s=phase_s,
        offset_s=float(unit.number % seconds) if seconds else 0.0,
        timeout_s=polling.timeout_s,
    )
