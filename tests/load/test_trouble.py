"""Answers that are interrupted by the next message, and calls that people must approve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorded import dialogue, host, host_and_verify, run_at_once

import greenroom
from greenroom.actors.session.audit import audit
from greenroom.actors.session.events import ApprovalDecided, TurnEnded
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.load.trouble import Trouble
from greenroom.adapters.load.verify import difference, verify
from greenroom.supervisor.recording import read_recording

SHOWN = [dialogue(n, exchanges=6, calls=2) for n in range(12)]
BOTH = Trouble(barge_in=0.5, approve=0.5)


def drawn(trouble: Trouble) -> tuple[int, int]:
    """How many answers are interrupted, and how many calls are put to approval."""
    places = [(each, place) for each in SHOWN for place in range(each.exchanges)]
    cut = sum(trouble.interrupts(*place) for place in places)
    asked = sum(
        trouble.approves(each, place, call)
        for each, place in places
        for call in range(len(each.answer(place).calls))
    )
    return cut, asked


def test_what_is_drawn_is_about_the_share_and_always_the_same() -> None:
    assert drawn(Trouble()) == (0, 0)
    calls = sum(len(turn.calls) for each in SHOWN for turn in each.turns)
    assert drawn(Trouble(barge_in=1.0, approve=1.0)) == (12 * 5, calls)
    cut, asked = drawn(BOTH)
    assert 15 < cut < 45
    assert calls // 4 < asked < calls
    assert drawn(Trouble(barge_in=0.5, approve=0.5)) == (cut, asked)


@pytest.mark.parametrize("trouble", [BOTH, Trouble(barge_in=1.0), Trouble(approve=1.0)])
@pytest.mark.parametrize(
    "options", [{}, {"rooms": 3}, {"max_sessions": 3}], ids=["alone", "rooms", "little space"]
)
def test_dialogues_in_trouble_are_kept_as_far_as_they_went(
    trouble: Trouble, options: dict[str, Any]
) -> None:
    counters, verdict = run_at_once(host_and_verify(SHOWN, trouble=trouble, **options))

    assert verdict.mismatches == []
    assert counters.error_texts == []
    cut, asked = drawn(trouble)
    assert counters.interruptions == cut
    assert counters.approvals == asked
    assert (counters.left_meanwhile > 0) == (asked > 0)


def test_what_happened_is_in_the_journal() -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        await host(SHOWN, journal, trouble=BOTH)
        await journal.open()
        statuses, decisions = [], 0
        for each in SHOWN:
            recording = await read_recording(journal, each.dialogue_id)
            assert audit(recording.state.history) == ()
            events = [entry.event for entry in recording.entries]
            statuses += [event.status for event in events if isinstance(event, TurnEnded)]
            decisions += sum(isinstance(event, ApprovalDecided) for event in events)

        cut, asked = drawn(BOTH)
        assert (statuses.count("superseded"), decisions) == (cut, asked)
        assert len(statuses) == 12 * 6

    run_at_once(scene())


def test_a_second_run_goes_on_where_the_first_was_cut_off(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        some = [dialogue(n, exchanges=3, calls=2) for n in range(12)]
        await host(some, journal, trouble=Trouble(barge_in=0.0, approve=0.5))

        counters, _ = await host(SHOWN, journal, trouble=Trouble(barge_in=0.0, approve=0.5))

        assert counters.found == 12
        assert counters.error_texts == []
        verdict = await verify(journal, SHOWN, Trouble(approve=0.5))
        assert verdict.mismatches == []

    run_at_once(scene())


def test_an_interrupted_answer_is_no_match_for_who_did_not_ask_for_it() -> None:
    async def scene() -> str:
        journal = MemoryJournal()
        trouble = Trouble(barge_in=1.0)
        await host(SHOWN[:1], journal, trouble=trouble)
        await journal.open()
        recording = await read_recording(journal, "d-0")
        assert difference(SHOWN[0], recording, trouble) == ""
        return difference(SHOWN[0], recording)

    assert "in exchange 1" in run_at_once(scene())


def test_a_cut_answer_must_be_a_beginning_of_what_was_recorded() -> None:
    async def scene() -> str:
        journal = MemoryJournal()
        trouble = Trouble(barge_in=1.0)
        await host(SHOWN[:1], journal, trouble=trouble)
        await journal.open()
        recording = await read_recording(journal, "d-0")
        history = recording.state.history
        (index, line), *_ = [
            (i, line)
            for i, line in enumerate(history)
            if isinstance(line, greenroom.Message) and line.interrupted
        ]
        history[index] = greenroom.Message(text="other", turn=line.turn, interrupted=True)
        return difference(SHOWN[0], recording, trouble)

    assert "'other'" in run_at_once(scene())
