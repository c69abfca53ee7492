"""The chain of audit rows: each row's link is the hash of the link before it and of the row, within one process."""

from __future__ import annotations

from hashlib import sha256


def linked(
    previous: bytes, seq: int, writes: int, agent: str, client: str, interaction: str, token: str, detail: str
) -> bytes:
    """The link of a row: SHA-256 of the link before it and the row's fields, each as a netstring of its UTF-8.

    PostgreSQL computes the same in apply(). https://cr.yp.to/proto/netstrings.txt
    """
    hashed = sha256(previous)
    for field in (str(seq), str(writes), agent, client, interaction, token, detail):
        raw = field.encode()
        hashed.update(b"%d:%b," % (len(raw), raw))
    return hashed.digest()
