"""Following a session over the network: server-sent events, and a WebSocket for both directions."""
