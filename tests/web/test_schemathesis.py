"""The API against its own description, by schemathesis: whatever is sent, the answer is described.

Each request meets a session in which much has happened already, so that an answer is more often
about what is there than that nothing is. By hand, with as many requests for each operation and
caller as one likes:

    SCHEMATHESIS_EXAMPLES=2000 pytest tests/web/test_schemathesis.py
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import sampled_from
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi import checks
from web.kit import House, house
from web.logs import logged
from web.test_openapi import DESCRIBED

import greenroom

LONG: Final = os.environ.get("SCHEMATHESIS_EXAMPLES")
EXAMPLES: Final = int(LONG or 12)

LEFT_OUT: Final = {
    "drain": "it ends the house",
    "connect": "it is a WebSocket",
}

CHECKS: Final = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

KNOWN: Final = {"turn": (1, 2), "user": ("ann", "bob")}
"""What there is in each session, by the name of the path's parameter."""

SCHEMA: Final = from_dict(json.loads(msgspec.json.encode(DESCRIBED)))

OPERATIONS: Final = {
    found.definition.raw["operationId"]: found
    for found in (each.ok() for each in SCHEMA.get_all_operations())
    if found.definition.raw["operationId"] not in LEFT_OUT
}


async def agent(turn: greenroom.Turn) -> AsyncIterator[Any]:
    """Asks for leave when it is told to, and echoes otherwise."""
    if turn.input.text == "ask" and turn.decisions is None:
        yield greenroom.RequestApproval(calls=[greenroom.ToolCall(name="drop", id="c1")])
    else:
        yield turn.input.text


class Stage:
    """A house, and a session for each request."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._count = 0

    async def session(self) -> dict[str, Any]:
        """What is there in a new session: people, and a turn that waits for an approval."""
        self._count += 1
        id = f"s{self._count}"  # noqa: A001
        session = await self.house.runtime.create("ann", id=id)
        await session.join("bob")
        await session.post("bob", "hello")
        await (await session.send("ann", "first")).result()
        await session.send("ann", "ask")
        while (asked := await session.approval("ann")) is None:
            await asyncio.sleep(0)
        return {"id": id, "approval": asked.id}

    async def answer(self, user: str, case: schemathesis.Case, known: int | None) -> httpx.Response:
        """What is answered; the path names what there is, if it is said which of it."""
        there = await self.session()
        if known is not None:
            there |= {name: values[known] for name, values in KNOWN.items()}
            case.path_parameters.update(
                {name: there[name] for name in case.path_parameters if name in there}
            )
        raw = requests.Request(**requested(case)).prepare()
        headers = {name: latin(value) for name, value in raw.headers.items()}
        headers["authorization"] = f"Bearer {user}".encode()
        async with self.house.client(leaves=True) as client:
            return await client.request(
                raw.method or "", raw.url or "", headers=headers, content=raw.body
            )


def requested(case: schemathesis.Case) -> dict[str, Any]:
    taken = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
    kwargs = case.as_transport_kwargs(base_url="http://localhost")
    return {key: value for key, value in kwargs.items() if key in taken}


def latin(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    web = {"wait_max_s": 0.001, "request_burst": 10_000_000, "max_body_bytes": 1 << 20}
    many = {"max_sessions": 1_000_000, "max_sessions_per_user": 1_000_000}
    async with house(agent, web=web, **many) as h:
        yield Stage(h)


@pytest.mark.parametrize("user", ["ann", "ann+operator"], ids=["owner", "operator"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_described(
    operation: str, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    with asyncio.Runner() as runner:
        around = staged()
        stage = runner.run(around.__aenter__())

        @settings(
            max_examples=EXAMPLES,
            derandomize=LONG is None,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=OPERATIONS[operation].as_strategy(), known=sampled_from([0, 1, None]))
        def play(case: schemathesis.Case, known: int | None) -> None:
            answer = runner.run(stage.answer(user, case, known))
            case.validate_response(answer, checks=CHECKS)

        try:
            with logged() as lines, caplog.at_level(logging.WARNING):
                play()
        finally:
            runner.run(around.__aexit__(None, None, None))

    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert [record.getMessage() for record in caplog.records] == []
