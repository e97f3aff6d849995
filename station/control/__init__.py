"""The controller's judgement: what the plant may do, what it is to do, what is sent to whom.

Once a second the *plan* is made (protection, proposals of the slow sources, meter feedback); up
to twenty times a second the station *acts* within it (frequency response, meter limits, split,
set-points). Neither knows clocks, sockets or files: time and pictures are passed in.
"""
