"""From what is known to bids worth approving.

Here the other rooms of the market meet: prices and forecasts go in, a plan is made, and what it
wants is offered by the rules of the market, each interval with the price from which it pays and
the reason why.

Each module is a face of its own: drafting loads solvers and forecasts, while judging, limits, gates
and `what_if` serve requests of people and load neither.
"""
