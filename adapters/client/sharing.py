"""How people, what they share and show, timers and records are asked of a server."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from ...actors.session import commands, messages
from ...actors.session.answers import JoinReceipt, Receipt
from ...actors.session.frames import FrameReceipt
from ...actors.session.wakes import WakeReceipt
from .request import Answer, Method, Request, as_

_receipt: Final = as_(Receipt)


class _Changed(msgspec.Struct):
    changed: bool


_changed: Final = as_(_Changed)


def _is_changed(answer: Answer) -> bool:
    changed: bool = _changed(answer).changed
    return changed


def _put(where: str, *fields: str, is_safe: bool = False, method: Method = "PUT") -> Any:
    """What asks for the value of these fields to be taken over."""

    def translate(path: str, command: Any) -> Request:
        return Request(
            method=method,
            path=f"{path}/{where}",
            json={field: getattr(command, field) for field in fields},
            to=_receipt,
            is_safe=is_safe,
        )

    return translate


def _do(where: str, *, is_safe: bool = False) -> Any:
    """What has something done that needs no more to be said."""

    def translate(path: str, _: Any) -> Request:
        return Request(method="POST", path=f"{path}/{where}", to=_receipt, is_safe=is_safe)

    return translate


def close(path: str, asked: commands.Close) -> Request:
    return Request(
        method="POST",
        path=f"{path}/shutdown",
        json={"grace_s": asked.grace_s},
        to=_receipt,
        is_safe=True,
    )


def join(path: str, asked: commands.Join) -> Request:
    # Whoever gives no name is shown as the server knows them.
    name = None if asked.name == asked.user else asked.name
    return Request(
        method="POST",
        path=f"{path}/participants",
        json={"name": name, "role": asked.role},
        to=as_(JoinReceipt),
        is_safe=True,
    )


def leave(path: str, _: commands.Leave) -> Request:
    return Request(method="DELETE", path=f"{path}/participants/me", to=_receipt)


def transfer_host(path: str, asked: commands.TransferHost) -> Request:
    return Request(method="PUT", path=f"{path}/host", json={"host": asked.to}, to=_receipt)


def present(path: str, told: messages.Present) -> Request:
    presence = told.presence
    body = {"active": presence.active, "cursor": presence.cursor, "focus": presence.focus}
    return Request(method="PUT", path=f"{path}/presence", json=body, is_safe=True)


def record_interaction(path: str, done: commands.RecordInteraction) -> Request:
    body = {
        "action_type": done.action,
        "node_id": done.node,
        "content": done.content,
        "feedback": done.feedback,
        "metadata": done.metadata,
    }
    return Request(method="POST", path=f"{path}/interactions", json=body, to=_receipt)


def set_metadata(path: str, asked: commands.SetMetadata) -> Request:
    return Request(method="PATCH", path=f"{path}/metadata", json=asked.patch, to=_receipt)


def set_wake(path: str, wake: commands.SetWake) -> Request:
    repeat = wake.repeat
    every: float | str | None = None
    if repeat is not None:
        every = repeat.cron or repeat.every_ms / 1000
    body = {
        "at_ms": wake.at_ms,
        "after_s": None if wake.after_ms is None else wake.after_ms / 1000,
        "every": every,
        "zone": None if repeat is None else repeat.zone or None,
        "payload": wake.payload,
        "turn": wake.turn,
    }
    return Request(method="PUT", path=_wake(path, wake.name), json=body, to=as_(WakeReceipt))


def cancel_wake(path: str, wake: commands.CancelWake) -> Request:
    return Request(method="DELETE", path=_wake(path, wake.name), to=as_(WakeReceipt))


def _wake(path: str, name: str) -> str:
    return f"{path}/wakes/{quote(name, safe='')}"


def start_visual(path: str, asked: messages.StartVisual) -> Request:
    body = {"source": asked.source}
    return Request(method="PUT", path=f"{path}/visual", json=body, to=_is_changed)


def stop_visual(path: str, asked: messages.StopVisual) -> Request:
    query = {"source": asked.source}
    return Request(method="DELETE", path=f"{path}/visual", query=query, to=_is_changed)


def offer_frame(path: str, shown: messages.OfferFrame) -> Request:
    frame = shown.frame
    names = ("source", "width", "height", "timestamp_ms", "frame_seq")
    return Request(
        method="POST",
        path=f"{path}/visual/frames",
        content=bytes(frame.data),
        content_type=frame.mime,
        query={name: getattr(frame, name) for name in names},
        to=as_(FrameReceipt),
    )


SHARING: Final[dict[type, Any]] = {
    commands.Start: _do("start"),
    commands.Pause: _do("pause"),
    commands.Resume: _do("resume"),
    commands.End: _do("end", is_safe=True),
    commands.Close: close,
    commands.Join: join,
    commands.Leave: leave,
    commands.Approve: _put("participants/approve", "user", method="POST"),
    commands.Deny: _put("participants/deny", "user", method="POST"),
    commands.TransferHost: transfer_host,
    commands.Act: _put("actions", "action", "data", method="POST"),
    commands.AddMemory: _put("memories", "memory", is_safe=True, method="POST"),
    commands.Acknowledge: _put("acknowledged", "revision", is_safe=True),
    commands.RecordInteraction: record_interaction,
    commands.SetGraphState: _put("graph-state", "value"),
    commands.SetLanguage: _put("language", "language"),
    commands.SetMetadata: set_metadata,
    commands.SetTitle: _put("title", "title"),
    commands.SetExport: _put("export", "allowed"),
    commands.SetWake: set_wake,
    commands.CancelWake: cancel_wake,
    messages.Present: present,
    messages.StartVisual: start_visual,
    messages.StopVisual: stop_visual,
    messages.OfferFrame: offer_frame,
}
"""By the type of what a handle asks."""
