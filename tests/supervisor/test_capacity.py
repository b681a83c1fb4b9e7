from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenroom.supervisor.capacity import MOVES, IllegalMove, Ledger, Slot


def ledger(*sessions: str, most: int = 10, per_user: int = 5) -> Ledger:
    """A ledger in which ann's `sessions` are resident."""
    made = Ledger(max_sessions=most, max_sessions_per_user=per_user)
    for session in sessions:
        made.reserve(session, "ann")
        made.move(session, Slot.RESIDENT)
    return made


# --- limits --------------------------------------------------------------------------------------


def test_the_global_limit_is_reported_first() -> None:
    both = ledger("a", "b", most=2, per_user=2)
    one = ledger("a", "b", most=3, per_user=2)

    assert both.full("ann") == "global"
    assert (one.full("ann"), one.full("bob"), one.full(None)) == ("per_user", None, None)


def test_a_limit_no_lower_than_that_of_the_house_is_none() -> None:
    alone = ledger("a", "b", most=2, per_user=2)
    lower = ledger("a", "b", most=3, per_user=2)

    assert (alone.full("ann"), alone.owner_full("ann")) == ("global", None)
    assert lower.owner_full("ann") == "per_user"


def test_a06_an_ended_session_counts_for_all_and_for_its_owner_no_more() -> None:
    book = ledger("a", "b", most=3, per_user=2)

    book.disown("a")

    assert (book.in_use, book.full("ann"), book.held()) == (2, None, {"a", "b"})
    book.reserve("c", "ann")
    assert book.full("ann") == "global"
    book.disown("a")
    book.disown("nobody")
    book.free("a")
    assert (book.full("ann"), book.held()) == ("per_user", {"b", "c"})


def test_a06_the_exempt_user_counts_for_all_and_has_no_limit_of_its_own() -> None:
    book = Ledger(max_sessions=3, max_sessions_per_user=1, exempt="root")
    for session in ("a", "b", "c"):
        book.reserve(session, "root")

    assert book.owned_by("root") == {"a", "b", "c"}
    assert (book.full("root"), book.full("ann")) == ("global", "global")
    book.free("a")
    assert book.full("root") is None


@pytest.mark.parametrize("user", ["ann", "bob", None])
def test_p14_no_more_is_reserved_than_the_limit(user: str | None) -> None:
    full = ledger("a", "b", most=2)

    with pytest.raises(IllegalMove):
        full.reserve("c", user)

    assert (full.in_use, full.slot("c")) == (2, None)
    assert full.owned_by("bob") == frozenset()


def test_p14_no_user_reserves_more_than_its_limit() -> None:
    full = ledger("a", "b", per_user=2)

    with pytest.raises(IllegalMove):
        full.reserve("c", "ann")

    assert full.in_use == 2
    full.reserve("c", "bob")


def test_a_wake_learns_its_owner_later_and_may_find_that_user_full() -> None:
    book = ledger("a", per_user=1)
    book.reserve("b", None)
    book.reserve("c", None)

    assert not book.assign("b", "ann")
    assert book.assign("c", "bob")

    assert book.owned_by("ann") == {"a"}
    assert book.owned_by("bob") == {"c"}
    book.free("b")
    assert book.in_use == 2


def test_assigning_the_same_owner_again_changes_nothing_even_when_that_user_is_full() -> None:
    book = ledger("a", per_user=1)

    assert book.assign("a", "ann")

    assert book.owned_by("ann") == {"a"}


def test_p14_a_session_without_a_slot_has_no_owner() -> None:
    book = ledger()

    with pytest.raises(IllegalMove):
        book.assign("ghost", "ann")

    assert book.owned_by("ann") == frozenset()


def test_p14_a_slot_changes_its_owner_for_nobody() -> None:
    book = ledger("a")

    with pytest.raises(IllegalMove):
        book.assign("a", "bob")

    book.free("a")
    assert book.owned_by("ann") == book.owned_by("bob") == frozenset()


def test_a_slot_is_held_until_it_is_freed() -> None:
    book = ledger("a", most=1)

    for to in (Slot.PASSIVATING, Slot.RESERVED, Slot.RESIDENT, Slot.RESERVED):
        book.move("a", to)
        assert book.full("bob") == "global"
    book.free("a")

    assert book.full("bob") is None


# --- tenants -------------------------------------------------------------------------------------


def tenants(*owned: tuple[str, str], per_tenant: int | None = 2, **limits: Any) -> Ledger:
    """A ledger of sessions and their owners."""
    options: dict[str, Any] = {"max_sessions": 10, "max_sessions_per_user": 5, **limits}
    made = Ledger(max_sessions_per_tenant=per_tenant, **options)
    for session, owner in owned:
        made.reserve(session, owner)
    return made


