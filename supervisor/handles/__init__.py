"""The parts of the handle of a session: one file for each thing a program does with it."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
