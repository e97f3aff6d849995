"""The controller's side of the estimator process: moments in, answers out, nobody waits.

At most one moment is under way: while the process has not answered, the next ones are not sent,
and the one after them covers the longer time. A process that is lost or silent is replaced; it
resumes from its kept state, and the models run as they were arranged.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from station.estimation import wire
from station.processes import Child, HostTiming, WatchedProcess, WireError

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
_ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""Of glibc: the thread that ticks uses what others have freed; with a heap of its own the process
of a large station held twice as much."""
_START_S = 60.0
_LOSSES_WITH_SECOND = 2
"""A second model with which the process was lost so often in a row is not started again."""


@dataclass(frozen=True)
class HostPorts:
    """Whom the host tells, in the event loop.

    Attributes:
        answer: what was made of a moment.
        began: how a process came to its state.
        lost: a process is gone, and why.
    """

    answer: Callable[[wire.Answer], None]
    began: Callable[[wire.Began], None]
    lost: Callable[[str], None]


class EstimatorHost:
    """The estimators of a station, in a watched process of their own.

    Attributes:
        report: the newest report; None before the first and while no process answers.
    """

    def __init__(
        self,
        setup: wire.Setup,
        ports: HostPorts,
        *,
        silence_s: float,
        timing: HostTiming | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        """Prepare, without starting anything.

        Args:
            setup: what the process must know.
            ports: whom to tell.
            silence_s: a process that neither answers nor beats for so long is replaced.
            timing: the host's patience otherwise.
            jitter: source of chance for the pauses.
        """
        self._setup = setup
        self._ports = ports
        self.report: wire.Report | None = None
        self._under_way = False
        self._losses_with_second = 0
        self._shadow_error = ""
        child = Child(
            *("estimator", "estimators", "station.estimation.worker"),
            most_bytes=wire.MAX_MESSAGE_BYTES,
            environment=_ONE_THREAD | _ONE_HEAP,
        )
        patience = timing or HostTiming(start=_START_S, pause_max=30.0, close=10.0)
        patience = replace(patience, silence=silence_s)
        self._process = WatchedProcess(child, self, patience, jitter)

    @property
    def pid(self) -> int | None:
        """Process id of the process of the moment, None between two."""
        return self._process.pid

    @property
    def restarts(self) -> int:
        """How many times the process was replaced."""
        return self._process.restarts

    @property
    def is_free(self) -> bool:
        """Whether a moment would be taken now."""
        return self._process.can_take and not self._under_way

    def start(self) -> None:
        """Start the process and its supervision; returns at once."""
        self._process.start()

    async def close(self) -> None:
        """Let the process keep its state and end."""
        await self._process.close()

    def take(self, moment: wire.Moment) -> bool:
        """Send a moment; False when the process is not free for it."""
        if not self.is_free:
            return False
        self._under_way = self._process.send(wire.encode(moment))
        return self._under_way

    def shadow(self, folder: Path) -> None:
        """Let a model run beside the one in force."""
        self._losses_with_second, self._shadow_error = 0, ""
        self._arrange(self._first.bundle, str(folder))
        self._process.send(wire.encode(wire.Arrange("shadow", str(folder))))

    def promote(self) -> None:
        """Let the model in force and the second one change places."""
        first = self._first
        if first.second:
            self._arrange(first.second, first.bundle)
            self._process.send(wire.encode(wire.Arrange("promote")))

    def drop_shadow(self) -> None:
        """Let the model in force run alone."""
        self._losses_with_second, self._shadow_error = 0, ""
        self._arrange(self._first.bundle, "")
        self._process.send(wire.encode(wire.Arrange("drop_shadow")))

    def _arrange(self, bundle: str, second: str) -> None:
        """Note an arrangement, with which the next process starts, too."""
        first, *others = self._setup.groups
        first = replace(first, bundle=bundle, second=second)
        self._setup = replace(self._setup, groups=(first, *others))

    @property
    def _first(self) -> wire.GroupSetup:
        return self._setup.groups[0]

    def greeting(self) -> bytes:
        """Return what the process must know."""
        return wire.encode(self._setup)

    def farewell(self) -> bytes:
        """Return the request to end."""
        return wire.encode(wire.Close())

    def hear(self, frame: bytes) -> str:
        """Hand on what the process sends; return why it cannot serve, if so.

        Raises:
            WireError: it is not what was agreed.
        """
        match wire.decode(frame):
            case wire.Answer() as answer:
                self._under_way = False
                self._process.settled()
                if answer.report.second is not None:
                    self._losses_with_second = 0
                self.report = self._with_error(answer.report)
                self._ports.answer(replace(answer, report=self.report))
            case wire.Waiting(at_ms):
                self._under_way = self._under_way and at_ms == 0
            case wire.Began() as began:
                self._ports.began(began)
            case wire.Failed(reason):
                return reason
            case other:
                raise WireError(f"an estimator process sends no {type(other).__name__}")
        return ""

    def mourn(self, reason: str) -> None:
        """Tell that the process is gone."""
        self._under_way = False
        self.report = None
        if self._first.second and not self._process.closing:
            self._losses_with_second += 1
            if self._losses_with_second >= _LOSSES_WITH_SECOND:
                self._shadow_error = f"the estimator process was lost with it: {reason}"
                self._arrange(self._first.bundle, "")
        if not self._process.closing:
            self._ports.lost(reason)

    def _with_error(self, report: wire.Report) -> wire.Report:
        return replace(report, shadow_error=report.shadow_error or self._shadow_error)
