"""A new session from any revision of another one, which is left as it was (asks c.21)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rooms.hall import refused
from session.cast import call, do, genesis, lines, record
from session.cast import room as cast
from theatre import GatedJournal, Script, echo, play, settle, texts

import greenroom
from greenroom.actors.ports import Beginning
from greenroom.actors.session import events as happened
from greenroom.actors.session.commands import Send, UpdateContext
from greenroom.actors.session.fold import apply
from greenroom.actors.session.fork import forked
from greenroom.actors.session.state import Genesis, State, decode_genesis, encode_genesis
from greenroom.adapters.journals.memory import MemoryJournal


def fork_of(source: State, name: str | None = None) -> Genesis:
    return forked(
        source, id="t", incarnation="beef", owner="bob", owner_name="Bob", name=name, created_ms=9
    )


async def said(session: greenroom.Session, user: str = "ann") -> list[str]:
    return texts(await session.transcript(user))


async def begin(runtime: greenroom.Runtime, *texts: str, **options: Any) -> greenroom.Session:
    """Ann's session `s` with Bob in it, in which these were asked and answered."""
    session = await runtime.create(user="ann", id="s", name="a room", **options)
    await session.join("bob", name="Bob")
    for text in texts:
        await (await session.send("ann", text)).result()
    return session


# --- what it has -----------------------------------------------------------------------------


def test_a_fork_begins_with_what_the_source_had_and_belongs_to_the_forker() -> None:
    async def scene() -> None:
        settings = greenroom.Settings(max_participants=3, policy="reject")
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(
                runtime, "one", context={"a": 1}, memories=["m"], settings=settings
            )
            await source.update_context("bob", {"b": [2]})
            before = await source.info()

            fork = await source.fork("bob")

            shown = await fork.snapshot("bob")
            assert shown.transcript == await source.transcript("ann")
            assert await fork.dialog("bob") == await source.dialog("ann") != ()
            assert (shown.context, shown.memories) == ({"a": 1, "b": [2]}, ["m"])
            info = shown.info
            assert info.id == fork.id != "s"
            assert info.origin == greenroom.Origin(session="s", revision=before.revision)
            assert (info.owner, info.host, list(info.participants)) == ("bob", "bob", ["bob"])
            assert (info.participants["bob"].name, info.participants["bob"].role) == ("Bob", "host")
            assert (info.name, info.state, info.revision, info.messages) == (
                "a room", "active", 0, 2,
            )  # fmt: skip
            assert await source.info() == before
            assert before.origin is None

    play(scene)


def test_the_turns_of_a_fork_are_counted_on_and_it_goes_its_own_way() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(runtime, "one", "two")
            fork = await source.fork("ann", id="t", name="what if")

            turn = await fork.send("ann", "three")
            await turn.result()
            await source.send("ann", "other")

            assert turn.id == 3
            assert await said(fork) == ["one", "one ", "two", "two ", "three", "three "]
            assert (await said(source))[:5] == ["one", "one ", "two", "two ", "other"]
            assert (await fork.info()).name == "what if"
            assert (await fork.result(2)).text == "two "
            assert (await fork.interrupt("ann", 2)).verdict == "completion_won"
            await refused(fork.result(4), greenroom.TurnNotFound)

    play(scene)


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}/j.db"])
def test_a_fork_of_any_revision_outlives_a_restart(url: str, tmp_path: Path) -> None:
    async def scene() -> None:
        journal: Any = MemoryJournal() if url == "memory:" else url.format(tmp_path)
        async with greenroom.Runtime(echo, journal=journal, max_sessions_per_user=50) as runtime:
            source = await begin(runtime, "one", "two")
            head = (await source.info()).revision
            forks = [await source.fork("ann", at=at, id=f"t{at}") for at in range(head + 1)]
            sizes = [len(await said(fork)) for fork in forks]
        async with greenroom.Runtime(echo, journal=journal, max_sessions_per_user=50) as runtime:
            for at in range(head + 1):
                fork = runtime.session(f"t{at}")
                info = await fork.info()
                assert info.origin == greenroom.Origin(session="s", revision=at)
                assert (await said(runtime.session("s")))[: sizes[at]] == await said(fork)
                assert (await fork.verify("ann")).valid
            await (await fork.send("ann", "three")).result()
            await (await (await fork.fork("ann", id="u")).send("ann", "four")).result()
            assert (await said(runtime.session("u")))[-3:] == ["three ", "four", "four "]
            origin = (await runtime.session("u").info()).origin
            assert origin is not None
            assert origin.session == f"t{head}"

        assert sizes == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]

    play(scene)


