"""Following a session over the network: server-sent events, and a WebSocket for both directions."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
