"""A server of MongoDB's wire protocol for tests where no `mongod` can be installed: mongoeco, in memory.

Runs in an environment of its own (Python >= 3.13, `pip install mongoeco==4.11.0 pymongo`); says on its first
line where it listens. Usage: python tests/mongo_server.py PORT

What real servers do and mongoeco 4.11 does not is added here; a real server (MONGODB_URI) needs none of it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from mongoeco.core.aggregation import register_aggregation_expression_operator
from mongoeco.engines.memory import MemoryEngine
from mongoeco.wire import AsyncMongoEcoProxyServer
from mongoeco.wire.executor import WireCommandExecutor


def _not(document: Any, spec: Any, variables: Any, dialect: Any, context: Any) -> bool:
    """{"$not": [expression]}: true for false, null and 0."""
    (argument,) = spec if isinstance(spec, list) else [spec]
    value = context.evaluate_expression(document, argument, variables)
    return value is None or value is False or (isinstance(value, int | float) and value == 0)


def _flat(spec: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}, which means the same in a projection."""
    out: dict[str, Any] = {}
    for key, value in spec.items():
        if isinstance(value, dict) and value and not any(name.startswith("$") for name in value):
            out.update(_flat(value, f"{prefix}{key}."))
        else:
            out[prefix + key] = value
    return out


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, dict):
        node = {key: _plain(value) for key, value in node.items()}
        for stage in ("$project", "$addFields", "$set"):
            if len(node) == 1 and isinstance(node.get(stage), dict):
                return {stage: _flat(node[stage])}
    return node


_build = WireCommandExecutor._build_request_context


def _build_request_context(self: WireCommandExecutor, body: dict[str, Any], **kwargs: Any) -> Any:
    """Reads commands as a real server does."""
    if "buildinfo" in body:  # a real server takes both spellings
        body = {"buildInfo" if key == "buildinfo" else key: value for key, value in body.items()}
    if "aggregate" in body:
        body = {**body, "pipeline": _plain(body["pipeline"])}
    return _build(self, body, **kwargs)


class Engine(MemoryEngine):
    def _ensure_unique_indexes(self, *args: Any, **kwargs: Any) -> Any:
        # Each insert would look for its id in the whole collection once more.
        kwargs["scan_payload_id"] = False
        return super()._ensure_unique_indexes(*args, **kwargs)


async def main(port: int) -> None:
    register_aggregation_expression_operator("$not", _not)
    WireCommandExecutor._build_request_context = _build_request_context  # the server makes its executor itself
    engine = Engine(aggregation_materialization_limit=None)
    async with AsyncMongoEcoProxyServer(engine=engine, port=port, mongodb_dialect="8.0") as server:
        print(server.address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
