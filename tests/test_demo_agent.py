"""The demo agent: something to see of everything, and no network."""

from __future__ import annotations

import pytest

from greenroom.adapters.pipelines.demo import DemoAgent
from greenroom.testing import Stage


def said(stage: Stage, text: str, decide: bool | None = None) -> str:
    session = stage.do(stage.runtime.create(user="ann"))
    turn = stage.do(session.send("ann", text))
    stage.advance(60)
    if decide is not None:
        stage.do(session.decide("ann", {"act": decide}))
        stage.advance(60)
    result = stage.do(turn.result())
    assert result.status == "completed", result.reason
    assert not stage.do(session.verify("ann")).problems
    return result.text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("one, two", "You said: one, two"),
        ("count to 5", "1 2 3 4 5 "),
        ("Hello!", "I only repeat"),
        ("what time is it", "By my clock it is turn 1"),
    ],
)
def test_it_answers(text: str, answer: str) -> None:
    with Stage(DemoAgent()) as stage:
        assert said(stage, text).startswith(answer)


@pytest.mark.parametrize(
    ("decision", "answer"), [(True, "It is done."), (False, "Then I will leave it.")]
)
def test_it_asks_before_it_acts(decision: bool, answer: str) -> None:
    with Stage(DemoAgent()) as stage:
        assert said(stage, "book a table", decide=decision).endswith(answer)
