"""The exchange between a personal health device (agent) and a gateway (manager). ISO/IEEE 11073-20601.

Pure: bytes in, values and bytes out. No transport, no clock. `manager` is the gateway's side, `agent` the device's.
The standard's text is not public; facts stand with the public project that they were read from, and its date.
"""
