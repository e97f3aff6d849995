"""Estimates as a part of the station: moments to the process, its answers to image and cloud.

Nothing here is waited for: a station without estimators, or whose estimator process is gone,
controls as before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from contract.layouts import ESTIMATE, ESTIMATE_LIMIT, ESTIMATE_STATION, estimate_cells_layout
from contract.words import Words
from station.alarms import Condition, plain
from station.bounding_rack import bounding_racks
from station.clock import now_ms
from station.computed import Instant, computed_cells, computed_sample, computed_samples
from station.config import DeviceConfig, EstimatorsConfig, Role, StationConfig
from station.estimation import Answer, Began, EstimatorHost, GroupSetup, HostPorts, Report, Setup
from station.estimator_findings import Anomalies, Disagreement, Doubts, UnusedSohModel
from station.estimator_inputs import EstimatorInputs, rated_kw_of
from station.image import Image
from station.model_desk import ModelDesk
from station.samples import Sample
from station.station_row import DEVICE
from station.status import plain_numbers

LOST_MS = 60_000
"""A process that was lost is shown for so long, even when the next one works at once."""
_FEW_TAGS = 8
"""So many racks that begin anew are named in an event."""
_SHOWN = ("soc_estimate", "soc_half_width", "soh_estimate", "innovation_ratio", "cells_searching")


@dataclass(frozen=True)
class DeskPorts:
    """Whom the desk tells.

    Attributes:
        sample: takes what was computed.
        note: takes an event by its code, with words.
        raise_for: lets a condition hold until a time.
    """

    sample: Callable[[Sample], None]
    note: Callable[[str, Words], None]
    raise_for: Callable[[Condition, int], None]


class EstimatorDesk:
    """The estimators of one station, or none.

    Attributes:
        host: of the process; None where the configuration names no estimators.
        report: how the process does, of the newest answer; None while none answers.
    """

    def __init__(
        self,
        config: StationConfig,
        cells: Mapping[str, int],
        ports: DeskPorts,
        models: ModelDesk | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            config: of the station.
            cells: how many cells each rack tells, by tag.
            ports: whom to tell.
            models: says which models are to run; None: that of the configuration, alone.
        """
        self._ports = ports
        self._models = models
        self.host: EstimatorHost | None = None
        self._racks: list[DeviceConfig] = []
        self._lost: Condition | None = None
        self._answer: Answer | None = None
        self._disagreement = Disagreement()
        self._anomalies = Anomalies()
        self._doubts = Doubts()
        self._unused_soh = UnusedSohModel()
        if config.estimators is None:
            return
        groups = groups_of(config, config.estimators, cells)
        if models is not None:
            groups = (_arranged(groups[0], *models.folders), *groups[1:])
        by_tag = {rack.tag: rack for rack in config.with_role(Role.RACK)}
        self._racks = [by_tag[tag] for group in groups for tag in group.racks]
        self._tags = [rack.tag for rack in self._racks]
        self._cells = [n for group in groups for n in group.cells]
        self._inputs = EstimatorInputs(config, self._racks, cells)
        site, asked = config.station, config.estimators
        setup = Setup(
            groups=groups,
            soc_min=site.soc_min,
            soc_max=site.soc_max,
            confidence=asked.confidence,
            state_file=str(site.data_dir / "estimators" / "state.bin"),
            state_period_s=asked.state_period_s,
            cells_period_s=asked.cells_period_s,
        )
        heard = HostPorts(self._on_answer, self._on_began, self._on_lost)
        self.host = EstimatorHost(setup, heard, silence_s=asked.silence_s)
        if models is not None:
            models.serve(self.host)

    @property
    def report(self) -> Report | None:
        """How the process does; None while none answers."""
        return None if self.host is None else self.host.report

    def start(self) -> None:
        """Start the process."""
        if self.host is not None:
            self.host.start()

    async def close(self) -> None:
        """Let the process keep its state and end."""
        if self.host is not None:
            await self.host.close()

    def on_second(
        self, image: Image, second_ms: int, allowed: Mapping[str, tuple[float, float]]
    ) -> None:
        """Send the moment that is due, unless the process is still busy with the one before.

        `allowed` is what protection lets racks be (charged, discharged) with, A, by tag.
        """
        if self.host is None:
            return
        self._inputs.note(image)
        if self.host.is_free and self._inputs.is_due(second_ms):
            self.host.take(self._inputs.moment(image, second_ms, allowed))
        if self._answer is not None:
            self._disagreement.note(image, self._tags, self._answer)

    def conditions(self) -> Iterator[Condition]:
        """Yield what is worth telling people at this moment."""
        if self._lost is not None:
            yield self._lost
        yield from self._disagreement.conditions()
        yield from self._anomalies.conditions()
        yield from self._doubts.conditions()
        yield from self._unused_soh.conditions()

    def bounding_racks(self) -> Mapping[str, str]:
        """Return the rack that bounds what can be promised, by direction; none while unknown."""
        if self._answer is None or self.report is None:
            return {}
        return bounding_racks(self._tags, self._answer.station, self._answer.racks)

    def status(self) -> dict[str, Any] | None:
        """Return what the status file says; None without estimators."""
        if self.host is None:
            return None
        answer, report = self._answer, self.report
        said: dict[str, Any] = {
            "pid": self.host.pid,
            "restarts": self.host.restarts,
            "answers": report is not None,
            "at_ms": None if answer is None else answer.at_ms,
        }
        if answer is not None:
            said |= plain_numbers({name: answer.station.get(name, np.nan) for name in _SHOWN})
        if report is not None:
            said |= {
                "model": f"{report.active.name} v{report.active.version}",
                "tick_ms": round(report.active.tick_s * 1000, 2),
                "core_share": round(report.core_share, 4),
                "memory_mb": round(report.memory_bytes / 1e6, 1),
            }
        if self._models is not None:
            said |= {"model_state": self._models.life.stage.value}
        return said

    def _on_answer(self, answer: Answer) -> None:
        if self._models is not None:
            self._models.on_report(answer.report)
            answer = replace(answer, station={**answer.station, **self._models.signals})
        self._lost, self._answer = None, answer
        at = Instant(answer.at_ms, now_ms())
        for sample in self._samples(answer, at):
            self._ports.sample(sample)
        self._anomalies.note(self._tags, answer)
        self._doubts.note(self._tags, answer)
        self._unused_soh.note(answer)

    def _samples(self, answer: Answer, at: Instant) -> Iterator[Sample]:
        yield computed_sample(DEVICE, ESTIMATE_STATION, answer.station, at)
        yield from computed_samples(self._tags, ESTIMATE, answer.racks, at)
        if np.isfinite(answer.racks["charge_health_share"]).any():
            yield from computed_samples(self._tags, ESTIMATE_LIMIT, answer.racks, at)
        start = 0
        for tag, count in zip(self._tags, self._cells, strict=True):
            part = {name: values[start : start + count] for name, values in answer.cells.items()}
            start += count
            if part:
                yield computed_cells(tag, estimate_cells_layout(count), part, at)

    def _on_began(self, began: Began) -> None:
        if began.how == "resumed":
            self._ports.note("estimator.resumed", _resumed_words(began))
            return
        reason = plain(began.reason or "-").en
        words = Words(f"from the SOC of the BMS ({reason})", f"以 BMS 的 SOC 为起点（{reason}）")
        if not began.reason:
            words = Words("from the SOC of the BMS", "以 BMS 的 SOC 为起点")
        self._ports.note("estimator.cold_start", words)

    def _on_lost(self, reason: str) -> None:
        if self._models is not None:
            self._models.on_lost(reason)
        at_ms = now_ms()
        self._lost = Condition("estimator.lost", DEVICE, at_ms, detail=plain(reason))
        self._ports.raise_for(self._lost, at_ms + LOST_MS)


