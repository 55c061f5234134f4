"""How PostgreSQL runs a service's statements once it knows its tables: cost must not grow with the number of customers.

With the settings of a service's sessions (servicekit.connection), statistics in place, and the plan of a prepared statement that has been
used for a while, which knows no values.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from servicekit.db import Database

FEW = 100  # rows that a statement may sort: of one account, or a batch
_PARAMETER = re.compile(r"\$([0-9]+)")
Statement = tuple[str, tuple[Any, ...]]


async def seeded(db: Database, seed: Sequence[Statement]) -> None:
    async with db.transaction() as tx:
        for sql, values in seed:
            await tx.execute(sql, *values)
        await tx.execute("ANALYZE")


async def too_dear(db: Database, hot: Mapping[str, str], *, few: int = FEW) -> list[str]:
    """Which of these statements read all of a table or an index, or sort more rows than `few`, and where."""
    found = []
    for name, sql in hot.items():
        async with db.transaction() as tx:
            await tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await tx.execute(f"PREPARE asked AS {sql}")
            nothing = ", ".join(["NULL"] * max(map(int, _PARAMETER.findall(sql)), default=0))
            rows = await tx.fetch(
                f"EXPLAIN (FORMAT JSON) EXECUTE asked({nothing})" if nothing else "EXPLAIN (FORMAT JSON) EXECUTE asked"
            )
            await tx.execute("DEALLOCATE asked")
        nodes = list(_nodes(json.loads(rows[0]["QUERY PLAN"])[0]["Plan"]))
        found += [f"{name}: {why}" for why in _wrong(nodes, few)]
    return found


def _wrong(nodes: Sequence[dict[str, Any]], few: int) -> Iterator[str]:
    limited = {node["Subplan Name"].removeprefix("CTE ") for node in nodes if "Subplan Name" in node and _limited(node)}
    for node in nodes:
        kind = node["Node Type"]
        if kind == "Seq Scan":
            yield f"reads all of {node['Relation Name']}"
        if kind in {"Index Scan", "Index Only Scan", "Bitmap Index Scan"} and "Index Cond" not in node:
            yield f"reads all of {node['Index Name']}"
        if kind == "Sort" and not _limited(node) and node["Plans"][0].get("CTE Name") not in limited and node["Plan Rows"] > few:
            yield f"sorts {node['Plan Rows']} rows by {node['Sort Key']}"


def _limited(node: dict[str, Any]) -> bool:
    """How many a LIMIT of a parameter lets through, no generic plan knows; the statement's caller does."""
    return any(one["Node Type"] == "Limit" for one in _nodes(node))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
