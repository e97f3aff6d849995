"""From judgements to findings, and the latches that keep them until somebody resets them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from contract.limits import LimitReason
from contract.words import Words
from station.protection.judge import Judgement, edges, highest
from station.protection.levels import Direction, Level, ResetRule
from station.protection.restraints import Restraint
from station.protection.rules import LEVEL_CODES, Rule, Rules
from station.protection.verdict import Finding

Judged = Mapping[str, Judgement]
LatchKey = tuple[str, str]
"""Rule and device."""


@dataclass(frozen=True)
class Latch:
    """A level that was reached and is kept; the fields mean what those of `Finding` mean."""

    rule: str
    level: Level
    device: str
    container: str
    value: float
    limit: float
    unit: str
    since_ms: int
    reset: ResetRule
    name: Words
    cell: int | None = None
    code: str = ""


Latches = Mapping[LatchKey, Latch]


def latch(rules: Rules, judged: Judged, before: Judged, latches: Latches) -> Latches:
    """Return the latches with those that this cycle has added; none is ever taken away here."""
    added: dict[LatchKey, Latch] = {}
    for rule in rules.rules:
        now = judged.get(rule.id)
        if now is None or all(level.reset is ResetRule.AUTO for _, level in rule.levels):
            continue
        for level, j in edges(rule, now, before.get(rule.id)):
            figures = rule.level(level)
            key = (rule.id, now.devices[j])
            known = added.get(key) or latches.get(key)
            if figures is None or figures.reset is ResetRule.AUTO:
                continue
            if known is None or known.level < level:
                added[key] = _latch(rule, now, level, j)
    return MappingProxyType({**latches, **added}) if added else latches


def find(rules: Rules, judged: Judged, latches: Latches) -> tuple[Finding, ...]:
    """Return everything that stands or is latched, the gravest first, then by device time."""
    found: dict[LatchKey, Finding] = {}
    for rule in rules.rules:
        judgement = judged.get(rule.id)
        if judgement is not None:
            for level, i, j in highest(rule, judgement):
                key = (rule.id, judgement.devices[j])
                found[key] = _finding(rule, judgement, (level, i, j), latched=key in latches)
    for key, kept in latches.items():
        standing = found.get(key)
        if standing is None or standing.level < kept.level:
            found[key] = _latched(kept)
    return tuple(sorted(found.values(), key=lambda f: (-f.level, f.since_ms, f.rule, f.device)))


def still_there(kept: Latch, judged: Judged, rules: Rules) -> bool | None:
    """Whether a latch's cause stands: True, False, or None when it cannot be seen.

    A cause is gone once its value is back behind limit and dead band. That of a rule or device
    that the station no longer has is gone, too.
    """
    rule, judgement = rules.find(kept.rule), judged.get(kept.rule)
    if not judged:
        return None
    if rule is None or judgement is None or kept.device not in judgement.index:
        return False
    j = judgement.index[kept.device]
    places = [i for i, (level, _) in enumerate(rule.levels) if level >= kept.level]
    if (judgement.standing | judgement.over)[places, j].any():
        return True
    if not judgement.known[j]:
        return None
    return bool((judgement.back_s[places, j] < 0).any())


def restraint(finding: Finding, rules: Rules) -> Restraint | None:
    """Return what a finding leaves of the power; None for a mere warning."""
    rule = rules.find(finding.rule)
    if finding.level < Level.DERATE:
        return None
    figures = None if rule is None else rule.level(Level.DERATE)
    factor = 0.0
    if finding.level is Level.DERATE and figures is not None and figures.factor is not None:
        factor = figures.factor
    # A trip parts the device from the rest: it has no good direction.
    direction = rule.direction if rule and finding.level < Level.TRIP else Direction.BOTH
    return Restraint(
        charge=1.0 if direction is Direction.DISCHARGE else factor,
        discharge=1.0 if direction is Direction.CHARGE else factor,
        reason=(rule.reason if rule else LimitReason.NONE) or _REASONS[finding.level],
        device=finding.device,
        cell=finding.cell,
    )


_REASONS = {
    Level.DERATE: LimitReason.PROTECTION_DERATE,
    Level.STOP: LimitReason.PROTECTION_STOP,
    Level.TRIP: LimitReason.PROTECTION_TRIP,
}


def _latch(rule: Rule, judgement: Judgement, level: Level, j: int) -> Latch:
    i = [known for known, _ in rule.levels].index(level)
    return Latch(
        rule=rule.id,
        level=level,
        device=judgement.devices[j],
        container=judgement.containers[j],
        value=float(judgement.value[j]),
        limit=rule.levels[i][1].limit,
        unit=rule.unit,
        since_ms=int(judgement.began_ms[i, j]),
        reset=rule.levels[i][1].reset,
        name=rule.name.words,
        cell=int(judgement.cells[j]) or None,
        code=rule.event_code(level),
    )


def _finding(
    rule: Rule, judgement: Judgement, place: tuple[Level, int, int], *, latched: bool
) -> Finding:
    level, i, j = place
    figures = (float(judgement.value[j]), rule.levels[i][1].limit, rule.unit)
    cell = int(judgement.cells[j]) or None
    return Finding(
        rule.id,
        level,
        judgement.devices[j],
        judgement.containers[j],
        *figures,
        since_ms=int(judgement.began_ms[i, j]),
        latched=latched,
        standing=True,
        words=_words(rule.name.words, level, figures, cell),
        cell=cell,
        code=rule.event_code(level),
    )


def _latched(kept: Latch) -> Finding:
    figures = (kept.value, kept.limit, kept.unit)
    return Finding(
        kept.rule,
        kept.level,
        kept.device,
        kept.container,
        *figures,
        since_ms=kept.since_ms,
        latched=True,
        standing=False,
        words=_words(kept.name, kept.level, figures, kept.cell),
        cell=kept.cell,
        # Journals of older stations keep latches without a code.
        code=kept.code or LEVEL_CODES[kept.level],
    )


def _words(name: Words, level: Level, figures: tuple[float, float, str], cell: int | None) -> Words:
    value, limit, unit = figures
    where_en, where_zh = (f", cell {cell}", f"，{cell} 号单体") if cell else ("", "")
    if not unit:
        return Words(
            f"{name.en}, {level.words.en}{where_en}", f"{name.zh}，{level.words.zh}{where_zh}"
        )
    return Words(
        f"{name.en}, {level.words.en}: {value:.4g} {unit} (limit {limit:g}){where_en}",
        f"{name.zh}，{level.words.zh}：{value:.4g} {unit}（限值 {limit:g}）{where_zh}",
    )


def names(findings: Iterable[Finding | Latch]) -> Words:
    """Return rules and devices of some findings in one line, at most three of them."""
    listed = list(findings)
    shown = listed[:3]
    more = len(listed) - len(shown)
    texts = [(f.words if isinstance(f, Finding) else f.name, f.device) for f in shown]
    en = "; ".join(f"{words.en} at {device}" for words, device in texts)
    zh = "；".join(f"{device} {words.zh}" for words, device in texts)
    return Words(
        en + (f"; {more} more" if more else ""), zh + (f"；另有 {more} 项" if more else "")
    )
