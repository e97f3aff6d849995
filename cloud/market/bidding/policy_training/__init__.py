"""Learning a bidding policy (PPO), and the gate that it must pass before it bids.

Needs the extra `policy` (torch, stable-baselines3, gymnasium): training only.
"""
