"""The endpoints under `/v1`, one file for each noun; each has a list of its `ENDPOINTS`."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
