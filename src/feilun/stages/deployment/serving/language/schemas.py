"""What the OpenAPI page says of these routes' bodies; asking.py and embedding.py check them."""

from __future__ import annotations

from feilun.stages.deployment.serving.schemas import body

_TEXTS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_WRITING = {
    "model": {"type": "string", "description": "see /v1/models; may be left out"},
    "max_tokens": {"type": "integer", "description": "most tokens of each text"},
    "temperature": {"type": "number", "description": "0: the likeliest token each time"},
    "top_p": {"type": "number"},
    "n": {"type": "integer"},
    "seed": {"type": "integer"},
    "stop": {**_TEXTS, "description": "texts that end it"},
    "stream": {"type": "boolean"},
    "stream_options": {"type": "object"},
    "presence_penalty": {"type": "number"},
    "frequency_penalty": {"type": "number"},
}
CHAT = body(
    {
        "messages": {"type": "array", "items": {"type": "object"}, "description": "role and content of each"},
        **_WRITING,
        "max_completion_tokens": {"type": "integer"},
        "response_format": {"type": "object", "description": "json_object, or json_schema with a schema to be held to"},
        "logprobs": {"type": "boolean"},
        "top_logprobs": {"type": "integer"},
    },
    ["messages"],
    {"messages": [{"role": "user", "content": "Hello"}]},
)
COMPLETION = body({"prompt": _TEXTS, **_WRITING, "logprobs": {"type": "integer"}}, ["prompt"], {"prompt": "Once"})
EMBEDDING = body(
    {"model": {"type": "string"}, "input": _TEXTS, "encoding_format": {"enum": ["float", "base64"]}},
    ["input"],
    {"input": ["a text"]},
)
