"""Exchanges that the standard shows as examples, and more of them in the test suite of antidote.

ISO/IEEE 11073-20601, annex H, as signove/antidote names and has them (tests/resources/apdu, commit dbb2742, read
2026-11-23). antidote is no part of hilum: `ANTIDOTE=DIRECTORY pytest tests/unit/phd/ieee20601` reads all of its
examples from a checkout of https://github.com/signove/antidote.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ANNEX = {
    "H211_ID_0190": (
        "e2000032800000000001002a5079002680000000a0008000000040000000008000000008112233445566770401900001010000000000"
    ),
    "H211_ID_02BC": (
        "e2000032800000000001002a5079002680000000a0008000000040000000008000000008112233445566770702bc8480010100000000"
    ),
    "H212": "e300002c0003507900268000000080008000000000000000800000000008112233445566778800000000000000000000",
    "H222": "e7000016001443210201000e0000000000000d1c000440000000",
    "H232": "e700000e000c345601030006000000000000",
    "H233_ID_05DC": (
        "e700006e006c1234020300660000000600600a5a000800010004100f00010928001a000a546865436f6d70616e79000c"
        "5468655363616c65414243000984000a000811223344556677880a44000205dc092d00120001000e0001000000084445"
        "313234353637098700082007020112050000"
    ),
    "H241_ID_02BC": (
        "e700003e003c0054010100360000004900500d1d002cf000000000020024000100120003000600780050006420071206"
        "121000000002000af2582007120612100000"
    ),
    "H242": "e7000012001043210201000a0000000000000d1d0000",
    "rx_rlrq_normal": "e40000020000",
    "rx_rlre_normal": "e50000020000",
}
CHECKOUT = os.environ.get("ANTIDOTE", "")
_OTHERS = {"data_apdu1", "data_apdu2", "pedometer/pedometer_noti_config", "pulse_oximeter/description"}
"""No APDUs, or not whole."""
_FOLDER = Path(CHECKOUT, "tests", "resources", "apdu")
EXAMPLES = {name: bytes.fromhex(octets) for name, octets in ANNEX.items()} | (
    {
        name: one.read_bytes()
        for one in (_FOLDER.rglob("*") if CHECKOUT else ())
        if one.is_file() and (name := str(one.relative_to(_FOLDER))) not in _OTHERS
    }
)
needs_checkout = pytest.mark.skipif(not CHECKOUT, reason="needs ANTIDOTE: a checkout of github.com/signove/antidote")
