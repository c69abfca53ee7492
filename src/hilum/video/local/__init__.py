"""Videos of scripts, made on this machine. `Local` is the renderer.

Script -> screens (stage, wrapping) -> narration (voices, sound, captions) -> frames (drawing, pictures) -> encoding
(ffmpeg).
"""

from hilum.video.local.renderer import Local

__all__ = ["Local"]
