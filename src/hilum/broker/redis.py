"""Sessions in Redis, for who runs hilum in several places and wants browsers remembered beside it (`hilum[redis]`).

https://redis.io/docs/latest/commands/eval/

A record is a hash with an end. What has to happen at once happens in one script; Redis runs one at a time. A Redis
that forgets (restarted without a file, or a replica that took over too early) makes people sign in again, and can let a
state be used twice, which ends at the EHR, whose codes serve once.
"""

from __future__ import annotations

from typing import Any, Final, cast

from hilum.oauth.ledger import FRESH, USED, Put, Row, Taken
from hilum.problems import Busy, Misconfigured
from hilum.store.clock import microseconds
from hilum.web import log

SECONDS: Final = 3.0
"""For one answer."""

_FIELDS: Final = ("state", "owner", "peer", "version", "changed", "expires", "value")
_ADD: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return 1
"""
_TAKE: Final = f"""
local state = redis.call('HGET', KEYS[1], 'state')
if state == '{FRESH}' then
  redis.call('HSET', KEYS[1], 'state', '{USED}', 'changed', ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return {{state, redis.call('HMGET', KEYS[1], {", ".join(repr(one) for one in _FIELDS)})}}
"""


class RedisShelf:
    """Records by kind and key in one Redis, for one environment. See `hilum.broker.sessions.Shelf`."""

    def __init__(self, url: str, environment: str) -> None:
        """Raises Misconfigured where `url` is none of Redis, or its client is not installed."""
        try:
            from redis import asyncio as redis
            from redis.exceptions import RedisError
        except ImportError:
            text = "Sessions in Redis need its client: pip install 'hilum[redis]'."
            raise Misconfigured(text) from None
        self._trouble: tuple[type[Exception], ...] = (RedisError, OSError)
        try:
            self._redis: Any = redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        except ValueError:
            text = "The address of Redis must be redis://host:port/number, rediss:// (TLS) or unix:///path."
            raise Misconfigured(text) from None
        self._prefix = f"hilum:{environment}:"
        self._add, self._take = self._redis.register_script(_ADD), self._redis.register_script(_TAKE)

    async def get(self, kind: int, key: bytes) -> Row | None:
        """The record, unless it has expired. Raises Busy."""
        found = await self._done(self._redis.hmget(self._name(kind, key), _FIELDS))
        return _row(kind, key, found)

    async def add(self, put: Put) -> bool:
        """Write a new record. False: the key is taken. Raises Busy."""
        values = (put.state, put.owner, put.peer, 1, microseconds(), put.expires, put.value)
        args: list[Any] = [put.expires // 1000]
        for pair in zip(_FIELDS, values, strict=True):
            args += pair
        return bool(await self._done(self._add(keys=[self._name(put.kind, put.key)], args=args)))

    async def take(self, kind: int, key: bytes) -> Taken:
        """Use a fresh record up. Raises Busy."""
        state, found = await self._done(self._take(keys=[self._name(kind, key)], args=[microseconds()]))
        return Taken(_row(kind, key, found), state is not None and int(state) == FRESH)

    async def remove(self, kind: int, key: bytes) -> bool:
        """Forget it. False: there was none. Raises Busy."""
        return bool(await self._done(self._redis.delete(self._name(kind, key))))

    async def ping(self) -> None:
        """Raises Busy unless Redis answers."""
        await self._done(self._redis.ping())

    async def close(self) -> None:
        """Its connections are closed."""
        await self._redis.aclose()

    def _name(self, kind: int, key: bytes) -> str:
        return f"{self._prefix}{kind}:{key.hex()}"

    async def _done(self, asked: Any) -> Any:
        try:
            return await asked
        except self._trouble as error:
            log.warning("redis", trouble=type(error).__name__)  # no text: it may tell where, and as whom
            raise Busy("Redis, where sessions are kept, does not answer as it should. Try again.") from None


def _row(kind: int, key: bytes, found: list[bytes | None]) -> Row | None:
    if None in found:
        return None
    state, owner, peer, version, changed, expires, value = cast(list[bytes], found)
    row = Row(kind, key, int(state), owner, peer, int(version), int(changed), int(expires), value)
    return row if row.expires > microseconds() else None
