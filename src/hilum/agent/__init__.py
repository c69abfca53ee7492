"""The program beside personal health devices: it reads them, keeps what they measured, and sends it when it can.

It runs alone, on a small machine, and imports nothing of the server's: what devices say (`phd`), HL7 v2 (`hl7v2`), keys
(`oauth`) and the standard library. HL7's PHD guide calls it a personal health gateway.
"""
