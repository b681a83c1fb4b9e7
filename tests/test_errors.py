"""The errors as values that are kept: they must not keep what they came from."""

from __future__ import annotations

import gc
import weakref

import pytest

from greenroom.actors.errors import GreenroomError, text_of, without_frames


class Actor:
    """Something that only a traceback keeps alive."""


def raised(how: str) -> tuple[BaseException, weakref.ref[Actor]]:
    """An error that came from another one, which came up where an actor was at hand."""
    actor = Actor()
    watched = weakref.ref(actor)
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            match how:
                case "context":
                    raise ValueError("second")  # noqa: B904
                case "cause":
                    raise ValueError("second") from first
                case "both":
                    cause = OSError("elsewhere")
                    raise ValueError("second") from cause
                case _:
                    raise ExceptionGroup("several", [first, ValueError("second")]) from None
    except Exception as error:
        return error, watched


@pytest.mark.parametrize("how", ["context", "cause", "both", "group"])
def test_a_kept_error_keeps_no_frame_alive(how: str) -> None:
    error, watched = raised(how)

    kept = without_frames(error)
    gc.collect()

    assert kept is error
    assert watched() is None


def test_a_chain_that_leads_back_to_itself_ends() -> None:
    first, second = ValueError(1), ValueError(2)
    first.__context__, second.__context__ = second, first

    assert without_frames(first) is first


def test_the_text_of_an_error_that_has_none() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert text_of(Unprintable()) == "Unprintable"


def test_every_error_has_a_code_of_its_own_kind() -> None:
    def below(kind: type[GreenroomError]) -> list[type[GreenroomError]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in below(child))]

    assert all(kind.__doc__ and kind.code for kind in below(GreenroomError))
