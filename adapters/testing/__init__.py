"""What a test needs to hold a whole runtime still; `greenroom.testing` is its public face."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
