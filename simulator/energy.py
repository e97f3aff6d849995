"""The plant's energy account."""

from dataclasses import dataclass


@dataclass
class EnergyAccount:
    """Joules since the start. Counters of the meter are gross in each direction."""

    discharged: float = 0.0
    charged: float = 0.0
    cell_heat: float = 0.0
    wiring_loss: float = 0.0
    converter_loss: float = 0.0
    auxiliary: float = 0.0
    coolant_heat: float = 0.0
    ambient_heat: float = 0.0
    scenario_heat: float = 0.0
    scenario_charge: float = 0.0
    """Stored energy that a scenario gave to cells out of nothing; taken away: negative."""
    reaction_heat: float = 0.0
    """Heat of decomposing cells; the energy they had stored is a part of it."""
    collapsed: float = 0.0
    """Stored energy of cells whose voltage collapsed, less what they still gave."""
