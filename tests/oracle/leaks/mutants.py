"""Seeded mutants of the enforcement: small lies, each of which the leak suite must notice.

`python -m tests.oracle.leaks.mutants FROM TO` asks cases of these worlds and stops at the first difference: the tests
run it on a copy of the source in which one mutant's text is replaced. The store is SQLite.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path

from tests.oracle import adapter
from tests.oracle.leaks.adapter import sqlite
from tests.oracle.leaks.attempts import ATTEMPTS
from tests.oracle.leaks.driving import differences
from tests.oracle.leaks.trying import SURE, told
from tests.oracle.mutants import Mutant

from hilum.store.plan import thresholds

TOKENS, CASES = 10, 60
"""Of a world."""

_PERMIT = '__import__("hilum.search.clauses", fromlist=["Permit"]).Permit(None)'
_ANYONE = '__import__("hilum.rest.edge", fromlist=["ANYONE"]).ANYONE'
_EVERYTHING = '__import__("hilum.access.policy", fromlist=["EVERYTHING"]).EVERYTHING'

MUTANTS = (
    Mutant(
        "a patient scope is not bound to its patient",
        "access/granting.py",
        '    return (("Patient", context.patient),)',
        "    return None",
    ),
    Mutant(
        "a patient scope without a patient is a user scope",
        "access/granting.py",
        "    if not context.patient or (own",
        "    if not context.patient:\n        return None\n    if (own",
    ),
    Mutant(
        "a patient in context need not be one's own",
        "access/granting.py",
        "(own and context.patient not in context.patients)",
        "False",
    ),
    Mutant(
        "a patient who links to one is in one's record",
        "access/granting.py",
        '("Binary", "Group", "Patient", *BELONGS)',
        '("Binary", "Group", *BELONGS)',
    ),
    Mutant(
        "a group that one is a member of is in one's record",
        "access/granting.py",
        '("Binary", "Group", "Patient", *BELONGS)',
        '("Binary", "Patient", *BELONGS)',
    ),
    Mutant("a rule for one's own records is for all", "access/granting.py", "if own else None", "if False else None"),
    Mutant(
        "roles don't bound what is done",
        "access/granting.py",
        "Scope(scope.level, type, rule.may, rule.search)",
        'Scope(scope.level, type, frozenset("cruds"), rule.search)',
    ),
    Mutant(
        "roles don't bound by search",
        "access/granting.py",
        "Scope(scope.level, type, rule.may, rule.search)",
        "Scope(scope.level, type, rule.may)",
    ),
    Mutant("what a rule leaves out is in", "access/policy.py", " or type in grant.but:", ":"),
    Mutant(
        "letters of one scope count for all",
        "access/policy.py",
        "if interaction not in grant.interactions or",
        "if not any(interaction in one.interactions for one in grants) or",
    ),
    Mutant(
        "granular scopes are whole ones",
        "access/policy.py",
        "found.append(Permit(grant.owners, clauses + self.beyond))",
        "found.append(Permit(grant.owners, self.beyond))",
    ),
    Mutant(
        "granular scopes don't bound records",
        "access/policy.py",
        "found.append(Permit(grant.owners, clauses + self.beyond))",
        "found.append(Permit(None if clauses else grant.owners, clauses + self.beyond))",
    ),
    Mutant(
        "other apps' state is seen",
        "access/granting.py",
        "(*search, *none)",
        "search",
    ),
    Mutant(
        "a device is everybody's",
        "access/granting.py",
        "(*search, (parameter, about))",
        "search",
    ),
    Mutant("patients' homes are shared", "access/shared.py", '(("type:not", "PTRES"),)', "()"),
    Mutant(
        "what is shared may be listed",
        "access/confine.py",
        "if named or _named(part) else",
        "if True else",
    ),
    Mutant(
        "a revinclude brings what is shared",
        "access/confine.py",
        'return replace(include, permits=_visible(policy, TYPES if include.source == "*" else (include.source,)))',
        'return replace(include, permits=_referred(policy, TYPES if include.source == "*" else (include.source,)))',
    ),
    Mutant(
        "_has looks at what is shared",
        "access/confine.py",
        "source = _part(clause.source, policy)",
        "source = _part(clause.source, policy, named=True)",
    ),
    Mutant(
        "includes pass by the policy",
        "access/confine.py",
        "found = ((type, policy.by_name(type)) for type in types)",
        f"found = ((type, ({_PERMIT},)) for type in types)",
    ),
    Mutant(
        "chains pass by the policy",
        "store/plan/chains.py",
        "(*part.clauses, permitted(part.permits))",
        "part.clauses",
    ),
    Mutant(
        "who asks for a patient is in that patient's record",
        "store/plan/implied.py",
        "name in compartment.owners and all(",
        "all(",
    ),
    Mutant(
        "whatever refers to a patient is in the record",
        "store/plan/implied.py",
        "all(name[0] in into.get(number, ()) for number in reference.parameters)",
        "True",
    ),
    Mutant(
        "a Binary is its reader's",
        "interactions/permit.py",
        "owners = () if content is None or content.deleted else await lent(door, who, content.body)",
        "owners = tuple(owner for permit in allowed for owner in permit.owners or ())",
    ),
    Mutant(
        "a Binary is read whoever may read what it is bound to",
        "interactions/permit.py",
        "target = await placed(door, who, allowed, kind, id) if allowed else None",
        "target = await door.store.placed(kind, id)",
    ),
    Mutant(
        "a version is judged by the current one",
        "interactions/read.py",
        "await seen(door, who, allowed, type, id, int(version)) if",
        "await seen(door, who, allowed, type, id) and await door.store.read(type, id, int(version)) if",
    ),
    Mutant(
        "a deletion is nobody's",
        "interactions/permit.py",
        "    resource, owners = placed\n",
        "    resource, owners = placed\n    if resource.deleted:\n        return True\n",
    ),
    Mutant(
        "the history of a resource is everybody's",
        "interactions/history.py",
        'HistoryQuery((type,), (permits(who, type, "r"),), id',
        f'HistoryQuery((type,), (permits(who, type, "r") and ({_PERMIT},),), id',
    ),
    Mutant(
        "the history of a type is everybody's",
        "interactions/history.py",
        'HistoryQuery((type,), (permits(who, type, "s"),), None',
        f'HistoryQuery((type,), (permits(who, type, "s") and ({_PERMIT},),), None',
    ),
    Mutant(
        "criteria look at everything",
        "interactions/criteria.py",
        "confine(parsed.query, who.policy)",
        f"confine(parsed.query, {_EVERYTHING})",
    ),
    Mutant(
        "a conditional create shows what it found",
        "interactions/create.py",
        "            await readable(door, who, match)\n",
        "",
    ),
    Mutant(
        "a patch need not read",
        "interactions/patch.py",
        "if current is not None and not await visible(door, who, reading, current):",
        "if False:",
    ),
    Mutant(
        "an update finds what is hidden",
        "interactions/update.py",
        "current = await seen(door, who, allowed, type, id)",
        "current = await door.store.read(type, id)",
    ),
    Mutant(
        "a bound token chooses ids",
        "interactions/update.py",
        "if current is None and not unlimited(allowed):",
        "if False:",
    ),
    Mutant(
        "a delete finds what is hidden",
        "interactions/delete.py",
        "current = await seen(door, who, allowed, type, id)",
        "current = await door.store.read(type, id)",
    ),
    Mutant(
        "a write may enter another's record",
        "interactions/permit.py",
        "if not holding or _foreign(allowed, old) != _foreign(allowed, new):",
        "if not holding:",
    ),
    Mutant(
        "a delete takes from another's record",
        "interactions/permit.py",
        "    if _foreign(allowed, old):\n",
        "    if False:\n",
    ),
    Mutant(
        "an unchanged write tells that it was guessed",
        "interactions/permit.py",
        'return allows(who.policy.permits(type, "r"), rows, id)',
        "return True",
    ),
    Mutant(
        "entries of a batch are anyone's",
        "rest/batch.py",
        "body, outer.who, resource=resource, way=ENTRY)",
        f"body, {_ANYONE}, resource=resource, way=ENTRY)",
    ),
    Mutant(
        "a record refers to what is hidden",
        "interactions/everything.py",
        "found = await placed(door, who, allowed, type, id) if allowed else None",
        "found = await door.store.placed(type, id) if allowed else None",
    ),
    Mutant(
        "a link is for everybody",
        "rest/links.py",
        "    owner = holder.encode()\n",
        '    owner = b""\n',
    ),
    Mutant(
        "GraphQL reads for anyone",
        "graphql/fetch.py",
        "            return await read(self.door, self.who, type, id)",
        f"            return await read(self.door, {_ANYONE}, type, id)",
    ),
    Mutant(
        "references of what can't be read are no secret",
        "interactions/permit.py",
        "if reading and await visible(door, who, reading, current):",
        "if True:",
    ),
    Mutant(
        "a reference finds what is hidden",
        "interactions/permit.py",
        "found = await seen(door, who, seeing, type, id) if seeing else None",
        "found = await door.store.read(type, id)",
    ),
    Mutant(
        "what made a version tells of a hidden deletion",
        "interactions/history.py",
        "gone = before is not None and before.deleted and await visible(door, who, allowed, before)",
        "gone = before is not None and before.deleted",
    ),
    Mutant(
        "what is written is shown to who can't read it",
        "rest/write.py",
        'elif returns != "minimal" and found.readable:',
        'elif returns != "minimal":',
    ),
    Mutant(
        "an estimate counts what is hidden",
        "access/confine.py",
        'total = total if whole else "accurate"',
        "total = total",
    ),
    Mutant(
        "who sees little is told how a search was done",
        "interactions/search.py",
        "if not who.policy.searches_all:",
        "if False:",
    ),
    Mutant(
        "a record is everybody's",
        "interactions/everything.py",
        "focus = await read(door, who, type, id)",
        f"focus = await read(door, {_ANYONE}, type, id)",
    ),
    Mutant(
        "an encounter's record goes on into that of another patient",
        "interactions/everything.py",
        'kind == "Patient" and owner not in subjects for kind',
        "False for kind",
    ),
    Mutant(
        "labels are everybody's",
        "interactions/labels.py",
        'permits_for(who, types, "s")',
        f'permits_for({_ANYONE}, types, "s")',
    ),
    Mutant(
        "the newest are everybody's",
        "interactions/lastn.py",
        "await search(door, who, replace(",
        f"await search(door, {_ANYONE}, replace(",
    ),
    Mutant(
        "versions are compared for everybody",
        "rest/operations/diff.py",
        "read.vread(service.door, request.who, type, id, str(version))",
        f"read.vread(service.door, {_ANYONE}, type, id, str(version))",
    ),
    Mutant(
        "a document holds what its reader may not read",
        "interactions/document.py",
        "else await read(door, who, type, id)",
        f"else await read(door, {_ANYONE}, type, id)",
    ),
    Mutant(
        "a document takes in the records of other patients",
        "interactions/document.py",
        'any(kind == "Patient" and owner not in subjects for kind',
        "any(False for kind",
    ),
    Mutant(
        "labels are read on what may not be",
        "rest/operations/meta.py",
        "resource = await read.read(service.door, request.who, path[0], path[1])",
        f"resource = await read.read(service.door, {_ANYONE}, path[0], path[1])",
    ),
    Mutant(
        "what is contained is everybody's",
        "access/confine.py",
        "contained = query.contained and replace(query.contained, containers=_visible(policy, TYPES))",
        "contained = query.contained",
    ),
    Mutant(
        "a List is everybody's",
        "access/confine.py",
        'permits = policy.permits("List", _READ)',
        f'permits = policy.permits("List", _READ) and ({_PERMIT},)',
    ),
    Mutant(
        "criteria delete what may only be searched",
        "interactions/delete.py",
        "        if not await visible(door, who, allowed, match):",
        "        if False:",
    ),
    Mutant(
        "criteria update what may only be searched",
        "interactions/update.py",
        "        if not await visible(door, who, allowed, match):",
        "        if False:",
    ),
    Mutant(
        "criteria patch what may only be searched",
        "interactions/patch.py",
        "if not (await visible(door, who, allowed, match) and await visible(door, who, reading, match)):",
        "if False:",
    ),
)


async def first_difference(start: int, stop: int) -> str | None:
    """Words about the first case of these worlds in which the server and the evaluator differ, or the first attempt
    that tells somebody something."""
    for seed in range(start, stop):
        thresholds.LIMITS = adapter.WAYS[seed % len(adapter.WAYS)]
        with tempfile.TemporaryDirectory() as folder:
            async with aclosing(differences(sqlite(Path(folder)), seed, tokens=TOKENS, cases=CASES)) as found:
                async for one in found:
                    if one is not None:
                        return str(one)
    thresholds.LIMITS = SURE
    for attempt in ATTEMPTS:
        for integrity in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                _, wrong = await told(sqlite(Path(folder)), attempt, integrity=integrity)
                if wrong:
                    return f"{attempt.name}: {wrong[0]}"
    return None


if __name__ == "__main__":
    difference = asyncio.run(first_difference(int(sys.argv[1]), int(sys.argv[2])))
    print(difference or "")
    sys.exit(3 if difference else 0)
