"""The numbers of the standard. Read from signove/antidote, src/asn1/phd_types.h and src/dim/nomenclature.h (dbb2742,
2026-11-23); base offset time, source handle list and tick resolution from two other public nomenclature tables.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

PROTOCOL: Final = 20601
EXTERNAL_PROTOCOL: Final = 65535
UNKNOWN_PERSON: Final = 0xFFFF
AGENT_INITIATED: Final = 0xF000
"""Data-req-id of a report that nobody asked for."""
NO_TIME: Final = 0xFFFFFFFF
"""Event-time of an agent that has no relative clock."""
MDS: Final = 0
"""The handle of the device itself."""


class Result(IntEnum):
    """Of an association."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2
    ACCEPTED_UNKNOWN_CONFIG = 3
    REJECTED_NO_COMMON_PROTOCOL = 4
    REJECTED_NO_COMMON_PARAMETER = 5
    REJECTED_UNKNOWN = 6
    REJECTED_UNAUTHORIZED = 7
    REJECTED_UNSUPPORTED_ASSOC_VERSION = 8


class AbortReason(IntEnum):
    """Of ABRT."""

    UNDEFINED = 0
    BUFFER_OVERFLOW = 1
    RESPONSE_TIMEOUT = 2
    CONFIGURATION_TIMEOUT = 3


class ConfigResult(IntEnum):
    """Of a configuration that was reported."""

    ACCEPTED = 0
    UNSUPPORTED = 1
    STANDARD_UNKNOWN = 2


class Error(IntEnum):
    """Of ROER."""

    NO_SUCH_OBJECT_INSTANCE = 1
    ACCESS_DENIED = 2
    NO_SUCH_ACTION = 9
    INVALID_OBJECT_INSTANCE = 17
    PROTOCOL_VIOLATION = 23
    NOT_ALLOWED_BY_OBJECT = 24
    ACTION_TIMED_OUT = 25
    ACTION_ABORTED = 26


class Version(IntFlag):
    """Of the protocol. 4 is of the revision of 2019; 2 and 3 of 2010 and 2014."""

    ONE = 0x80000000
    TWO = 0x40000000
    THREE = 0x20000000
    FOUR = 0x10000000


class System(IntFlag):
    """Which side one is."""

    MANAGER = 0x80000000
    AGENT = 0x00800000


MDER: Final = 0x8000
NOMENCLATURE_1: Final = 0x80000000
ASSOCIATION_1: Final = 0x80000000


class Class(IntEnum):
    """Of objects, as a configuration names them."""

    METRIC = 4
    ENUMERATION = 5
    NUMERIC = 6
    RTSA = 9
    SCANNER = 16
    CFG_SCANNER = 17
    EPISODIC_SCANNER = 18
    PERIODIC_SCANNER = 19
    MDS = 37
    PM_STORE = 61
    PM_SEGMENT = 62


class Event(IntEnum):
    """Of event reports: MDC_NOTI_…."""

    CONFIG = 3356
    SCAN_REPORT_FIXED = 3357
    SCAN_REPORT_VAR = 3358
    SCAN_REPORT_MP_FIXED = 3359
    SCAN_REPORT_MP_VAR = 3360
    SEGMENT_DATA = 3361
    UNBUF_SCAN_REPORT_VAR = 3362
    UNBUF_SCAN_REPORT_FIXED = 3363
    UNBUF_SCAN_REPORT_GROUPED = 3364
    UNBUF_SCAN_REPORT_MP_VAR = 3365
    UNBUF_SCAN_REPORT_MP_FIXED = 3366
    UNBUF_SCAN_REPORT_MP_GROUPED = 3367
    BUF_SCAN_REPORT_VAR = 3368
    BUF_SCAN_REPORT_FIXED = 3369
    BUF_SCAN_REPORT_GROUPED = 3370
    BUF_SCAN_REPORT_MP_VAR = 3371
    BUF_SCAN_REPORT_MP_FIXED = 3372
    BUF_SCAN_REPORT_MP_GROUPED = 3373


class Action(IntEnum):
    """Of actions: MDC_ACT_…."""

    SEG_CLR = 3084
    SEG_GET_INFO = 3085
    SET_TIME = 3095
    DATA_REQUEST = 3099
    SEG_TRIG_XFER = 3100
    SET_BO_TIME = 3101


