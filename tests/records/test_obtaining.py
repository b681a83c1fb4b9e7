"""A session is made once, whoever asks for it (spec S12, S13, S27, SX12, SX13, SX24)."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
from rooms.hall import refused
from theatre import GatedJournal, LotteryDispatcher, Script, play, settle, texts

import greenroom


def test_s13_a_session_is_made_and_then_found(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            made = await runtime.get_or_create(
                "ann", id="s", name="a room", user_name="Ann", context={"a": 1}
            )
            await made.post("ann", "kept")
            found = await runtime.get_or_create("ann", id="s", name="another", context={"a": 2})

            assert (made.id, found.id) == ("s", "s")
            assert (await found.info()).name == "a room"
            assert (await found.snapshot("ann")).context == {"a": 1}

        async with greenroom.Runtime(journal=store()) as runtime:
            cold = await runtime.get_or_create("ann", id="s")
            assert runtime.resident == 1
            assert texts(await cold.transcript("ann")) == ["kept"]

    play(scene)


@pytest.mark.parametrize("seed", range(20))
def test_s13_sx13_callers_at_the_same_time_get_one_session_and_lose_nothing(seed: int) -> None:
    async def scene() -> None:
        journal = GatedJournal()
        runtime = greenroom.Runtime(journal=journal, dispatcher=LotteryDispatcher(seed))
        async with runtime:

            async def come(number: int) -> greenroom.Receipt:
                session = await runtime.get_or_create("ann", id="s", name=f"room {number}")
                return await session.post("ann", f"{number}")

            receipts = await asyncio.gather(*map(come, range(5)))

            session = runtime.session("s")
            assert sorted(receipt.revision for receipt in receipts) == [1, 2, 3, 4, 5]
            assert sorted(texts(await session.transcript("ann"))) == list("01234")
            assert len((await runtime.sessions()).rows) == 1

    play(scene)


def test_s13_sx13_threads_get_one_session(store: Any) -> None:
    with greenroom.Runtime.start_in_thread(journal=store()) as runtime:
        start, failures = threading.Barrier(8), list[Exception]()

        def come(number: int) -> None:
            start.wait()
            try:
                runtime.get_or_create("ann", id="s").get().post("ann", f"{number}").get()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=come, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        said = texts(runtime.session("s").transcript("ann").get())
        assert sorted(said) == list("01234567")


def test_s13_in_a_full_house_the_one_who_comes_second_is_not_told_that_it_is_full() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, max_sessions=1) as runtime:
            first, second = [runtime.get_or_create("ann", id="s") for _ in range(2)]

            assert (await first).id == (await second).id == "s"

            await (await first).send("ann", "think")
            assert (await runtime.get_or_create("ann", id="s")).id == "s"
            await refused(runtime.get_or_create("ann", id="t"), greenroom.CapacityError)
            await runtime.session("s").end("ann")

    play(scene)


def test_s13_a_session_is_given_to_who_owns_it_or_takes_part() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(dev_user="dev") as runtime:
            made = await runtime.get_or_create("ann", id="s")
            error = await refused(runtime.get_or_create("eve", id="s"), greenroom.NotMember)
            assert (error.session, error.user) == ("s", "eve")

            await made.join("bob")
            await made.leave("ann")

            for user in ("bob", "ann", "dev"):
                assert (await runtime.get_or_create(user, id="s")).id == "s"
            assert (await made.info()).owner == "ann"
            await made.end("bob")
            ended = await runtime.get_or_create("ann", id="s")
            assert (await ended.info()).state == "ended"

    play(scene)


def test_s13_of_two_users_at_once_one_gets_it() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            replies = [runtime.get_or_create(user, id="s") for user in ("ann", "bob")]
            outcomes = await asyncio.gather(*replies, return_exceptions=True)

            kinds = [type(outcome) for outcome in outcomes]
            assert kinds == [greenroom.Session, greenroom.NotMember]
            assert await runtime.owner_of("s") == "ann"

    play(scene)


def test_s13_a_deleted_session_does_not_come_back(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await runtime.get_or_create("ann", id="s")
            await session.delete("ann")

            await refused(runtime.get_or_create("ann", id="s"), greenroom.SessionExists)

            assert (await runtime.sessions()).rows == []

    play(scene)


def test_s13_a_failure_is_told_and_makes_no_session() -> None:
    async def scene() -> None:
        class Full(GatedJournal):
            full = True

            async def claim(self, session: str, *, create: Any = None) -> Any:
                if self.full and create is not None:
                    raise greenroom.NotWritten("full")
                return await super().claim(session, create=create)

        journal = Full()
        async with greenroom.Runtime(journal=journal) as runtime:
            await refused(runtime.get_or_create("ann", id="s"), greenroom.NotWritten)
            assert runtime.resident == 0
            journal.full = False
            assert (await runtime.get_or_create("ann", id="s")).id == "s"
        await settle()
        await refused(runtime.get_or_create("ann", id="s"), greenroom.RuntimeClosed)

    play(scene)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"id": ""}, "session id"),
        ({"id": "s", "name": 1}, "name"),
        ({"id": "s", "context": {1: 2}}, "a key of context"),
        ({"id": "s", "token": "plain"}, "token"),
    ],
)
def test_s13_what_cannot_make_a_session_is_refused_at_once(
    options: dict[str, Any], field: str
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                runtime.get_or_create("ann", **options)

            assert refusal.value.field == field

    play(scene)


def test_s12_sx12_creating_an_id_that_is_in_use_replaces_nothing(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await runtime.create(user="ann", id="s", name="first")
            await session.post("ann", "kept")
            error = await refused(
                runtime.create(user="bob", id="s", name="second"), greenroom.SessionExists
            )
            assert error.session == "s"
            await runtime.passivate("s")
            await refused(runtime.create(user="bob", id="s"), greenroom.SessionExists)

        async with greenroom.Runtime(journal=store()) as runtime:  # and from the store alone
            await refused(runtime.create(user="ann", id="s"), greenroom.SessionExists)
            row = await runtime.find("s")
            assert row is not None
            assert (row.owner, row.name) == ("ann", "first")
            assert texts(await runtime.session("s").transcript("ann")) == ["kept"]

    play(scene)


def test_s12_a_new_session_is_durable_when_it_is_answered(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await runtime.create(user="ann")
            row = await runtime.journal.find(session.id)
            assert row is not None
            assert (row.title, row.language, row.messages) == ("New Chat", "en", 0)

    play(scene)


def test_s27_sx24_ids_are_random_numbers_of_128_bits_and_short_ones_are_taken() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions=300, max_sessions_per_user=300) as runtime:
            ids = [(await runtime.create(user="ann")).id for _ in range(256)]

            assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)
            numbers = [int(each, 16) for each in ids]
            for bit in range(128):  # each is 0 in some and 1 in others: none is fixed
                assert 0 < sum(number >> bit & 1 for number in numbers) < 256
            short = await runtime.create(user="ann", id="3f2504e0-4f8")
            assert (await runtime.session("3f2504e0-4f8").info()).id == short.id

    play(scene)