@pytest.mark.parametrize(
    ("user", "tenant"),
    [
        ("acme/ann", "acme"),
        ("acme/ann/laptop", "acme"),
        ("acme/", "acme"),
        ("ann", None),
        ("/ann", None),
    ],
)
def test_a_tenant_is_all_before_the_first_slash(user: str, tenant: str | None) -> None:
    assert tenants().tenant_of(user) == tenant
    assert tenants(per_tenant=None).tenant_of(user) is None
    assert tenants(exempt=user).tenant_of(user) is None


def test_p14_all_users_of_a_tenant_share_its_limit_and_others_do_not() -> None:
    book = tenants(("a", "acme/ann"), ("b", "acme/bob"))

    assert book.full("acme/eve") == "per_tenant"
    with pytest.raises(IllegalMove):
        book.reserve("c", "acme/eve")
    assert [book.full(user) for user in ("ann", "other/ann", "/ann", None)] == [None] * 4
    assert book.of_tenant("acme") == {"a", "b"}
    assert book.by_tenant() == {"acme": 2}


def test_the_widest_limit_is_reported_first() -> None:
    limits: dict[str, Any] = {"max_sessions_per_user": 2, "per_tenant": 2}
    owned = (("a", "acme/ann"), ("b", "acme/ann"))

    assert tenants(*owned, max_sessions=2, **limits).full("acme/ann") == "global"
    assert tenants(*owned, **limits).full("acme/ann") == "per_tenant"
    assert tenants(*owned, per_tenant=3, max_sessions_per_user=2).full("acme/ann") == "per_user"


def test_a_wake_may_find_its_tenant_full_and_leaves_no_trace() -> None:
    book = tenants(("a", "acme/ann"), ("b", "acme/bob"))
    book.reserve("c", None)

    assert not book.assign("c", "acme/eve")

    assert (book.owned_by("acme/eve"), book.of_tenant("acme")) == (frozenset(), {"a", "b"})
    book.free("c")
    book.free("a")
    assert book.full("acme/eve") is None


def test_a06_an_ended_session_counts_for_its_tenant_no_more_and_once_only() -> None:
    book = tenants(("a", "acme/ann"), ("b", "acme/bob"))

    book.disown("a")
    book.disown("a")
    book.free("a")

    assert book.by_tenant() == {"acme": 1}
    book.free("b")
    assert book.by_tenant() == {}


def test_the_refusal_of_a_tenant_says_so() -> None:
    book = tenants(("a", "acme/ann"), ("b", "acme/bob"))

    error = book.error("acme/eve", retry_after_s=None, scope="per_tenant")

    assert (error.scope, error.limit, error.in_use) == ("per_tenant", 2, 2)
    assert (error.user, error.tenant, error.retry_after_s) == ("acme/eve", "acme", None)
    assert str(error) == "tenant acme has 2 of 2 resident sessions; all are at work"
    assert book.error("acme/eve", retry_after_s=1.0, scope="global").scope == "global"


# --- moves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", Slot)
@pytest.mark.parametrize("now", Slot)
def test_a_move_is_in_the_table_or_raises(now: Slot, to: Slot) -> None:
    book = ledger("a")
    for step in {Slot.RESERVED: [now], Slot.RESIDENT: [], Slot.PASSIVATING: [now]}[now]:
        book.move("a", step)

    if to in MOVES[now]:
        book.move("a", to)
        assert book.slot("a") is to
    else:
        with pytest.raises(IllegalMove, match=f"a: {now} to {to}"):
            book.move("a", to)
        assert book.slot("a") is now


def test_what_has_no_slot_is_neither_moved_nor_freed() -> None:
    book = ledger("a")
    book.free("a")

    for misuse in (lambda: book.free("a"), lambda: book.move("a", Slot.RESIDENT)):
        with pytest.raises(IllegalMove):
            misuse()


def test_what_has_a_slot_is_not_reserved_again() -> None:
    with pytest.raises(IllegalMove):
        ledger("a").reserve("a", "ann")


def test_sessions_on_their_way_out_are_counted() -> None:
    book = ledger("a", "b", "c")
    book.move("a", Slot.PASSIVATING)
    book.move("b", Slot.PASSIVATING)
    assert book.passivating == 2

    book.move("a", Slot.RESIDENT)
    book.free("b")

    assert book.passivating == 0


# --- refusals ------------------------------------------------------------------------------------


