"""What must hold of a house at every step: one promise, one file."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")

from .base import Promise
from .p01_order import SendersKeepTheirOrder
from .p02_one_at_a_time import OneAtATime
from .p04_every_ask import EveryAskCompletes
from .p06_crash import CrashesLoseLittle, PassivationLosesNothing
from .p07_commit_first import CommitFirst
from .p08_idempotency import TheFirstAnswer
from .p09_replay_first import TheJournalIsTheState
from .p10_one_writer import OneWriter
from .p13_restarts import RestartsAreBounded
from .p14_capacity import CapacityHolds
from .p15_resume import ReadersMissNothing
from .p16_order_in_the_house import NothingElseFails, NothingIsLeftBehind
from .p19_transcripts import TranscriptsAreValid, TurnsEndOnce

PROMISES: tuple[type[Promise], ...] = (
    SendersKeepTheirOrder,
    OneAtATime,
    EveryAskCompletes,
    CrashesLoseLittle,
    PassivationLosesNothing,
    CommitFirst,
    TheFirstAnswer,
    TheJournalIsTheState,
    OneWriter,
    RestartsAreBounded,
    CapacityHolds,
    ReadersMissNothing,
    NothingElseFails,
    NothingIsLeftBehind,
    TranscriptsAreValid,
    TurnsEndOnce,
)
"""In the order in which they look."""
