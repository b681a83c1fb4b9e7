"""The transcript as a model must see it: where each line stands."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from .transcript import Line, Message, ToolCall, ToolResult


def place(history: list[Line], line: Line, *, hidden: bool = False) -> None:
    """Put what a pipeline said or did after the last line of its own turn, all else at the end.

    So is the first line of a turn that has no message, too (spec V16), unless it is `hidden`, as
    nobody asked for it: that goes before the messages that wait for it to end.
    """
    if line.turn and (not isinstance(line, Message) or line.role == "assistant"):
        for index in range(len(history) - 1, -1, -1):
            if history[index].turn == line.turn:
                history.insert(index + 1, line)
                return
        if hidden:
            history.insert(start_of(history, line.turn), line)
            return
    history.append(line)


def place_result(history: list[Line], result: Line) -> None:
    """Put a result behind its call and those made with it, before anything was said.

    A model must find each call answered before it reads on, also if its pipeline has gone on
    talking, or has ended and left a stub to be put there (promise P19).
    """
    index = len(history)
    while index and not _calls(history[index - 1], result):
        index -= 1
    while index < len(history) and not isinstance(history[index], Message):
        index += 1
    history.insert(index, result)


def _calls(line: Line, result: Line) -> bool:
    """Whether `result` is the result of the call that `line` is."""
    if not isinstance(line, ToolCall) or not isinstance(result, ToolResult):
        return False
    return (line.turn, line.id) == (result.turn, result.id)


def is_input(line: Line) -> bool:
    """Whether a person said it."""
    return isinstance(line, Message) and line.role == "user"


def is_standing(line: Line) -> bool:
    """Whether it is a system message: no cut removes it."""
    return isinstance(line, Message) and line.role == "system"


def delivered(line: Line) -> Line:
    """The line; of an answer that was interrupted, what its readers say they have seen of it."""
    if isinstance(line, Message) and line.interrupted and line.delivered is not None:
        return replace(line, text=line.text[: line.delivered])
    return line


def prefix_of(history: list[Line], keep: int, waiting: Collection[int] = ()) -> int:
    """How many lines stand before the last `keep` messages of people: what a compaction is for.

    Those that begin the `waiting` turns neither count nor are before anything: they are still to
    be answered. 0, if there are not so many messages, or only a summary stands before them.
    """
    end = next((i for i, line in enumerate(history) if line.turn in waiting), len(history))
    inputs = [i for i in range(end) if is_input(history[i])]
    if keep > len(inputs):
        return 0
    before = inputs[-keep] if keep else end
    return 0 if all(map(is_standing, history[:before])) else before


def lines_of(history: list[Line], turn: int) -> list[Line]:
    """The lines of `turn`, in order. Looked for from the end, where the newest turns are."""
    found: list[Line] = []
    for index in range(len(history) - 1, -1, -1):
        line = history[index]
        if line.turn == turn:
            found.append(line)
        elif found and 0 < line.turn < turn:
            break
    found.reverse()
    return found


def outputs_of(history: list[Line], turn: int) -> list[Line]:
    """What the pipeline has said and called in `turn`, in order."""
    return [line for line in lines_of(history, turn) if not is_input(line)]


def inputs_of(history: list[Line], turn: int) -> list[Message]:
    """What people have said in `turn`, in order: what began it, and what it was steered by."""
    lines = lines_of(history, turn)
    return [line for line in lines if isinstance(line, Message) and line.role == "user"]


def start_of(history: list[Line], turn: int) -> int:
    """Where the first line of `turn` stands, or else the first one of a later turn, or the end."""
    start = -1
    for index in range(len(history) - 1, -1, -1):
        at = history[index].turn
        if at == turn:
            start = index
        elif start >= 0 and 0 < at < turn:
            break
    if start >= 0:
        return start
    return next((i for i, line in enumerate(history) if line.turn > turn), len(history))


def open_calls(history: list[Line], turn: int) -> dict[str, str]:
    """The calls of `turn` that have no result yet: their names by their ids."""
    calls: dict[str, str] = {}
    for line in lines_of(history, turn):
        if isinstance(line, ToolCall):
            calls[line.id] = line.name
        elif isinstance(line, ToolResult):
            calls.pop(line.id, None)
    return calls
