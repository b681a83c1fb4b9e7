"""The kernel's promises over every schedule Hypothesis can find."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeAlias

from house import Probe, SeededDispatcher, logged, probe
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.errors import MailboxClosed, Overloaded
from greenroom.actors.kernel.actor import Actor, Ref
from greenroom.actors.kernel.mailbox import Mailbox
from greenroom.actors.kernel.reply import Reply

ACTORS = 3
"""Few enough that the scripts meet in the same mailboxes."""

schedules = settings(max_examples=300, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
actors = st.integers(0, ACTORS - 1)

Step: TypeAlias = tuple[Any, ...]


class Stage:
    """A few actors on a seeded dispatcher; a script says what happens to them, step by step."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.dispatcher = SeededDispatcher(seed)
        self.boxes = [Mailbox(self.dispatcher, name=str(n), **options) for n in range(ACTORS)]
        self.owners = [[Jealous.on(box)] for box in self.boxes]
        self.refs: list[Ref[Any]] = [owners[0].actor_ref for owners in self.owners]

    def play(self, script: list[Step]) -> None:
        for name, *args in script:
            getattr(self, name)(*args)

    def run(self) -> None:
        """Let nobody wait any more, and all that is queued be handled."""
        for number in range(ACTORS):
            self.resume(number)
            self.hand_over(number)
        self.dispatcher.run_until_idle()
        assert not any(owner.overlaps for owners in self.owners for owner in owners)

    def seen(self, actor: int) -> list[Any]:
        return [message for owner in self.owners[actor] for message in owner.seen]

    # --- steps of a script ---

    def step(self) -> None:
        self.dispatcher.step()

    def suspend(self, actor: int) -> None:
        self.boxes[actor].suspend()

    def resume(self, actor: int) -> None:
        self.boxes[actor].resume()

    def detach(self, actor: int) -> None:
        self.boxes[actor].detach()

    def hand_over(self, actor: int) -> None:
        if not self.boxes[actor].closed:
            self.boxes[actor].detach()
            self.owners[actor].append(Jealous.on(self.boxes[actor]))


class Jealous(Probe):
    """Counts the messages it is handed while another is in hand."""

    busy, overlaps = False, 0

    @classmethod
    def on(cls, box: Mailbox) -> Jealous:
        actor = cls(mailbox=box)
        actor._start_actor_loop()
        return actor

    def handle(self, mail: Any) -> None:
        self.overlaps += self.busy
        self.busy = True
        try:
            super().handle(mail)
        finally:
            self.busy = False


comings_and_goings = st.one_of(
    st.just(("step",)),
    st.tuples(st.sampled_from(["suspend", "resume", "detach", "hand_over"]), actors),
)


# --- P1 ------------------------------------------------------------------------------------------