def test_a_fork_of_what_was_undone_since_has_it_still() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, compactor=lambda _: "sum") as runtime:
            source = await begin(runtime, "one", "two")
            before = (await source.info()).revision
            await source.undo("ann")
            await (await source.compact("ann", keep=0)).result()

            assert await said(await source.fork("ann", at=before)) == [
                "one", "one ", "two", "two ",
            ]  # fmt: skip
            assert await said(await source.fork("ann", at=before + 1)) == ["one", "one "]
            assert await said(await source.fork("ann")) == ["sum"]

    play(scene)


def test_p19_a_turn_that_was_open_is_cut_off_in_the_fork_and_goes_on_in_the_source() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, stop_budget_s=0.0) as runtime:
            source = await begin(runtime)
            await source.send("ann", "one")
            await source.send("ann", "two")
            script.cue("s", 1, "let me look", greenroom.ToolCall(name="look", id="a"))
            await settle()

            fork = await source.fork("ann", id="t")
            script.cue("s", 1, greenroom.ToolResult(value=1), "found", None)
            await source.result(1)

            kinds = [type(line).__name__ for line in await fork.transcript("ann")]
            assert kinds == ["Message", "Message", "ToolCall", "ToolResult", "Message"]
            assert await said(fork) == ["one", "let me look", "two"]
            assert (await fork.verify("ann")).valid
            info = await fork.info()
            assert (info.running_turn, info.queued_turns) == (None, [])
            ends = [await fork.result(turn) for turn in (1, 2)]
            assert {(end.status, end.reason, end.cause) for end in ends} == {
                ("cancelled", "forked by ann", "user")
            }
            assert await said(source) == ["one", "let me look", "found", "two"]

            await fork.send("ann", "three")
            await settle()
            assert texts(script.turns[-1].history) == ["one", "let me look", "two"]

    play(scene)


def test_a_suspended_turn_is_cut_off_in_the_fork_and_asks_only_in_the_source() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, stop_budget_s=0.0) as runtime:
            source = await begin(runtime)
            await source.send("ann", "one")
            call = greenroom.ToolCall(name="pay", id="c")
            script.cue("s", 1, greenroom.RequestApproval(calls=[call]))
            await settle()

            fork = await source.fork("ann", id="t")

            assert await fork.approval("ann") is None
            assert await source.approval("ann") is not None
            _, called, stub = await fork.transcript("ann")
            assert isinstance(called, greenroom.ToolCall)
            assert isinstance(stub, greenroom.ToolResult)
            assert (stub.id, stub.stub) == (called.id, True)

    play(scene)


def test_a_fork_has_its_own_copy_of_everything() -> None:
    source = cast("bob")
    do(source, Send(user="ann", text="one"))
    do(source, record(1, call(id="c"))[0])
    do(source, UpdateContext(user="ann", patch={"a": {"b": 1}}))
    apply(source, happened.DialogSet(user="ann", dialog=[]), 1)
    begun = fork_of(source)

    fork = State.at_creation(decode_genesis(encode_genesis(begun)))

    assert lines(fork) == ["ann:one", "call c", "stub c"]
    assert lines(source) == ["ann:one", "call c"]
    assert (fork.last_turn, fork.greeted, fork.dialog, fork.messages) == (1, False, [], 1)
    assert fork.running is None
    assert (fork.revision, fork.open_calls, fork.versions) == (0, {}, {})
    do(fork, Send(user="bob", text="two"))
    assert len(begun.history) == 3


def test_a_session_from_before_there_were_forks_is_read_as_it_was() -> None:
    old = {
        field: getattr(genesis(), field)
        for field in ("id", "incarnation", "owner", "owner_name", "name", "created_ms", "started")
    }
    written = msgspec.msgpack.encode({**old, "settings": {}, "context": {}, "memories": []})

    assert decode_genesis(written) == genesis()


# --- who, and what is refused ----------------------------------------------------------------


def test_a_stranger_forks_nothing_and_learns_no_more_than_that() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(runtime, "one")
            await source.leave("bob")

            for user in ("mallory", "bob"):
                for at in (None, 0, 10_000):
                    await refused(source.fork(user, at=at, id="s"), greenroom.NotMember)
            totals = await runtime.totals()
            assert totals.sessions == 1

    play(scene)


def test_who_only_watches_may_fork_and_speaks_in_what_is_his() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(runtime, "one")
            await source.join("eve", role="observer")

            fork = await source.fork("eve")
            await (await fork.send("eve", "two")).result()

            assert await said(fork, "eve") == ["one", "one ", "two", "two "]

    play(scene)


def test_a_session_that_has_ended_can_be_gone_on_from() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(runtime, "one")
            await source.end("ann")

            fork = await source.fork("ann")
            await (await fork.send("ann", "two")).result()

            assert (await fork.info()).state == "active"
            assert (await source.info()).state == "ended"

    play(scene)


