"""Every name of pykka the kernel relies on, public or not, and what it relies on it for.

When a new pykka changes one of them, the test of that name fails; the kernel file that uses it is
named beside it.
"""

from __future__ import annotations

import inspect
import queue
from collections.abc import Callable
from typing import Any, Final

import pykka
import pytest
from pykka import messages

from greenroom.actors.errors import MailboxClosed, ReplyTimeout


class Plain(pykka.Actor):
    """As little as pykka asks of a new kind of actor."""

    _create_actor_inbox = staticmethod(queue.Queue)
    _create_future = staticmethod(pykka.ThreadingFuture)

    def _start_actor_loop(self) -> None: ...

    def _stop(self) -> str:  # type: ignore[override]
        return "stopped"

    def on_receive(self, message: Any) -> Any:
        return ("received", message)

    def double(self, number: int, *, plus: int) -> int:
        return number * 2 + plus


class Ref:
    """What a proxy sees of a reference, and which of its names the proxy used."""

    def __init__(self, actor: Plain) -> None:
        self.actor, self.used = actor, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.used.add(name)
        return {
            "is_alive": lambda: True,
            "_actor_weakref": lambda: self.actor,
            "ask": lambda message, *, block=True: (type(message), block),
            "tell": lambda _: None,
        }[name]


def parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def static(name: str) -> bool:
    """An abstract hook, called without arguments as `Class.name()` or `self.name()`."""
    hook = inspect.getattr_static(pykka.Actor, name)
    return (
        isinstance(hook, staticmethod)
        and name in pykka.Actor.__abstractmethods__
        and not parameters(hook.__func__)
    )


def handled(message: Any) -> Any:
    return Plain()._handle_receive(message)


def used_by_a_proxy() -> set[str]:
    ref: Any = Ref(Plain())
    proxy: Any = pykka.ActorProxy(actor_ref=ref)
    assert proxy.double(1, plus=2) == (messages.ProxyCall, False)
    assert proxy.actor_urn == (messages.ProxyGetAttr, False)
    proxy.double.defer(1, plus=2)
    proxy.actor_urn = "another"
    return ref.used


def methods(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[:2] != "__"}


RELIED_ON: Final[dict[str, Callable[[], bool]]] = {
    # actor.py: the extension points it implements, and the only ones there are
    "Actor.__abstractmethods__": lambda: (
        pykka.Actor.__abstractmethods__
        == {"_create_actor_inbox", "_create_future", "_start_actor_loop"}
    ),
    "Actor._create_actor_inbox": lambda: static("_create_actor_inbox"),
    "Actor._create_future": lambda: static("_create_future"),
    "Actor._start_actor_loop": lambda: parameters(pykka.Actor._start_actor_loop) == [],
    # actor.py: what pykka's __init__ sets is all that has to be there without it
    "Actor.__init__": lambda: (
        vars(Plain()).keys() == {"_actor_ref", "actor_inbox", "actor_stopped", "actor_urn"}
    ),
    "Actor.actor_ref": lambda: isinstance(pykka.Actor.actor_ref, property),
    "Actor.actor_urn": lambda: "actor_urn" in pykka.Actor.__annotations__,
    "Actor.actor_inbox": lambda: "actor_inbox" in pykka.Actor.__annotations__,
    "Actor.actor_stopped": lambda: "actor_stopped" in pykka.Actor.__annotations__,
    "Actor.__str__": lambda: str(actor := Plain()) == f"Plain ({actor.actor_urn})",
    # actor.py: the hooks it calls
    "Actor.start": lambda: parameters(pykka.Actor.start) == ["args", "kwargs"],
    "Actor.stop": lambda: parameters(pykka.Actor.stop) == [],
    "Actor.on_start": lambda: parameters(pykka.Actor.on_start) == [],
    "Actor.on_stop": lambda: parameters(pykka.Actor.on_stop) == [],
    "Actor.on_failure": lambda: (
        parameters(pykka.Actor.on_failure) == ["exception_type", "exception_value", "traceback"]
    ),
    "Actor.on_receive": lambda: parameters(pykka.Actor.on_receive) == ["message"],
    # actor.py: pykka's own messages are handed to _handle_receive, which calls _stop for a stop
    "Actor._handle_receive": lambda: handled("one") == ("received", "one"),
    "Actor._stop": lambda: handled(messages._ActorStop()) == "stopped",
    "messages": lambda: (
        {name for name, kind in vars(messages).items() if hasattr(kind, "_fields")}
        == {"_ActorStop", "ProxyCall", "ProxyGetAttr", "ProxySetAttr"}
    ),
    "messages._ActorStop": lambda: messages._ActorStop._fields == (),
    "messages.ProxyCall": lambda: (
        handled(messages.ProxyCall(("double",), (20,), {"plus": 2})) == 42
    ),
    "messages.ProxyGetAttr": lambda: isinstance(
        handled(messages.ProxyGetAttr(("actor_urn",))), str
    ),
    "messages.ProxySetAttr": lambda: handled(messages.ProxySetAttr(("actor_urn",), "s")) is None,
    # actor.py: what a reference has, and what pykka's code asks of it
    "ActorRef.__init__": lambda: (
        vars(Plain().actor_ref).keys()
        == {"_actor_weakref", "actor_class", "actor_inbox", "actor_stopped", "actor_urn"}
    ),
    "ActorRef.is_alive": lambda: "actor_stopped" in pykka.ActorRef.is_alive.__code__.co_names,
    "ActorRef.tell": lambda: parameters(pykka.ActorRef.tell) == ["message"],
    "ActorRef.ask": lambda: parameters(pykka.ActorRef.ask) == ["message", "block", "timeout"],
    "ActorRef.stop": lambda: parameters(pykka.ActorRef.stop) == ["block", "timeout"],
    "ActorRef": lambda: methods(pykka.ActorRef) == {"ask", "is_alive", "proxy", "stop", "tell"},
    "ActorRef._actor_weakref": lambda: (
        used_by_a_proxy() == {"_actor_weakref", "ask", "is_alive", "tell"}
    ),
    # mailbox.py: what is in a mailbox
    # reply.py: what pykka's __init__ sets, and the methods it answers for
    "Future._get_hook": lambda: vars(pykka.Future()).keys() == {"_get_hook", "_get_hook_result"},
    "Future": lambda: (
        methods(pykka.Future)
        == {"filter", "get", "join", "map", "reduce", "set", "set_exception", "set_get_hook"}
    ),
    "Future.get": lambda: parameters(pykka.Future.get) == ["timeout"],
    "Future.set": lambda: parameters(pykka.Future.set) == ["value"],
    "Future.set_exception": lambda: parameters(pykka.Future.set_exception) == ["exc_info"],
    "Future.__await__": lambda: pykka.Future.__iter__ is pykka.Future.__await__,
    # errors.py: what a pykka program catches
    "ActorDeadError": lambda: issubclass(MailboxClosed, pykka.ActorDeadError),
    "Timeout": lambda: issubclass(ReplyTimeout, pykka.Timeout),
}


@pytest.mark.parametrize("name", RELIED_ON)
def test_pykka_still_is_what_the_kernel_relies_on(name: str) -> None:
    assert RELIED_ON[name](), f"pykka.{name} has changed"
