"""The card of a network: what it was trained on, what it never saw, how good it is there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from cell_lab.network.run import Plan, Trained
from cell_lab.network.scores import Alone, Fused, Scores
from cell_lab.network.splits import Splits
from cell_lab.recordings import Recording

CARD_FILE = "model-card.md"
_HEAD = """# SOC network, fold `{fold}`

Written by `./stationmaster train network`; do not edit. A Transformer-GRU that tells by how much
the filter's SOC is off and how sure it is of that. A station never publishes it: it is one more
witness of the filter, and is not asked where it is not sure.
"""
_WEAK = """## Where it is weak
- The makes it was trained on are few, and of small cells; made cells (`cell_lab/network`) are bent
  from their tables. On the flat middle of another LFP make it may be surer than it should be.
- Ambient light and humidity are inputs because a station may have them. No recording holds them:
  in training they were numbers without a meaning, and it learned to pass them over.
- Each training series is a rack of one cell: what a rack's other cells tell is averaged, not
  learned from.
- SOC of a laboratory is counted charge; where the count is off, so is what was learned.
- It knows a capacity only through its inputs; ageing was put in as up to 2 % of wrong capacity.
"""


def model_card(
    trained: Trained,
    plan: Plan,
    splits: Splits,
    recordings: Sequence[Recording],
    scores: Scores,
) -> str:
    """Return the card as Markdown."""
    parts = [
        _HEAD.format(fold=plan.fold).strip(),
        "\n".join(_facts(trained, plan, splits, recordings)),
        "\n".join(_alone_table(scores.alone)),
        "\n".join(_fused_table(scores.fused)),
        _WEAK.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_card(text: str, folder: Path) -> None:
    """Put the card beside the network."""
    (folder / CARD_FILE).write_text(text, "utf-8")


def _facts(
    trained: Trained, plan: Plan, splits: Splits, recordings: Sequence[Recording]
) -> Iterator[str]:
    facts, trust = trained.facts, trained.facts.trust
    used = [
        each for each in recordings if not each.slow and splits.role(each, plan.fold) == "train"
    ]
    yield "## What it is"
    yield (
        f"- {facts.parameters} numbers; a cell remembers {facts.hidden}, a rack "
        f"{facts.layers} x {facts.window} x {2 * facts.key}. Streaming ONNX is within "
        f"{trained.difference:.0e} of PyTorch over whole sequences."
    )
    yield (
        f"- Trained on {trained.series} series of {plan.amounts.seconds} s, {plan.amounts.made} of "
        f"them of made cells; seed {plan.settings.seed}; best after {trained.fitted.step} steps."
    )
    for cell in dict.fromkeys(each.cell for each in used):
        own = [each for each in used if each.cell == cell]
        held_c = ", ".join(f"{each:g}" for each in sorted({each.chamber_c for each in own}))
        yield f"- Trained on {cell}: {len(own)} recordings at {held_c} °C."
    for cell, held in splits.folds[plan.fold].items():
        yield f"- Never saw {cell} at {', '.join(f'{each:g}' for each in held)} °C."
    yield (
        f"- Never saw the cycles {', '.join(splits.held_out_cycles) or 'none'}, nor the cells "
        f"{', '.join(splits.held_out_cells) or 'none'}."
    )
    yield (
        f"- Trust, found on {', '.join(splits.validation_cycles) or 'training series'}: errors "
        f"reach {trust.sd_times:g} times what it expects, and last {trust.lasts_s:.0f} s; not "
        f"asked where it expects more than {100 * trust.most_sd:g} % of SOC."
    )


def _alone_table(rows: Sequence[Alone]) -> Iterator[str]:
    if not rows:
        return
    yield "## Alone, where it never was"
    yield "Beliefs that wander go in; RMSE in percent of SOC from ten minutes after the start.\n"
    yield "| where | belief | network | in its 90 % interval |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| {row.where} | {row.before:.2f} | {row.after:.2f} | {row.inside:.0f} |"


def _fused_table(rows: Sequence[Fused]) -> Iterator[str]:
    if not rows:
        return
    yield "## As a witness of the filter, where it never was"
    yield "20 % too little told at the start; RMSE in percent of SOC, mean over the recordings.\n"
    yield (
        "| cell | temperature | disturbance | recordings | filter alone | fused "
        "| in band alone | in band fused |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    keys = dict.fromkeys((r.cell, r.profile.partition("@")[2], r.disturbance) for r in rows)
    for cell, place, disturbance in keys:
        own = [
            r
            for r in rows
            if (r.cell, r.profile.partition("@")[2], r.disturbance) == (cell, place, disturbance)
        ]
        means = [
            fmean(values)
            for values in (
                [r.alone for r in own],
                [r.fused for r in own],
                [r.alone_inside for r in own],
                [r.fused_inside for r in own],
            )
        ]
        yield (
            f"| {cell} | {place} | {disturbance} | {len(own)} "
            f"| {means[0]:.2f} | {means[1]:.2f} | {means[2]:.0f} | {means[3]:.0f} |"
        )
