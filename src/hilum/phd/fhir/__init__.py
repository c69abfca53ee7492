"""What a device reported, as FHIR R4. HL7's PHD guide: http://hl7.org/fhir/uv/phd

Bodies are dicts with Decimals that have the digits of the device. Where the guide contradicts itself, its algorithms
and profiles are kept to, not its examples:

- Identifiers: the examples drop the dashes of the system identifier, put the units last and as MDC codes. Its tables
  say `Device.identifier.value`, then type, value and UCUM units before the time stamp.
- Pulse oximetry and blood pressure: the examples have LOINC 59408-5 and 55284-4. R4's vital signs ask for 2708-6 and
  85354-9, and the guide's profiles take one LOINC code.
- Rates: the examples have {beat}/min, R4's profile of the heart rate /min.
- Strings: the profile asks for a value where the text wants `dataAbsentReason`. An extension of the value says it.
- Relative time stamps (67985) are no components: the value set that the profile binds them to does not have them.
- What was stamped is derived from a coincident time stamp, as the guide asks of all, although R4's vital signs are
  derived from vital signs only. A server that holds resources one by one against their profiles does not see it.
- Units that UCUM does not have go by their MDC code, as the text says ("shall"), although the profiles fix UCUM.
"""

from hilum.phd.fhir.bundles import bundle
from hilum.phd.fhir.devices import personal_health_device, personal_health_gateway
from hilum.phd.fhir.identifiers import identifier
from hilum.phd.fhir.observations import Links, coincident_time_stamp, observation
from hilum.phd.fhir.patients import Patient

__all__ = [
    "Links",
    "Patient",
    "bundle",
    "coincident_time_stamp",
    "identifier",
    "observation",
    "personal_health_device",
    "personal_health_gateway",
]
