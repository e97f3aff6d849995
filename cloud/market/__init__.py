"""Selling what a station can do: prices, forecasts, bids, risk, exchanges, settlement.

Power is in MW at the point of connection, discharge positive and charge negative; energy in MWh;
prices in the market's currency per MWh (or per MW and hour for capacity). Money that anybody is
paid or pays is `Decimal`; what is only weighed against something else is float.
"""
