"""A process that sends one sign of life and then does as it is told: hangs, spins, or works."""

import os
import socket
import threading
import time

from station.processes import attend, child_parser, framing

MOST_BYTES = 1 << 10
BEAT = framing.pack("beat", {}, most=MOST_BYTES)
WORK_S = 0.3
"""Processor time between two signs of life of one that works."""


def main() -> None:
    parser = child_parser("restless")
    parser.add_argument("mode")
    parser.add_argument("cpu", type=int)
    arguments = parser.parse_args()
    attend(arguments.parent)
    host = socket.socket(fileno=arguments.fd)
    if arguments.mode == "works":
        os.sched_setaffinity(0, {arguments.cpu})
        os.nice(12)
    host.sendall(BEAT)
    if arguments.mode == "hangs":
        threading.Event().wait()
    while True:
        done_s = time.process_time() + WORK_S
        while time.process_time() < done_s or arguments.mode == "spins":
            pass
        host.sendall(BEAT)


if __name__ == "__main__":
    main()