def test_the_refusal_says_which_limit_how_much_of_it_is_used_and_when_to_come_back() -> None:
    book = ledger("a", "b", most=2, per_user=7)

    everybody = book.error(retry_after_s=0.25)
    ann = book.error("ann", retry_after_s=30.0)

    assert (everybody.scope, everybody.limit, everybody.in_use) == ("global", 2, 2)
    assert (everybody.retry_after_s, everybody.user) == (0.25, None)
    assert (ann.scope, ann.limit, ann.in_use) == ("per_user", 7, 2)
    assert (ann.retry_after_s, ann.user) == (30.0, "ann")
    assert "ann has 2 of 7" in str(ann)
    assert book.error("bob", retry_after_s=1.0).in_use == 0


# --- under any sequence of calls: promise P14's pure half ----------------------------------------

SESSIONS = st.sampled_from(["s1", "s2", "s3", "s4", "s5", "s6"])
NAMES = ("acme/ann", "acme/bob", "cem")
USERS = st.sampled_from(NAMES)


class Calls(RuleBasedStateMachine):
    """Every call in every order, right or wrong, beside a model that is two dicts."""

    @initialize(most=st.integers(1, 5), per_user=st.integers(1, 3), per_tenant=st.integers(1, 4))
    def open(self, most: int, per_user: int, per_tenant: int) -> None:
        self.most, self.per_user, self.per_tenant = most, per_user, per_tenant
        self.book = Ledger(
            max_sessions=most, max_sessions_per_user=per_user, max_sessions_per_tenant=per_tenant
        )
        self.slots: dict[str, Slot] = {}
        self.owners: dict[str, str] = {}

    def owned(self, user: str) -> set[str]:
        return {session for session, owner in self.owners.items() if owner == user}

    def has_room(self, user: str) -> bool:
        acme = self.owned("acme/ann") | self.owned("acme/bob")
        full = user.startswith("acme/") and len(acme) >= self.per_tenant
        return len(self.owned(user)) < self.per_user and not full

    def expect(self, legal: bool, call: Any) -> Any:
        if legal:
            return call()
        with pytest.raises(IllegalMove):
            call()
        return None

    @rule(session=SESSIONS, user=USERS | st.none())
    def reserve(self, session: str, user: str | None) -> None:
        room = user is None or self.has_room(user)
        legal = session not in self.slots and len(self.slots) < self.most and room
        self.expect(legal, lambda: self.book.reserve(session, user))
        if legal:
            self.slots[session] = Slot.RESERVED
            if user is not None:
                self.owners[session] = user

    @rule(session=SESSIONS, user=USERS)
    def assign(self, session: str, user: str) -> None:
        owner = self.owners.get(session)
        legal = session in self.slots and owner in (None, user)
        assigned = self.expect(legal, lambda: self.book.assign(session, user))
        if legal:
            assert assigned == (owner == user or self.has_room(user))
            if assigned:
                self.owners[session] = user

    @rule(session=SESSIONS, to=st.sampled_from(Slot))
    def move(self, session: str, to: Slot) -> None:
        legal = session in self.slots and to in MOVES[self.slots[session]]
        self.expect(legal, lambda: self.book.move(session, to))
        if legal:
            self.slots[session] = to

    @rule(session=SESSIONS)
    def disown(self, session: str) -> None:
        self.book.disown(session)
        self.owners.pop(session, None)

    @rule(session=SESSIONS)
    def free(self, session: str) -> None:
        self.expect(session in self.slots, lambda: self.book.free(session))
        self.slots.pop(session, None)
        self.owners.pop(session, None)

    @invariant()
    def no_limit_is_exceeded_and_nothing_is_lost_track_of(self) -> None:
        book = self.book
        assert book.in_use == len(self.slots) <= self.most
        assert {session: book.slot(session) for session in self.slots} == self.slots
        assert book.passivating == list(self.slots.values()).count(Slot.PASSIVATING)
        assert book.held() == self.slots.keys()
        for user in NAMES:
            assert book.owned_by(user) == self.owned(user)
            assert len(self.owned(user)) <= self.per_user
        acme = self.owned("acme/ann") | self.owned("acme/bob")
        assert book.of_tenant("acme") == acme
        assert len(acme) <= self.per_tenant
        assert book.by_tenant() == ({"acme": len(acme)} if acme else {})

    def teardown(self) -> None:
        with suppress(AttributeError):
            for session in list(self.slots):
                self.book.free(session)
            assert (self.book.in_use, self.book.passivating) == (0, 0)
            assert not self.book._owned
            assert not self.book._tenants
            assert not self.book._owners


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
