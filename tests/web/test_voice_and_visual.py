"""Voice, timers and visual input over HTTP."""

from __future__ import annotations

from media.pictures import JPEG_1X1
from theatre import ManualClock, play
from web.kit import house

AT = "/v1/sessions/s1"


def test_phases_touches_and_the_dialog() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")

            moved = await ann.put(f"{AT}/phase", json={"phase": "connected"})
            assert (moved.status_code, moved.json()) == (200, {"phase": "connected", "taken": True})
            assert (await session.info()).phase == "connected"
            wrong = await ann.put(f"{AT}/phase", json={"phase": "init"})
            assert (wrong.status_code, wrong.json()["code"]) == (409, "wrong_phase")
            closed = await ann.put(f"{AT}/phase", json={"phase": "closed"})
            assert (closed.status_code, closed.json()["field"]) == (422, "phase")
            assert (await ann.post(f"{AT}/touch")).json()["revision"] == 0

            pairs = [{"user": "hi", "assistant": "hello"}]
            assert (await ann.put(f"{AT}/dialog", json={"dialog": pairs})).status_code == 200
            assert (await ann.get(f"{AT}/dialog")).json() == {"dialog": pairs}

    play(scene)


def test_only_the_first_greeting_is_a_turn() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await h.runtime.create("ann", id="s1")
            first = await ann.post(f"{AT}/greet", json={"prompt": "be kind"})
            second = await ann.post(f"{AT}/greet")
            assert (first.status_code, first.json()["turn"]) == (202, 1)
            assert first.headers["location"] == f"{AT}/turns/1"
            assert (second.status_code, second.json()) == (200, {"greeted": True})

    play(scene)


def test_timers_are_set_listed_and_cancelled() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")

            timer = {"after_s": 60, "payload": {"x": 1}}
            made = await ann.put(f"{AT}/wakes/tea time", json=timer)
            assert made.status_code == 200
            assert made.json()["due_ms"] == clock.now_ms() + 60_000
            (listed,) = (await ann.get(f"{AT}/wakes")).json()["wakes"]
            assert (listed["name"], listed["payload"]) == ("tea time", {"x": 1})
            gone = await ann.delete(f"{AT}/wakes/tea time")
            assert gone.json()["due_ms"] == made.json()["due_ms"]
            assert (await ann.delete(f"{AT}/wakes/tea time")).json()["due_ms"] is None
            assert await session.wakes("ann") == ()

            for bad, field in (
                ({}, "at"),
                ({"at_ms": 5, "after_s": 1}, "after_s"),
                ({"every": 0.5}, "every"),
                ({"every": "nonsense"}, "every"),
            ):
                refused = await ann.put(f"{AT}/wakes/w", json=bad)
                assert (refused.status_code, refused.json()["field"]) == (422, field), bad

    play(scene)


def test_frames_are_shown_as_they_are() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")
            path = f"{AT}/visual/frames"
            query = {"source": "camera", "width": 1, "height": 1, "frame_seq": 7}
            sent = {"params": query, "content": JPEG_1X1, "headers": {"content-type": "image/jpeg"}}

            early = await ann.post(path, **sent)  # type: ignore[arg-type]
            assert early.json() == {"accepted": False, "reason": "not_started"}
            started = await ann.put(f"{AT}/visual", json={"source": "camera"})
            assert (started.status_code, started.json()) == (200, {"changed": True})
            taken = await ann.post(path, **sent)  # type: ignore[arg-type]
            assert taken.json() == {"accepted": True, "reason": ""}

            (listed,) = (await ann.get(path)).json()["frames"]
            assert (listed["frame_seq"], listed["size"]) == (7, len(JPEG_1X1))
            assert "data" not in listed
            (frame,) = await session.frames("ann")
            assert frame.data == JPEG_1X1
            assert (await ann.get(f"{path}?ttl_s=0")).json()["frames"] == []
            stopped = await ann.delete(f"{AT}/visual?source=camera")
            assert stopped.json() == {"changed": True}
            assert (await ann.get(path)).json()["frames"] == []

    play(scene)


def test_what_is_no_frame_is_refused() -> None:
    async def scene() -> None:
        async with house(web={"max_body_bytes": 5000}) as h, h.client("ann") as ann:
            await h.runtime.create("ann", id="s1")
            await ann.put(f"{AT}/visual", json={"source": "camera"})
            path = f"{AT}/visual/frames?source=camera&height=1"
            jpeg = {"content-type": "image/jpeg"}

            other = await ann.post(f"{path}&width=2", content=JPEG_1X1, headers=jpeg)
            assert (other.status_code, other.json()["code"]) == (422, "bad_frame")
            empty = await ann.post(f"{path}&width=1", headers=jpeg)
            assert (empty.status_code, empty.json()["field"]) == (422, "data")
            large = await ann.post(f"{path}&width=1", content=bytes(5001), headers=jpeg)
            assert (large.status_code, large.json()["limit"]) == (413, 5000)
            text = {"content-type": "text/plain"}
            kind = await ann.post(f"{path}&width=1", content=JPEG_1X1, headers=text)
            assert (kind.status_code, kind.json()["code"]) == (415, "unsupported_type")
            missing = await ann.post(path, content=JPEG_1X1, headers=jpeg)
            assert (missing.status_code, missing.json()["field"]) == (422, "width")

    play(scene)
