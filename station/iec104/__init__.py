"""IEC 60870-5-104: the point list, and the process that speaks it and alone loads c104 (GPLv3).

The port that the station sees is `station.centre.iec104_port`; it starts `station.iec104.worker`
and reaches it only over a socket. This room's face are its modules, so that the process loads no
more than it needs.
"""
