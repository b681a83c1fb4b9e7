"""The compactor: a function that is run as a turn, and whose text becomes a summary."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from ..errors import InvalidInput, NoCompactor, NoPipeline, NothingToCompact
from ..ports import Pipeline, SessionId
from .events import TurnKind
from .pipeline import Stream, Turn, as_stream
from .stage import Stage
from .transcript import Message, TextDelta
from .values import MAX_TEXT_BYTES, text


def as_compactor(compactor: Pipeline) -> Stream:
    """`compactor`, which has the shape of a pipeline, as a stream of nothing but text.

    It is not called if nothing is left to be summarised. What it yields beside text fails its
    turn, and so does a summary that is longer than a message may be (InvalidInput).
    """
    return _Compactor(as_stream(compactor))


class _Compactor:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __call__(self, turn: Turn) -> AsyncIterator[str]:
        if not turn.history:
            raise NothingToCompact(turn.session_id)
        left = MAX_TEXT_BYTES
        stream = cast("AsyncGenerator[Any, None]", self._stream(turn))
        async with aclosing(stream) as outputs:
            async for output in outputs:
                piece = _text(output)
                left -= len(piece.encode())
                if left < 0:
                    limit = f"at most {MAX_TEXT_BYTES} bytes of UTF-8"
                    raise InvalidInput("summary", piece[:60], limit)
                yield piece


async def _missing(turn: Turn) -> AsyncIterator[str]:
    """For a compaction that was accepted where there was a compactor."""
    raise NoCompactor(turn.session_id)
    yield ""


def require_compactor(stage: Stage, session: SessionId) -> None:
    """Refuse what could never run: without a pipeline no turn does, also no compaction."""
    if stage.compactor is None:
        raise NoCompactor(session)
    if stage.stream is None:
        raise NoPipeline(session)


def stream_for(stage: Stage, kind: TurnKind) -> Stream | None:
    """What runs a turn of this kind."""
    return (stage.compactor or _missing) if kind == "compaction" else stage.stream


def _text(output: Any) -> str:
    match output:
        case (str() as said) | TextDelta(text=said) | Message(text=said):
            return text(said, "summary")
        case _:
            limit = "text: a str, TextDelta or Message"
            raise InvalidInput("compactor output", type(output).__name__, limit)
