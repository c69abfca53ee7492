"""The codes that a PCD-01 message is built with: tables, with their sources.

MDC: as HL7's PHD guide lists them (https://hl7.org/fhir/uv/phd), and the attributes that it leaves out by the term
codes of 11073-20601, as public implementations agree on them (2026-11-23). All 32 bits: partition * 65536 + term code.
"""

from __future__ import annotations

from typing import Final

from hilum.phd.number import Special
from hilum.phd.reading import Clock, Status

PROFILE: Final = ("IHE_PCD_ORU_R01", "IHE PCD", "1.3.6.1.4.1.19376.1.6.1.1.1", "ISO")
"""MSH-21. IHE PCD TF-2, B.1 (its test assertion DEC-Vol2-009, 2016). Continua's own examples have
"2.16.840.1.113883.9.n.m", a place holder that was never filled: it is taken, as any is, and not written."""

VERSION: Final = "2.6"
MONITORING: Final = ("182777000", "monitoring of patient", "SNOMED-CT")
"""OBR-4 of Continua's examples."""

MDS_GATEWAY: Final = 531981
MDS_SIMPLE: Final = 65573
PROFILES: Final = range(528384, 528896)
"""MDC_DEV_SPEC_PROFILE_*: what an MDS is specialized to."""
OBJECTS: Final = range(1 << 16, 2 << 16)
"""Partition 1: what VMDs and channels are named by; a container of another partition is a compound measurement."""

SPECIALIZATIONS: Final = 68186
LABEL: Final = 67879
MANUFACTURER: Final = 531970
MODEL: Final = 531969
SERIAL: Final = 531972
PART: Final = 531973
HARDWARE: Final = 531974
SOFTWARE: Final = 531975
FIRMWARE: Final = 531976
PROTOCOL: Final = 531977
CERTIFIED: Final = 532353
REGULATION: Final = 532354
SYNCHRONIZATION: Final = 68220
ACCURACY: Final = 68221
BATTERY: Final = 67996

TEXTS: Final = {
    LABEL: "name",
    MANUFACTURER: "manufacturer",
    MODEL: "model",
    SERIAL: "serial",
    PART: "part",
    HARDWARE: "hardware",
    FIRMWARE: "firmware",
    SOFTWARE: "software",
    PROTOCOL: "protocol",
}
"""Attributes of an MDS that are texts -> the field of `Device`."""

TIMES: Final = {clock: clock.value for clock in Clock} | {Clock.BASE_OFFSET: 68225}
"""The attribute of an MDS that says its time. Of base offset time 11073-20601 has 2689 (and 2690 for a stamp); the PHD
guide's 68226 is the stamp's, so it is read here and not written."""
CLOCKS: Final = {clock.value: clock for clock in Clock} | {code: clock for clock, code in TIMES.items()}
STAMPS: Final = {Clock.ABSOLUTE: 67984, Clock.BASE_OFFSET: 68226, Clock.RELATIVE: 67985, Clock.HIGH_RESOLUTION: 68073}
"""The facet that has a stamp as the device reported it, where OBX-14 doesn't give it back."""

ATTRIBUTES: Final = {*TEXTS, *CLOCKS, SPECIALIZATIONS, CERTIFIED, REGULATION, SYNCHRONIZATION, ACCURACY, BATTERY}
"""Codes that say something of an MDS and are no measurements."""

STATUS: Final = 67911
LASTING: Final = 68185
SUPPLEMENTAL: Final = 68193
NUMBER_ACCURACY: Final = 67914
SOURCE: Final = 68167
INSTANCE: Final = 67874
SPECIAL: Final = 68182
BITS: Final = 68197
PERIOD: Final = 67981
SCALE: Final = 67951

PERCENT: Final = 262688
SECONDS: Final = 264320
MILLISECONDS: Final = 264338
MICROSECONDS: Final = 264339

