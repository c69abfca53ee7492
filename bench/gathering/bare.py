"""`python -m bench.gathering.bare`: the requests that hilum sent, by `httpx`, as anybody would write it."""

from __future__ import annotations

import asyncio

import httpx

from bench.gathering import job


async def measure(given: job.Job) -> job.Measured:
    """So many at a time, each answer parsed."""
    recorded = given.recorded
    assert recorded is not None
    waiting = iter(recorded.targets)
    came = 0
    errors: list[str] = []
    limits = httpx.Limits(max_connections=given.at_once, max_keepalive_connections=given.at_once)
    async with httpx.AsyncClient(base_url=given.base, headers=recorded.headers, limits=limits, timeout=60) as client:

        async def one() -> None:
            nonlocal came
            for target in waiting:
                answer = await client.get(target)
                body = answer.json()
                if answer.status_code != 200:
                    errors.append(f"HTTP {answer.status_code}")
                came += len(body.get("entry", ())) if body["resourceType"] == "Bundle" else 1

        async def work() -> job.Work:
            await asyncio.gather(*(one() for _ in range(given.at_once)))
            return job.Work(len(recorded.targets), came, errors)

        return await job.watched(work)


if __name__ == "__main__":
    job.main(measure)