def test_a_revision_that_is_not_there_is_refused() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(runtime, "one")
            head = (await source.info()).revision

            await refused(
                source.fork("ann", at=head + 1),
                greenroom.InvalidInput,
                field="at",
                limit=f"a revision, at most {head}",
            )
            for at in (-1, True, "1"):
                with pytest.raises(greenroom.InvalidInput, match="at is"):
                    source.fork("ann", at=at)  # type: ignore[arg-type]
            with pytest.raises(greenroom.InvalidInput, match="session id"):
                source.fork("ann", id="../etc")

    play(scene)


def test_an_id_that_is_taken_is_refused_so_that_a_retry_makes_no_second_one() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(runtime, "one")
            await source.fork("ann", id="t")

            await refused(source.fork("ann", id="t"), greenroom.SessionExists)
            await refused(source.fork("ann", id="s"), greenroom.SessionExists)
            await refused(runtime.session("no").fork("ann"), greenroom.SessionNotFound)

    play(scene)


def test_a_fork_takes_a_slot_as_any_new_session() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, max_sessions_per_user=2) as runtime:
            source = await begin(runtime, "one")
            await source.fork("ann")

            await refused(source.fork("ann"), greenroom.CapacityError, scope="per_user")
            await source.fork("bob")

    play(scene)


def test_what_is_too_large_to_begin_with_is_refused(monkeypatch: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            source = await begin(runtime, "x" * 2000)
            monkeypatch.setattr("greenroom.adapters.journals.memory.MAX_BYTES", 1000)

            await refused(source.fork("ann", id="t"), greenroom.Rejected, session="t", limit=1000)
            await source.fork("ann", at=0, id="t")

    play(scene)


def test_a_journal_that_cannot_be_read_is_reported_and_the_source_goes_on() -> None:
    class Unreadable(MemoryJournal):
        async def beginning(self, session: str) -> Beginning:
            raise ZeroDivisionError

    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=Unreadable()) as runtime:
            source = await begin(runtime, "one")

            await refused(source.fork("ann"), greenroom.JournalUnavailable)
            await (await source.send("ann", "two")).result()

    play(scene)


# --- when ------------------------------------------------------------------------------------


def test_a_fork_has_everything_that_was_acknowledged_and_waits_for_it() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            source = await begin(runtime)
            journal.holding = True
            post = source.post("ann", "just now")
            forking = source.fork("ann")
            await settle()
            assert (post.done, forking.done) == (False, False)

            journal.let()

            assert await said(await forking) == ["just now"]

    play(scene)


def test_p04_a_fork_that_is_under_way_when_the_runtime_stops_is_answered() -> None:
    class Slow(MemoryJournal):
        async def read(self, session: str, *, after: int, limit: int) -> Any:
            await asyncio.Event().wait()

    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=Slow()) as runtime:
            source = await begin(runtime, "one")
            forking = source.fork("ann")
            await settle()

        await refused(forking, greenroom.RuntimeClosed)
        await refused(source.fork("ann"), greenroom.RuntimeClosed)

    play(scene)


def test_a_long_session_is_read_page_by_page_with_others_in_between(monkeypatch: Any) -> None:
    async def scene() -> None:
        monkeypatch.setattr("greenroom.supervisor.recording.PAGE", 3)
        pages: list[tuple[int, int]] = []

        class Noting(MemoryJournal):
            async def read(self, session: str, *, after: int, limit: int) -> Any:
                pages.append((after, limit))
                return await super().read(session, after=after, limit=limit)

        async with greenroom.Runtime(echo, journal=Noting()) as runtime:
            source = await begin(runtime, "one", "two")

            await source.fork("ann", at=8)

            assert pages == [(0, 3), (3, 3), (6, 2)]

    play(scene)


def test_a_fork_from_a_thread() -> None:
    async def answer(turn: greenroom.Turn) -> AsyncIterator[str]:
        yield "ok"

    with greenroom.Runtime.start_in_thread(answer) as runtime:
        source = runtime.create(user="ann").get()
        source.send("ann", "one").get().result().get()

        # Often, as the answer may be there before the asking thread has looked for it.
        forks = [source.fork("ann", at=revision % 4) for revision in range(200)]

        made = [number for number, fork in enumerate(forks) if outcome(fork) is None]
        assert len(made) == 9, "as many as have a slot beside the source"
        assert {type(outcome(fork)) for fork in forks} == {type(None), greenroom.CapacityError}
        said = ([], ["one"], ["one"], ["one", "ok"])
        for number in made:
            assert texts(forks[number].get().transcript("ann").get()) == said[number % 4]


def outcome(reply: Any) -> Exception | None:
    """What a reply was refused with, when it is answered."""
    try:
        reply.get(timeout=10)
    except greenroom.GreenroomError as error:
        return error
    return None
