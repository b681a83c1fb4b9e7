"""The transcript as a model must see it: where each line stands."""

from __future__ import annotations

from .transcript import Line, Message, ToolCall, ToolResult


def place(history: list[Line], line: Line) -> None:
    """Put what a pipeline said or did after the last line of its own turn, all else at the end."""
    if line.turn and (not isinstance(line, Message) or line.role == "assistant"):
        for index in range(len(history) - 1, -1, -1):
            if history[index].turn == line.turn:
                history.insert(index + 1, line)
                return
    history.append(line)


def place_result(history: list[Line], result: Line) -> None:
    """Put a stub behind its call and those made with it, before anything was said; a result where
    it came. A model must find each call answered before it reads on."""
    if not isinstance(result, ToolResult) or not result.stub:
        place(history, result)
        return
    index = len(history)
    while index and not _calls(history[index - 1], result):
        index -= 1
    while index < len(history) and not isinstance(history[index], Message):
        index += 1
    history.insert(index, result)


def _calls(line: Line, result: ToolResult) -> bool:
    return isinstance(line, ToolCall) and (line.turn, line.id) == (result.turn, result.id)


def is_input(line: Line) -> bool:
    """Whether a person said it."""
    return isinstance(line, Message) and line.role == "user"


def outputs_of(history: list[Line], turn: int) -> list[Line]:
    """What the pipeline has said and called in `turn`, in order."""
    after_input = history[input_of(history, turn) + 1 :]
    return [line for line in after_input if line.turn == turn]


def input_of(history: list[Line], turn: int) -> int:
    """Where the message that began `turn` stands, or -1. Looked for from the end."""
    for index in range(len(history) - 1, -1, -1):
        line = history[index]
        if line.turn == turn and is_input(line):
            return index
    return -1
