"""The actor mechanism on pykka. It knows nothing of sessions."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
