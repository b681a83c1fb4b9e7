"""Typed endpoints: a function whose parameters come from path, query and body of a request."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any, Final, Literal, TypeAlias

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from .call import Call
from .errors import Malformed, TooLarge, UnsupportedType, WrongShape
from .problems import problem_of, response

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Begin: TypeAlias = Callable[[Request, bool], Awaitable[Call]]
"""Who calls, and whether they may; with True, a ticket is good for it."""

Function = Callable[..., Awaitable[Any]]
Handler = Callable[[Request], Awaitable[Response]]

JSON: Final = "application/json"
SSE: Final = "text/event-stream"

MAX_DIGITS: Final = 18
"""Of a number that is read as one."""

_encode = msgspec.json.Encoder().encode


class Endpoint:
    """One operation of the API: what it takes and gives, for the router and for the description.

    `function(call, ...)` is a coroutine function. Its parameters named in `path` are taken from
    there, `body` is decoded from JSON, and all others are query parameters; their annotations say
    what they must be. What it returns is encoded as JSON with `status`, unless it is a `Response`;
    None is an empty answer, 204. `also` are other statuses, which the function sets by itself, and
    what it gives then. `raises` are the codes of errors that this operation may answer, beside
    those that all may. `takes` are the headers that it reads, and `gives` those that it sends.
    `consumes` are the content types that the body may have; one that is annotated as bytes is given
    as it is. `produces` are those of what it gives. With `operator` it is only for those who run
    the house. Its docstring is its description.
    """

    def __init__(
        self,
        function: Function,
        method: Method,
        path: str,
        *,
        status: int,
        tag: str,
        operator: bool,
        raises: tuple[str, ...],
        also: Mapping[int, Any],
        takes: tuple[str, ...],
        gives: tuple[str, ...],
        consumes: tuple[str, ...],
        produces: tuple[str, ...],
    ) -> None:
        self.function, self.method, self.path = function, method, path
        self.tag, self.operator, self.raises = tag, operator, raises
        self.also, self.takes, self.gives = also, takes, gives
        self.consumes, self.produces = consumes, produces
        hints = typing.get_type_hints(function, include_extras=True)
        self.body, self.answer = hints.pop("body", None), hints.pop("return")
        self.status = 204 if self.answer is NoneType else status
        is_json = self.body not in (None, bytes)
        self._decode = msgspec.json.Decoder(self.body).decode if is_json else None
        signature = inspect.signature(function).parameters
        names = [name for name in signature if name not in ("call", "body")]
        self.in_path = {name: hints[name] for name in names if "{" + name in path}
        self.in_query = {name: hints[name] for name in names if name not in self.in_path}
        self.required = {n for n in self.in_query if signature[n].default is signature[n].empty}
        self.defaults = {
            name: signature[name].default for name in self.in_query if name not in self.required
        }

    @property
    def name(self) -> str:
        """The id of the operation."""
        return self.function.__name__

    @property
    def is_stream(self) -> bool:
        """Whether a browser may follow it, which cannot send credentials but in its address."""
        return SSE in self.produces

    def handler(self, begin: Begin, max_body: int) -> Handler:
        """What answers requests; `begin` finds out who calls, and whether they may."""

        async def handle(request: Request) -> Response:
            call: Call | None = None
            try:
                call = await begin(request, self.is_stream)
                if self.operator:
                    call.require_operator()
                arguments = self._arguments(request)
                if self.body is not None:
                    arguments["body"] = self._decode_body(await _read(request, max_body), request)
                answer = await self.function(call, **arguments)
            except Exception as error:
                session = request.path_params.get("id")
                shown = error if call is None else await call.shown(error, session)
                return response(problem_of(shown, session))
            return self._response(call, answer)

        return handle

    def _arguments(self, request: Request) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, kind in self.in_path.items():
            given[name] = _convert(request.path_params[name], kind, name)
        query: Mapping[str, str] = request.query_params
        for name, kind in self.in_query.items():
            if name in query:
                given[name] = _convert(query[name], kind, name)
            elif name in self.required:
                raise WrongShape(name, "this query parameter is required")
        return given

    def _decode_body(self, body: bytes, request: Request) -> Any:
        kind = media_type(request)
        if body and kind not in self.consumes:
            raise UnsupportedType(kind, " or ".join(self.consumes))
        if self._decode is None:
            return body
        try:
            # A body of which every field has a default may be left out.
            return self._decode(body or b"{}")
        except msgspec.ValidationError as error:
            why, _, where = str(error).partition(" - at `$")
            raise WrongShape(where.strip(".`") or "body", why) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(str(error)) from None

    def _response(self, call: Call, answer: Any) -> Response:
        if isinstance(answer, Response):
            answer.headers.update(call.headers)
            return answer
        if answer is None:
            return Response(None, call.status or 204, call.headers)
        return Response(_encode(answer), call.status or self.status, call.headers, JSON)


def endpoint(
    method: Method,
    path: str,
    *,
    tag: str,
    status: int = 200,
    operator: bool = False,
    raises: tuple[str, ...] = (),
    also: Mapping[int, Any] | None = None,
    takes: tuple[str, ...] = (),
    gives: tuple[str, ...] = (),
    consumes: tuple[str, ...] = (JSON,),
    produces: tuple[str, ...] = (JSON,),
) -> Callable[[Function], Endpoint]:
    """Make an endpoint of a function."""

    def wrap(function: Function) -> Endpoint:
        return Endpoint(
            function,
            method,
            path,
            status=status,
            tag=tag,
            operator=operator,
            raises=raises,
            also=also or {},
            takes=takes,
            gives=gives,
            consumes=consumes,
            produces=produces,
        )

    return wrap


def media_type(request: Request) -> str:
    """The content type of the body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _convert(text: str, kind: Any, name: str) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise WrongShape(name, str(error)) from None


async def _read(request: Request, limit: int) -> bytes:
    """The body; not more of it than is allowed is ever held. Raises TooLarge and Malformed."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and (len(declared) > MAX_DIGITS or int(declared) > limit):
        raise TooLarge(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise TooLarge(limit)
            parts.append(part)
    except ClientDisconnect:  # nobody reads the answer, and there is nothing to report
        raise Malformed("it ends too early") from None
    return b"".join(parts)
