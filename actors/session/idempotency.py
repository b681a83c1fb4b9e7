"""Commands that may be sent twice: the second copy gets the first one's answer (promise P8)."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from ..errors import IdempotencyConflict
from .answers import Answer, Told, decode_answer, encode_answer
from .commands import Command
from .entry import Done
from .state import State

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def digest(command: Command) -> bytes:
    """What tells one command from another: sixteen bytes of it."""
    return blake2b(_encode(command), digest_size=16).digest()


def first_answer(state: State, key: str, command: Command) -> Answer | None:
    """The answer that `command` was given under `key` before; None if it never was.

    Raises:
        IdempotencyConflict: the key was used for another command.
    """
    found = state.done.get(key)
    if found is None:
        return None
    done = found[1]
    if done.digest != digest(command):
        raise IdempotencyConflict(state.id, key)
    answer: Answer = decode_answer(done.answer)
    return answer


def done(key: str, command: Command, answer: Told) -> Done:
    """What is kept of a command that was done under `key`."""
    return Done(key, digest(command), encode_answer(answer))
