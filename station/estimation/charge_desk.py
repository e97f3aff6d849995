"""From a charge that ended to what the SOH model says of the rack's cells.

A model looks at a hundred charges of hundreds of cells: one rack a second, so that a station
whose racks all end at once keeps its second.
"""

import logging
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from station.estimation.charge_book import ChargeBook, ChargeBookError
from station.estimation.running import Running
from station.estimators import charge_health
from station.estimators.cell_model import Floats
from station.estimators.charge_health import ChargeHealth
from station.estimators.charge_history import ChargeRecord
from station.estimators.soh_features import Series

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Ended:
    """A charge: the rack's number in its group, and its cells' numbers, shape (cells, 16)."""

    rack: int
    numbers: Series


@dataclass
class ChargeDesk:
    """The charges of the racks of one make.

    Attributes:
        tags: of the racks, in the order of the group.
        book: where charges are kept; it is the station's.
    """

    tags: tuple[str, ...]
    book: ChargeBook
    _waiting: deque[_Ended] = field(default_factory=deque)
    _cannot_keep: bool = False

    def note(self, running: Running, numbers: Series | None) -> None:
        """Take what the charges of a moment told, shape (cells, 16); None: none ended."""
        if numbers is None:
            return
        rack = running.model.settings.rack
        told = np.isfinite(numbers).any(axis=1)
        for number in np.unique(rack[told]).tolist():
            self._waiting.append(_Ended(number, numbers[rack == number]))

    def attend(self, running: Running) -> Running:
        """Return the model after the next rack that waits, if one does."""
        health = running.model.settings.charge_health
        if not self._waiting or health is None or running.state.words is None:
            self._waiting.clear()
            return running
        ended = self._waiting.popleft()
        record = self._kept(self.tags[ended.rack], ended.numbers, health)
        soh = health.model.run(record.inputs(np.array(health.model.card.before_first)))
        told: Floats = np.where(record.tells, soh, np.nan).astype(np.float32)
        state, settings = running.state, running.model.settings
        assert state.words is not None  # noqa: S101 - looked at above
        cells = np.flatnonzero(settings.rack == ended.rack)
        words = charge_health.said(state.words, state.meter, ended.rack, cells, told)
        log.info("event=charge_ended rack=%s charges=%d", self.tags[ended.rack], record.count)
        return replace(running, state=replace(state, words=words))

    def _kept(self, tag: str, numbers: Series, health: ChargeHealth) -> ChargeRecord:
        """Return the rack's charges with this one, which is kept before it is used."""
        try:
            before = self.book.read(tag, len(numbers), health.rule)
        except ChargeBookError as error:
            log.warning("event=charges_begin_anew reason=%r", str(error))
            before = ChargeRecord.empty(len(numbers))
        record = before.after(numbers)
        try:
            self.book.write(tag, record, health.rule)
        except OSError as error:
            if not self._cannot_keep:
                log.error("event=charges_not_kept reason=%r", str(error))  # noqa: TRY400 - the text is the whole story
            self._cannot_keep = True
        else:
            self._cannot_keep = False
        return record
