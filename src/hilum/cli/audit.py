"""`hilum audit`: is the audit whole, archive it, take away what is archived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.access.keyring import Keyring
    from hilum.app.settings import Settings
    from hilum.audit.verify import Expected, Verified
    from hilum.store.interface import Store

audit = typer.Typer(
    name="audit",
    help="Verify, archive and prune the audit trail.\n\nExamples:\n\n- `hilum audit verify`\n\n"
    "- `hilum audit export --to /archive --before 2026-01-01 --prune`",
    no_args_is_help=True,
)

Before = Annotated[str, typer.Option("--before", help="Only events of before this date or instant.", metavar="DATE")]


@audit.command()
def verify(
    since: Annotated[
        str, typer.Option("--since", help="Only what came since this date or instant.", metavar="DATE")
    ] = "",
    expect: Annotated[
        str,
        typer.Option(
            "--expect",
            help="An anchor that was seen elsewhere, as the log has it (`audit anchor`): it must be there still.",
            metavar="N:DIGEST",
        ),
    ] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Was anything altered or removed? Follows the chains of reads and of writes, and the signed anchors over both.

    Says what it found, a line each, and exits with 1 then. The last line is the newest anchor: keep it somewhere else,
    and give it to `--expect` the next time, so that an end that was cut off is found, too.

    Examples:

    - `hilum audit verify`

    - `hilum audit verify --since 2026-11-01 --expect 812:9f3a6c1e…`
    """
    from hilum.audit.anchor import RingSigner
    from hilum.audit.verify import Verification
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, say

    expected = _expected(expect) if expect else None
    after = _moment("--since", since)[0] if since else 0

    async def work(opened: Store, settings: Settings) -> tuple[list[str], Verified]:
        from hilum.app.recording import folder

        run = Verification(
            opened, RingSigner(await _ring(opened, settings)), folder(settings), since=after, expected=expected
        )
        return [fault async for fault in run.faults()], run.seen

    found, seen = done({"store": store, "data": data, "environment": environment}, work)
    newest = f"{seen.newest.n}:{seen.newest.digest.hex()}" if seen.newest else ""
    if json:
        counts = {name: getattr(seen, name) for name in ("anchors", "segments", "entries", "commits", "files")}
        json_out({"faults": found, **counts, "newest": newest})
    else:
        for fault in found:
            out(fault)
        say(
            f"{seen.entries:,} reads and events in {seen.segments:,} segments, {seen.commits:,} commits, "
            f"{seen.anchors:,} anchors, {seen.files:,} files: {f'{len(found)} faults' if found else 'whole'}."
        )
        if newest:
            out(newest)
    if found:
        raise typer.Exit(1)


