"""A test exchange: takes bids in the markets' formats, clears them at recorded prices, settles.

It stands for operators whose systems cannot be here. It shares no code with who bids, checks
everything by itself, counts what arrives, and misbehaves on command.
"""
