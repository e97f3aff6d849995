"""Processes beside the controller: started, heard, watched, and replaced when they fail.

What may hang or crash, and what takes its time, runs in a process of its own. This is the one way
in which the station keeps such a process: a socket pair with framed messages, a host that kills
what stays silent and starts the next one, a child that dies with its parent.
"""

from station.processes.child import ChildArguments, attend, child_parser, leave
from station.processes.errors import WireError
from station.processes.starving import Starving
from station.processes.tasks import end
from station.processes.watched import Child, HostTiming, Owner, WatchedProcess

__all__ = [
    "Child",
    "ChildArguments",
    "HostTiming",
    "Owner",
    "Starving",
    "WatchedProcess",
    "WireError",
    "attend",
    "child_parser",
    "end",
    "leave",
]
