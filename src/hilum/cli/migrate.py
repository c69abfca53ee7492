"""`hilum migrate`."""

from __future__ import annotations

from hilum.cli import options


def migrate(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    full_text: options.FullText = None,
    json: options.Json = False,
) -> None:
    """Bring the store's schema up to this version of hilum, by numbered steps. Safe to repeat.

    Also makes what is missing of the indexes, the one of words (`--full-text`) among them. Each step is one database
    transaction: it happens whole or not at all, and of two programs that migrate at once one waits for the other.

    First make a backup, with the older version (this one opens the store only when it is migrated), and stop the
    servers of the older version. One that runs on must be restarted with this version at once: it stores no resources
    any more, and what it finds may be incomplete. Servers of this version may run.

    Example:

    - `hilum migrate`
    """
    import asyncio

    from hilum.app.settings import Settings
    from hilum.app.stores import open_store
    from hilum.cli import existing
    from hilum.cli.terminal import json_out, out
    from hilum.store.migrations import steps

    settings = Settings.read({"store": store, "data": data, "environment": environment, "full_text": full_text})
    existing.both(settings)

    async def run() -> None:
        opened = await open_store(settings, migrate=True)
        await opened.close()

    asyncio.run(run())
    schema = steps("sqlite" if settings.store_kind == "sqlite" else "postgres")[-1]
    if json:
        json_out({"store": settings.store_shown, "schema": schema.number, "step": schema.name})
    else:
        out(f"{settings.store_shown} has schema {schema.number} ({schema.name}).")
