"""The floor: bare ASGI that does hilum's durable work and nothing else, written as tightly as we can.

It imports nothing of hilum. Same rows in the same tables, same flushes, same bytes stored and sent back; no token is
looked at, nothing is validated, nothing is general: it can only do what the benchmark asks for (bench/operations.py).
"""
