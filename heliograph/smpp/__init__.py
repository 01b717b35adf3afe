"""SMPP 3.4 and 5.0 without I/O: constants, layouts, codec, session, receipts, times. Imports nothing of ours.

Octets and ``now`` go in, values, events and octets come out; there is no clock, socket, log or random number here.
"""