@audit.command()
def export(
    to: Annotated[
        str, typer.Option("--to", help="The folder to write into, or a bucket.", metavar="DIR|s3://BUCKET/PREFIX")
    ],
    before: Before = "",
    prune: Annotated[bool, typer.Option("--prune", help="Then take away from the store what was written.")] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    host: options.Host = None,
    port: options.Port = None,
    base_url: options.BaseUrl = None,
    json: options.Json = False,
) -> None:
    """Write the audit into files: AuditEvents as ndjson, what they were made from, and a signed manifest.

    What was written is read back and compared before anything is pruned. A pruning leaves a signed checkpoint, from
    which `hilum audit verify` goes on. The key of a bucket comes from the environment: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION; AWS_ENDPOINT_URL_S3 for a server that is not Amazon's.

    Examples:

    - `hilum audit export --to /archive`

    - `hilum audit export --to /archive --before 2026-01-01 --prune`

    - `hilum audit export --to s3://archive/hilum --before 2026-01-01 --prune`
    """
    import os
    import tempfile

    from hilum.app.data import served_at
    from hilum.audit import export as exporting
    from hilum.audit.anchor import RingSigner
    from hilum.audit.bucket import SCHEME, Bucket
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out

    bucket = Bucket.of(to, os.environ) if to.startswith(SCHEME) else None

    async def work(opened: Store, settings: Settings) -> dict[str, Any]:
        from hilum.app.recording import tell

        base = settings.fhir_base if host or port or base_url else served_at(settings)
        ring = await _ring(opened, settings)
        end = _until(before)
        await tell(settings, opened, ring, "audit-export", {"to": to, "before": before})
        with tempfile.TemporaryDirectory(dir=settings.data, prefix="export-") as between:
            folder = Path(between) if bucket else Path(to)
            made = await exporting.export(opened, RingSigner(ring), base, folder, end)
            if bucket is not None:
                for name in (*made.manifest.files, made.path.name):
                    await bucket.keep(folder / name)
        manifest = made.manifest
        found = {
            "manifest": f"{to.rstrip('/')}/{made.path.name}",
            "sha256": made.digest,
            "events": manifest.events,
            "segments": manifest.segments,
            "commits": manifest.commits,
            "pruned": False,
        }
        if prune:
            await tell(settings, opened, ring, "audit-prune", {"before": before, "manifest": made.digest})
            why = f"exported: {made.path.name} sha256:{made.digest}"
            found["pruned"] = await exporting.prune(opened, RingSigner(ring), end, why, manifest) is not None
        return found

    flags = {"store": store, "data": data, "environment": environment, "host": host, "port": port}
    found = done({**flags, "base_url": base_url}, work)
    if json:
        json_out(found)
    else:
        out(f"{found['manifest']}: {found['events']:,} events{', pruned' if found['pruned'] else ''}.")


@audit.command()
def prune(
    before: Annotated[
        str, typer.Option("--before", help="Take away events of before this date or instant.", metavar="DATE")
    ],
    reason: Annotated[
        str, typer.Option("--discard-reason", help="Why it may be lost; the checkpoint keeps it.", metavar="TEXT")
    ],
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Take away events that nobody archived. `hilum audit export --prune` archives them first.

    Example:

    - `hilum audit prune --before 2016-01-01 --discard-reason 'retention of ten years is over'`
    """
    from hilum.audit import export as exporting
    from hilum.audit.anchor import RingSigner, told
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out
    from hilum.problems import Misconfigured

    if not reason.strip():
        raise Misconfigured("Say why it may be lost: hilum audit prune --before DATE --discard-reason TEXT.")

    async def work(opened: Store, settings: Settings) -> dict[str, int]:
        from hilum.app.recording import tell

        ring = await _ring(opened, settings)
        await tell(settings, opened, ring, "audit-prune", {"before": before, "reason": reason})
        anchor = await exporting.prune(opened, RingSigner(ring), _until(before), f"discarded: {reason.strip()}")
        said = told(anchor) if anchor else None
        return {"segments": said.segments, "commits": said.rows} if said else {"segments": 0, "commits": 0}

    found = done({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out(found)
    else:
        out(f"{found['segments']:,} segments and {found['commits']:,} commits are gone from the audit.")


async def _ring(opened: Store, settings: Settings) -> Keyring:
    from hilum.access.keyring import Keyring
    from hilum.access.keys import load, path

    ring = Keyring(load(path(settings.data, settings.environment), settings.environment))
    await ring.prepare(opened.ledger)
    return ring


def _until(before: str) -> int:
    """The moment before which, in microseconds; now without one. Never later than now: what is yet to come is not
    there to be archived.
    """
    import time

    now = time.time_ns() // 1000
    return min(now, _moment("--before", before)[0]) if before else now


def _moment(flag: str, text: str) -> tuple[int, int]:
    from hilum.problems import Malformed, Misconfigured
    from hilum.search.dates import interval

    try:
        return interval(text)
    except Malformed:
        raise Misconfigured(
            f"{flag} must be a date or an instant, such as 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from None


def _expected(text: str) -> Expected:
    from hilum.audit.verify import Expected
    from hilum.problems import Misconfigured

    n, _, digest = text.partition(":")
    try:
        return Expected(int(n), bytes.fromhex(digest))
    except ValueError:
        raise Misconfigured("--expect must be N:DIGEST, as the log says it of an `audit anchor`.") from None