class Attribute(IntEnum):
    """Of objects: MDC_ATTR_…."""

    CONFIRM_MODE = 2323
    CONFIRM_TIMEOUT = 2324
    ID_HANDLE = 2337
    ID_INSTNO = 2338
    ID_LABEL_STRING = 2343
    ID_MODEL = 2344
    ID_PHYSIO = 2347
    ID_PROD_SPECN = 2349
    ID_TYPE = 2351
    METRIC_STORE_CAPAC_CNT = 2369
    METRIC_STORE_SAMPLE_ALG = 2371
    METRIC_STORE_USAGE_CNT = 2372
    MSMT_STAT = 2375
    NU_ACCUR_MSMT = 2378
    NU_CMPD_VAL_OBS = 2379
    NU_VAL_OBS = 2384
    NUM_SEG = 2385
    OP_STAT = 2387
    POWER_STAT = 2389
    SA_SPECN = 2413
    SCALE_SPECN_I16 = 2415
    SCALE_SPECN_I32 = 2416
    SCALE_SPECN_I8 = 2417
    SCAN_REP_PD = 2421
    SEG_USAGE_CNT = 2427
    SYS_ID = 2436
    SYS_TYPE = 2438
    TIME_ABS = 2439
    TIME_BATT_REMAIN = 2440
    TIME_END_SEG = 2442
    TIME_PD_SAMP = 2445
    TIME_REL = 2447
    TIME_STAMP_ABS = 2448
    TIME_STAMP_REL = 2449
    TIME_START_SEG = 2450
    TX_WIND = 2453
    UNIT_CODE = 2454
    UNIT_LABEL_STRING = 2457
    VAL_BATT_CHARGE = 2460
    VAL_ENUM_OBS = 2462
    TIME_REL_HI_RES = 2536
    TIME_STAMP_REL_HI_RES = 2537
    DEV_CONFIG_ID = 2628
    MDS_TIME_INFO = 2629
    METRIC_SPEC_SMALL = 2630
    SOURCE_HANDLE_REF = 2631
    SIMP_SA_OBS_VAL = 2632
    ENUM_OBS_VAL_SIMP_OID = 2633
    ENUM_OBS_VAL_SIMP_STR = 2634
    REG_CERT_DATA_LIST = 2635
    NU_VAL_OBS_BASIC = 2636
    PM_STORE_CAPAB = 2637
    PM_SEG_MAP = 2638
    PM_SEG_PERSON_ID = 2639
    SEG_STATS = 2640
    SEG_FIXED_DATA = 2641
    PM_SEG_ELEM_STAT_ATTR = 2642
    SCAN_HANDLE_ATTR_VAL_MAP = 2643
    SCAN_REP_PD_MIN = 2644
    ATTRIBUTE_VAL_MAP = 2645
    NU_VAL_OBS_SIMP = 2646
    PM_STORE_LABEL_STRING = 2647
    PM_SEG_LABEL_STRING = 2648
    TIME_PD_MSMT_ACTIVE = 2649
    SYS_TYPE_SPEC_LIST = 2650
    METRIC_ID_PART = 2655
    ENUM_OBS_VAL_PART = 2656
    SUPPLEMENTAL_TYPES = 2657
    TIME_ABS_ADJUST = 2658
    CLEAR_TIMEOUT = 2659
    TRANSFER_TIMEOUT = 2660
    ENUM_OBS_VAL_SIMP_BIT_STR = 2661
    ENUM_OBS_VAL_BASIC_BIT_STR = 2662
    METRIC_STRUCT_SMALL = 2675
    NU_CMPD_VAL_OBS_SIMP = 2676
    NU_CMPD_VAL_OBS_BASIC = 2677
    ID_PHYSIO_LIST = 2678
    SCAN_HANDLE_LIST = 2679
    CONTEXT_KEY = 2680
    SOURCE_HANDLE_REF_LIST = 2681
    TIME_BO = 2689
    TIME_STAMP_BO = 2690
    TIME_START_SEG_BO = 2691
    TIME_END_SEG_BO = 2692
    TICK_RES = 2693


class TimeCapability(IntFlag):
    """Mds-Time-Info: bit 0 is the highest of 16. HL7's PHD guide, "ASN1 to HL7 codes"."""

    REAL_TIME_CLOCK = 1 << 15
    SET_CLOCK = 1 << 14
    RELATIVE = 1 << 13
    HIGH_RESOLUTION = 1 << 12
    SYNC_ABSOLUTE = 1 << 11
    SYNC_RELATIVE = 1 << 10
    SYNC_HIGH_RESOLUTION = 1 << 9
    BASE_OFFSET = 1 << 8
    ABSOLUTE_SYNCED = 1 << 7
    RELATIVE_SYNCED = 1 << 6
    HIGH_RESOLUTION_SYNCED = 1 << 5
    MANAGER_SETS_TIME = 1 << 4
    SYNC_BASE_OFFSET = 1 << 3
    BASE_OFFSET_SYNCED = 1 << 2
    BASE_OFFSET_UTC = 1 << 1
    DST_RULES = 1


class Product(IntEnum):
    """Entries of Production-Specification."""

    UNSPECIFIED = 0
    SERIAL = 1
    PART = 2
    HARDWARE = 3
    SOFTWARE = 4
    FIRMWARE = 5
    PROTOCOL = 6
    GMDN = 7