NAMES: Final = {
    MDS_GATEWAY: "MDC_MOC_VMS_MDS_AHD",
    MDS_SIMPLE: "MDC_MOC_VMS_MDS_SIMP",
    SPECIALIZATIONS: "MDC_ATTR_SYS_TYPE_SPEC_LIST",
    LABEL: "MDC_ATTR_ID_LABEL_STRING",
    MANUFACTURER: "MDC_ID_MODEL_MANUFACTURER",
    MODEL: "MDC_ID_MODEL_NUMBER",
    SERIAL: "MDC_ID_PROD_SPEC_SERIAL",
    PART: "MDC_ID_PROD_SPEC_PART",
    HARDWARE: "MDC_ID_PROD_SPEC_HW",
    SOFTWARE: "MDC_ID_PROD_SPEC_SW",
    FIRMWARE: "MDC_ID_PROD_SPEC_FW",
    PROTOCOL: "MDC_ID_PROD_SPEC_PROTOCOL",
    CERTIFIED: "MDC_REG_CERT_DATA_CONTINUA_CERT_DEV_LIST",
    REGULATION: "MDC_REG_CERT_DATA_CONTINUA_REG_STATUS",
    SYNCHRONIZATION: "MDC_TIME_SYNC_PROTOCOL",
    ACCURACY: "MDC_TIME_SYNC_ACCURACY",
    BATTERY: "MDC_ATTR_VAL_BATT_CHARGE",
    67975: "MDC_ATTR_TIME_ABS",
    68225: "MDC_ATTR_TIME_BO",
    67983: "MDC_ATTR_TIME_REL",
    68072: "MDC_ATTR_TIME_REL_HI_RES",
    67984: "MDC_ATTR_TIME_STAMP_ABS",
    68226: "MDC_ATTR_TIME_STAMP_BO",
    67985: "MDC_ATTR_TIME_STAMP_REL",
    68073: "MDC_ATTR_TIME_STAMP_REL_HI_RES",
    STATUS: "MDC_ATTR_MSMT_STAT",
    LASTING: "MDC_ATTR_TIME_PD_MSMT_ACTIVE",
    SUPPLEMENTAL: "MDC_ATTR_SUPPLEMENTAL_TYPES",
    NUMBER_ACCURACY: "MDC_ATTR_NU_ACCUR_MSMT",
    SOURCE: "MDC_ATTR_SOURCE_HANDLE_REF",
    INSTANCE: "MDC_ATTR_ID_INSTNO",
    SPECIAL: "MDC_ATTR_NU_VAL_OBS_SIMP",
    BITS: "MDC_ATTR_ENUM_OBS_VAL_SIMP_BIT_STR",
    PERIOD: "MDC_ATTR_TIME_PD_SAMP",
    SCALE: "MDC_ATTR_SCALE_SPECN_I16",
    PERCENT: "MDC_DIM_PERCENT",
    SECONDS: "MDC_DIM_SEC",
    MILLISECONDS: "MDC_DIM_MILLI_SEC",
    MICROSECONDS: "MDC_DIM_MICRO_SEC",
}

FLAGS: Final = {
    "INV": Status.INVALID,
    "QUES": Status.QUESTIONABLE,
    "NAV": Status.NOT_AVAILABLE,
    "CAL": Status.CALIBRATION_ONGOING,
    "TEST": Status.TEST_DATA,
    "DEMO": Status.DEMO_DATA,
    "VALID": Status.VALIDATED_DATA,
    "EARLY": Status.EARLY_INDICATION,
    "BUSY": Status.MEASUREMENT_ONGOING,
}
"""OBX-8 of a measurement's status, by IHE PCD TF-2; its text was not at hand to check them by (2026-11-23)."""

ABSENT: Final = {
    Special.POSITIVE_INFINITY: ">",
    Special.NEGATIVE_INFINITY: "<",
}
"""OBX-8 where there is no number, table 0078; of all others, NAV."""

RESULTS: Final = frozenset("CFIOPRSUX")
"""OBX-11 of a result that stands, table 0085; D and W take one back."""
