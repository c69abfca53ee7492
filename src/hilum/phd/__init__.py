"""Personal health devices: bytes of a device in, FHIR and HL7 v2.6 out. Pure; the agent and the gateway stand on it.

IEEE 11073-10101 (nomenclature), 11073-20601 (exchange), the Bluetooth SIG's health profiles, and HL7's PHD guide
(http://hl7.org/fhir/uv/phd) that maps them to FHIR.
"""
