"""The terminal view of a running server."""
