"""OAuth's pure parts: SMART scopes and signed JWTs; no clock, no files, no HTTP."""
