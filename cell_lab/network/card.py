"""The card of a network: what it was trained on, what it never saw, how good it is there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cell_lab.network.folds import Fold
from cell_lab.network.run import Plan, Trained
from cell_lab.network.scores import Alone
from cell_lab.network.splits import Splits
from cell_lab.recordings import Recording
from station.estimators.network import Trust

CARD_FILE = "model-card.md"
_HEAD = """# SOC network, fold `{fold}`

Written by `./stationmaster train network`; do not edit. A Transformer-GRU that tells by how much
the filter's SOC is off and how sure it is of that. A station never publishes it: it is one more
witness of the filter, and is not asked where it is not sure.
"""
_WITNESS = "## As a witness of the filter, where it never was"
_WEAK_HEAD = "## Where it is weak"
_WEAK = f"""{_WEAK_HEAD}
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
    alone: Sequence[Alone],
) -> str:
    """Return the card as Markdown."""
    parts = [
        _HEAD.format(fold=plan.fold).strip(),
        "\n".join(_facts(trained, plan, splits, recordings)),
        "\n".join(_alone_table(alone)),
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
        f"- On {', '.join(splits.validation_cycles) or 'training series'} its errors reach "
        f"{trust.sd_times:g} times what it expects. No station asks it until "
        "`./stationmaster train trust` has tried it."
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


def trusted_card(card: str, fold: Fold, day: str) -> str:
    """Return a card that tells how far the network is trusted, and what that rests on."""
    kept = [line for line in card.splitlines() if not line.startswith("- Trust, found on")]
    before, _, rest = "\n".join(kept).partition(_WITNESS)
    _, weak, after = rest.partition(_WEAK_HEAD)
    if not weak:
        before, weak, after = before.partition(_WEAK_HEAD)
    part = "\n".join([_WITNESS, *_trust_lines(fold, day)])
    return f"{before.rstrip()}\n\n{part}\n\n{weak}{after}".rstrip() + "\n"


def _trust_lines(fold: Fold, day: str) -> Iterator[str]:
    yield (
        f"Written by `./stationmaster train trust` on {day}, beside the filter and the tables of "
        "that day; each chemistry is judged by its own recordings. What the network does alone "
        "(above) was found when it was trained, beside the tables of then.\n"
    )
    for chemistry, trust in fold.trusts.items():
        yield f"- {chemistry} cells: {_trust_line(trust)}"
    yield "- Any other cells: **it is trusted in nothing**, for it was not tried there.\n"
    if not fold.tried:
        yield "The trust rests on the networks of the folds, each tried where it never was."
        return
    yield (
        "\nTried at the temperatures that it never saw, with tables that have not seen them "
        "either; 20 % too little told at the start. RMSE in percent of SOC, mean over the "
        "recordings, the share of the time in band behind it: with the filter alone, and with the "
        "network at each "
        "time that its errors may be thought to last. The choice was left to the other folds; "
        "cycles other than mixed had no say.\n"
    )
    lasts = " | ".join(f"{each.lasts_s:.0f} s" for each in fold.offered[1:])
    yield f"| cell | temperature | cycles | disturbance | recordings | filter alone | {lasts} |"
    yield "|---" * (5 + len(fold.offered)) + "|"
    for group in fold.tried:
        figures = " | ".join(
            f"{rmse:.2f} ({inside:.0f})"
            for rmse, inside in zip(group.rmse, group.inside, strict=True)
        )
        yield (
            f"| {group.cell} | {group.chamber_c:g} °C | {group.cycles} | {group.disturbance} "
            f"| {group.recordings} | {figures} |"
        )


def _trust_line(trust: Trust) -> str:
    if trust.is_nothing:
        return (
            "**it is trusted in nothing**: the rule found no degree of trust at which it helps and "
            "nowhere harms, or too few recordings to tell. A station neither runs nor asks it, and "
            "its SOC is the filter's alone."
        )
    return (
        f"its errors are taken for {trust.sd_times:g} times what it expects, and to last "
        f"{trust.lasts_s:.0f} s; it is not asked where it expects more than "
        f"{100 * trust.most_sd:g} % of SOC."
    )
