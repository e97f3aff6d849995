"""A place before others at the processor, for what has a deadline in milliseconds.

Linux's round-robin real-time class runs a thread as soon as it has something to do, whatever else
the machine is busy with. It needs a right (CAP_SYS_NICE, or LimitRTPRIO of a service); without it
the station works all the same, with more jitter. The kernel keeps 5 % of each second for all
others (sched_rt_runtime_us), so a mistake here cannot lock a machine.
"""

import gc
import logging
import os

log = logging.getLogger(__name__)


def spare_the_collector() -> None:
    """Take what a process has built so far out of the garbage collector's sight.

    A full collection walks over every object of the process, modules and all, while nothing else
    runs: 20 to 50 ms in a station's controller, most of a period of its fast loop. What is there
    when the loops begin stays until the end.
    """
    gc.collect()
    gc.freeze()


def ask_for_priority(level: int, *, threads_too: bool) -> bool:
    """Put the calling thread into the real-time class; return whether it is there.

    Args:
        level: 1 (lowest) to 99; 0 asks for nothing.
        threads_too: threads and processes begun later are there as well.
    """
    if not level:
        return False
    kind = os.SCHED_RR if threads_too else os.SCHED_RR | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, kind, os.sched_param(level))
    except OSError as error:
        log.info("event=no_realtime_priority reason=%r", error.strerror)
        return False
    log.info("event=realtime_priority level=%d", level)
    return True