class Senders(Stage):
    """Outside senders, and actors that send when they are told to."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.sent: dict[tuple[str, int], list[int]] = {}
        self.senders = [probe(self.dispatcher)[1] for _ in range(2)]
        self.number = 0

    def send(self, to: int) -> None:
        self._tell("outside", to)

    def relay(self, sender: int, to: int) -> None:
        self.senders[sender].tell(lambda _: self._tell(f"actor {sender}", to))

    def signal(self, to: int) -> None:
        self.boxes[to].signal("system")

    def _tell(self, sender: str, to: int) -> None:
        self.number += 1
        self.sent.setdefault((sender, to), []).append(self.number)
        self.refs[to].tell((sender, self.number))


@schedules
@given(
    seed=seeds,
    script=st.lists(
        st.one_of(
            st.tuples(st.just("send"), actors),
            st.tuples(st.just("relay"), st.integers(0, 1), actors),
            st.tuples(st.just("signal"), actors),
            comings_and_goings,
        ),
        max_size=60,
    ),
)
def test_p01_senders_keep_their_own_order(seed: int, script: list[Step]) -> None:
    """P1, while actors are suspended and replaced."""
    stage = Senders(seed)

    stage.play(script)
    stage.run()

    for (sender, to), numbers in stage.sent.items():
        commands = [message for message in stage.seen(to) if message != "system"]
        assert [number for name, number in commands if name == sender] == numbers


# --- P2 ------------------------------------------------------------------------------------------

Tree: TypeAlias = list[tuple[str, int, Any]]
"""What a message does when it is handled: how, to whom, and what that message does in turn."""

trees = st.recursive(
    st.just([]),
    lambda below: st.lists(
        st.tuples(st.sampled_from(["tell", "signal", "suspend", "resume"]), actors, below),
        max_size=4,
    ),
    max_leaves=25,
)


def size(tree: Tree) -> int:
    return sum(1 + size(below) for how, _, below in tree if how in ("tell", "signal"))


class Gossip(Stage):
    """Actors that tell each other, and themselves, while they handle what they were told."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.handled: Counter[int] = Counter()

    def spread(self, tree: Tree) -> None:
        for how, to, below in tree:
            act = {
                "tell": self.refs[to].tell,
                "signal": self.boxes[to].signal,
                "suspend": lambda _, to=to: self.suspend(to),
                "resume": lambda _, to=to: self.resume(to),
            }[how]
            act(lambda _, to=to, below=below: self._handle(to, below))

    def _handle(self, actor: int, tree: Tree) -> None:
        self.handled[actor] += 1
        self.spread(tree)


@schedules
@given(seed=seeds, tree=trees)
def test_p02_actors_handle_one_message_at_a_time(seed: int, tree: Tree) -> None:
    """P2, whatever they tell themselves and each other meanwhile; and each message once."""
    stage = Gossip(seed)

    stage.spread(tree)
    for _ in range(size(tree) + 1):
        stage.run()

    assert stage.handled.total() == size(tree)


# --- P4 ------------------------------------------------------------------------------------------


def crash(_: Actor) -> None:
    raise ValueError("no")


ASKS: dict[str, Any] = {
    "answer": lambda _: "answer",
    "crash": crash,
    "stop": lambda actor: actor.stop(),
    "close": lambda actor: actor.actor_inbox.close(),
    "detach": lambda actor: actor.actor_inbox.detach(),
}


class Asking(Stage):
    """Actors that are asked, and ask each other, while they stop, crash, leave and fill up."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, capacity=3)
        self.replies: list[Reply[Any]] = []

    def ask(self, to: int, what: str) -> None:
        self.replies.append(self.refs[to].ask(ASKS[what], block=False))

    def relay(self, by: int, to: int, what: str) -> None:
        self.replies.append(self.refs[by].ask(lambda _: self.ask(to, what), block=False))

    def stop(self, actor: int) -> None:
        self.replies.append(self.refs[actor].stop(block=False))

    def close(self, actor: int) -> None:
        self.boxes[actor].close()

    def close_if_idle(self, actor: int) -> None:
        self.boxes[actor].close_if_idle()


@schedules
@given(
    seed=seeds,
    script=st.lists(
        st.one_of(
            st.tuples(st.just("ask"), actors, st.sampled_from(list(ASKS))),
            st.tuples(st.just("relay"), actors, actors, st.sampled_from(list(ASKS))),
            st.tuples(st.sampled_from(["stop", "close", "close_if_idle"]), actors),
            comings_and_goings,
        ),
        max_size=60,
    ),
)
def test_p04_every_ask_completes_exactly_once(seed: int, script: list[Step]) -> None:
    """P4, wherever the end of an actor falls among the asks."""
    stage = Asking(seed)
    late_sets = Reply.late_sets.count

    with logged():
        stage.play(script)
        for _ in range(len(stage.replies) + 1):  # each may have detached its actor
            stage.run()

    assert all(reply.done for reply in stage.replies)
    assert Reply.late_sets.count == late_sets
    errors = {type(reply.error) for reply in stage.replies}
    assert errors <= {type(None), ValueError, MailboxClosed, Overloaded}
