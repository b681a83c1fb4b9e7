"""A client of a server, with the interface of a runtime in this process."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
