"""The model card that lies beside a detector."""

import json
from pathlib import Path

from station.estimators.anomaly.card import NETWORK_FILE, Detector

CARD_TEXT = "card.md"


def model_card(folder: Path, detector: Detector) -> str:
    """Return the card of a detector that was trained into a folder."""
    plan = json.loads((folder / "plan.json").read_text("utf-8"))
    network = json.loads((folder / "network.json").read_text("utf-8"))
    levels = json.loads((folder / "levels.json").read_text("utf-8"))
    card = detector.card
    size = (folder / NETWORK_FILE).stat().st_size
    tails = "\n".join(
        f"| {name} | {tail.figure(2.0):.3g} | {tail.figure(6.0):.3g} | {tail.shape:.2f} |"
        for name, tail in {**card.cells, **card.racks}.items()
    )
    return f"""# Anomaly detector

Written by `./stationmaster train anomaly`; do not edit. How well it does is measured by
`./stationmaster evaluate anomaly`; the table is in docs/anomalies.md.

- Learned from: {card.source}. Healthy cells only; no fault was shown in training.
- Network: {network["windows"]} windows, {plan["steps"]} steps, seed {plan["seed"]}; loss
  {network["losses"][0]:.2f} to {network["losses"][-1]:.2f}; {size / 1000:.0f} kB of ONNX, within
  {network["parity"]:.0e} of what was trained.
- Levels from {levels["rack_hours"]:.0f} rack-hours of other racks of 416 and 64 cells, each for
  four times the span of its budget: a score of {card.levels.notice:.2f} once in four rack-weeks,
  {card.levels.warning:.2f} in four rack-months, {card.levels.alarm:.2f} in four rack-years.

| figure | one day in 100 | in a million | shape of the tail |
|---|---|---|---|
{tails}

Figures are multiples of the scatter within a rack, the most in a cell's (or rack's) day.

## Where it is weak
- Healthy racks are made up or grown around recordings of single cells; no series of a real
  station's racks is public. The levels are to be learned anew on a station's own first months.
- Levels of a month and a year are extrapolated from fewer hours by a generalised Pareto law.
- On the flat middle of an LFP cell's voltage, SOC that drifts shows nothing until a knee is near.
- What one temperature sensor for four cells does not see, the detector does not see.
"""
