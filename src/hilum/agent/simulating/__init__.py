"""Peripherals that there are not, to try an agent with: bumble's stack and the SIG's profiles, without a radio.

What they say is encoded by `hilum.phd.gatt`, sent as packets, and read by the same source as a real device's.
"""
