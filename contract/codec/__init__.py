"""How frames become bytes. Callers use `contract.frame`; the rooms below are its parts."""
