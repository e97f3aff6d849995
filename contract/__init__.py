"""What both tiers agree on: signals, frames, envelopes, orders, events. Pure: no I/O."""
