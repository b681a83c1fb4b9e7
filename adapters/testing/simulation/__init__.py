"""Random workloads under schedules that a seed draws, and what came of them."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
