"""The names of what spans tell: OpenTelemetry's conventions for generative AI, and our own.

Theirs are all still in development (semantic conventions 1.37, "GenAI"): they change here only.
"""

from __future__ import annotations

from typing import Final

INVOKE_AGENT: Final = "invoke_agent"
EXECUTE_TOOL: Final = "execute_tool"

OPERATION: Final = "gen_ai.operation.name"
AGENT: Final = "gen_ai.agent.name"
CONVERSATION: Final = "gen_ai.conversation.id"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
TOOL: Final = "gen_ai.tool.name"
TOOL_CALL: Final = "gen_ai.tool.call.id"
ERROR_TYPE: Final = "error.type"

TURN: Final = "greenroom.turn.id"
ATTEMPT: Final = "greenroom.turn.attempt"
KIND: Final = "greenroom.turn.kind"
RESUMED: Final = "greenroom.turn.resumed"
WAITED_S: Final = "greenroom.turn.waited_s"
STATUS: Final = "greenroom.turn.status"
"""How the pipeline ended: completed, failed, suspended (for an approval), or stopped."""
