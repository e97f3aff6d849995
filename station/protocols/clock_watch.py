"""Whether a device's clock agrees with the station's: logged once each way."""

import logging

log = logging.getLogger(__name__)

_RIGHT_AGAIN = 0.9
"""A clock that drifts about its bound is not told every second."""


class ClockWatch:
    """The clock of one device, however many groups bring its time."""

    def __init__(self, device: str, max_error_s: float) -> None:
        """Take the clock for right."""
        self._device = device
        self._max_ms = max_error_s * 1000
        self._told = False

    def is_wrong(self, error_ms: int) -> bool:
        """Return whether a clock that is off by so much makes values questionable; ahead is +."""
        off_ms = abs(error_ms)
        if off_ms > self._max_ms and not self._told:
            self._told = True
            log.warning("device=%s event=clock_wrong by_s=%+.1f", self._device, error_ms / 1000)
        elif off_ms <= self._max_ms * _RIGHT_AGAIN and self._told:
            self._told = False
            log.info("device=%s event=clock_right", self._device)
        return off_ms > self._max_ms
