"""The script as plain text, for who reads rather than watches: what is said, and what the pictures show."""

from __future__ import annotations

from hilum.video.local.words import words
from hilum.video.script import Script


def transcript(script: Script) -> str:
    """With a heading for each scene, underlined."""
    blocks = [f"{script.title}\n{'=' * len(script.title)}"]
    if script.notice:
        blocks.append(script.notice)
    for scene in script.scenes:
        blocks.append(f"{scene.heading}\n{'-' * len(scene.heading)}")
        blocks += [sentence.text for sentence in scene.sentences]
        if scene.picture.text:
            blocks.append(f"[{words(script.language).picture}: {scene.picture.text}]")
    return "\n\n".join(blocks) + "\n"
