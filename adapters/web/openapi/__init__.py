"""The description of the API: OpenAPI 3.1, made from the endpoints and their types."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
