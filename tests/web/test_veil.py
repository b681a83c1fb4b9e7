"""What is told of sessions that are off the stage, and of failures: to whom, and how much."""

from __future__ import annotations

import pytest
from theatre import GatedJournal, ManualClock, crash_on_boom, play, settle
from web.kit import house
from web.wire import socket

from greenroom.actors.errors import JournalUnavailable


def test_a_parked_session_is_none_to_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_on_boom(monkeypatch, RuntimeError("boom in /srv/secret.py"))

    async def scene() -> None:
        async with house(clock=ManualClock(), max_restarts=0) as h:
            session = await h.runtime.create("ann", id="s1")
            await session.join("bob")
            session.post("ann", "boom")
            await settle()
            for user in ("ann", "bob"):
                async with h.client(user) as member:
                    refused = await member.get("/v1/sessions/s1/state")
                    assert (refused.status_code, refused.json()["code"]) == (503, "parked")
                    assert "secret" not in refused.text
            async with h.client("eve") as eve:
                for path in ("state", "snapshot", "replay", "events"):
                    stranger = await eve.get(f"/v1/sessions/s1/{path}")
                    unknown = await eve.get(f"/v1/sessions/s2/{path}")
                    assert stranger.text.replace("s1", "s2") == unknown.text
            statuses = [(await socket(h.app, "s1", user)).status for user in ("ann", "eve")]
            assert statuses == [503, 404]
            async with h.client("root+operator") as root:
                told = (await root.get("/v1/admin/explain/s1")).json()
                assert "secret" in told["error"]

    play(scene)


def test_the_reason_of_an_operator_is_told() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await h.runtime.create("ann", id="s1")
            await h.runtime.park("s1", "under repair")
            refused = await ann.get("/v1/sessions/s1/state")
            assert "under repair" in refused.json()["detail"]

    play(scene)


def test_nothing_that_a_store_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with house(journal=journal) as h, h.client("ann") as ann:
            await h.runtime.create("ann", id="s1")
            await h.runtime.passivate("s1")

            async def fails(*_: object, **__: object) -> None:
                raise JournalUnavailable("sqlite:////srv/secret.db", why="disk I/O error")

            monkeypatch.setattr(journal, "claim", fails)
            refused = await ann.get("/v1/sessions/s1/state")
            assert (refused.status_code, refused.json()["code"]) == (503, "journal_unavailable")
            assert "secret" not in refused.text
            assert "disk" not in refused.text

    play(scene)
