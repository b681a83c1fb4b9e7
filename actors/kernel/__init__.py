"""The actor mechanism on pykka. It knows nothing of sessions."""