def _resumed_words(began: Began) -> Words:
    """Return after how long estimates go on, and for which racks they begin."""
    words = Words(f"after {began.away_s:.0f} s", f"中断 {began.away_s:.0f} 秒后")
    if not began.cold:
        return words
    few, more = began.cold[:_FEW_TAGS], len(began.cold) > _FEW_TAGS
    en, zh = ", ".join(few) + ", ..." * more, "、".join(few) + "……" * more
    number = len(began.cold)
    return Words(
        f"{words.en}; {number} of {number + began.resumed} racks begin from the SOC of their BMS: "
        f"{en}",
        f"{words.zh}；{number + began.resumed} 簇中有 {number} 簇以其 BMS 的 SOC 为起点：{zh}",
    )


def _arranged(group: GroupSetup, bundle: Path, second: Path | None) -> GroupSetup:
    return replace(group, bundle=str(bundle), second="" if second is None else str(second))


def groups_of(
    config: StationConfig, asked: EstimatorsConfig, cells: Mapping[str, int]
) -> tuple[GroupSetup, ...]:
    """Return the racks by make of their cells; those of the section's own bundle come first."""
    elsewhere = {tag for make in asked.makes for tag in make.racks}
    racks = config.with_role(Role.RACK)
    own = [rack for rack in racks if rack.tag not in elsewhere]
    makes = [(asked.bundle, asked.parallel, asked.health_curves, own)]
    makes += [
        (
            *(make.bundle, make.parallel, make.health_curves or asked.health_curves),
            [rack for rack in racks if rack.tag in make.racks],
        )
        for make in asked.makes
    ]
    containers = sorted({rack.container or "" for rack in racks})
    return tuple(
        GroupSetup(
            bundle=str(bundle),
            second="",
            racks=tuple(rack.tag for rack in members),
            cells=tuple(cells[rack.tag] for rack in members),
            parallel=parallel,
            rated_kw=tuple(rated_kw_of(config, rack) for rack in members),
            health_curves="" if curves is None else str(curves),
            stacks=tuple(containers.index(rack.container or "") for rack in members),
        )
        for bundle, parallel, curves, members in makes
    )
