"""What is said to and heard from servers of OpenAI's chat completions; no sockets here.

Heard from vLLM, SGLang, Ollama, NIM and llama.cpp, as they differ: content as text, as null or as a list of parts;
thoughts beside it as `reasoning_content` or `reasoning`; `finish_reason` null or "" until the end; usage or not, in a
chunk without choices; comment lines to keep a stream alive; an error object in a stream that began with 200 or, from
llama.cpp of 2025, on a line that begins with `error:`; a stream that ends with `[DONE]`, or without.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import responses
from typing import Any

import cv2

from saccade.types import U8
from vla_node.dialects.base import Question
from vla_node.reasoners.call import ReasonerError

_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
"""Statuses after which the same question may be asked again."""


@dataclass(slots=True)
class Said:
    """What a model has said so far. `finish` is why it ended, "" while it has not; `thought` is never acted on."""

    text: str = ""
    thought: str = ""
    finish: str = ""

    @property
    def record(self) -> str:
        """All of it, for the record."""
        return f"<think>{self.thought}</think>{self.text}" if self.thought else self.text


def request(question: Question, model: str, quality: int, seed: int) -> bytes:
    """The body of a request: pictures as JPEG of this quality in data URLs."""
    messages: list[dict[str, Any]] = []
    if question.system:
        messages.append({"role": "system", "content": question.system})
    for parts, answer in question.before:
        messages.append({"role": "user", "content": _content(parts, quality)})
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": _content(question.parts, quality)})
    return json.dumps(
        {
            "model": model,
            "messages": messages,
            "temperature": question.temperature,
            "max_tokens": question.max_tokens,
            "seed": seed,
            "stream": True,
        }
    ).encode()


def jpeg(picture: U8, quality: int) -> bytes:
    """A picture, grey (h, w) or RGB (h, w, 3) uint8, as a JPEG file."""
    bgr = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    fine, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not fine:
        raise ReasonerError(f"a picture of shape {picture.shape} could not be made a JPEG")
    return data.tobytes()


def _content(parts: Iterable[str | U8], quality: int) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            data = base64.b64encode(jpeg(part, quality)).decode()
            content.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}})
    return content


class Stream:
    """A streamed answer (server-sent events, WHATWG): takes bytes as they come, whole lines or not."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._rest = b""
        self.done = False

    def take(self, piece: bytes) -> None:
        """The next bytes. ReasonerError where the server reports a failure, or they are no stream of an answer."""
        *lines, self._rest = (self._rest + piece).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.strip()
        if field == b"error":
            _refuse(_parsed(value))
        if field != b"data" or not value or self.done:
            return
        if value == b"[DONE]":
            self.done = True
            return
        _take(_parsed(value), "delta", self._said)


def take_whole(body: bytes, said: Said) -> None:
    """An answer that is not streamed."""
    _take(_parsed(body), "message", said)


def _take(chunk: Any, key: str, said: Said) -> None:
    if not isinstance(chunk, dict):
        raise ReasonerError(f"expected a JSON object, found {chunk!r:.80}")
    if chunk.get("error"):
        _refuse(chunk)
    if chunk.get("object") == "error":  # vLLM until 2025, without `error` around it
        _refuse({"error": chunk})
    choices = chunk.get("choices")
    if not isinstance(choices, list) or (key == "message" and not choices):
        raise ReasonerError(f"an answer without choices: {chunk!r:.200}")
    for choice in choices:
        message = choice.get(key) if isinstance(choice, dict) else None
        if message is None and isinstance(choice, dict) and choice.get("finish_reason"):
            message = {}
        if not isinstance(message, dict):
            raise ReasonerError(f"a choice without {key}: {choice!r:.200}")
        if choice.get("index", 0) != 0:
            raise ReasonerError("more than one choice was answered, and one was asked for")
        said.text += _words(message.get("content"))
        said.thought += _words(message.get("reasoning_content") or message.get("reasoning"))
        said.finish = said.finish or str(choice.get("finish_reason") or "")


def _words(content: Any) -> str:
    """The text of a message's content: null, a string, or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts: Iterable[Any] = content if isinstance(content, list) else [content]
    words = []
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ReasonerError(f"content that is no text: {part!r:.200}")
        words.append(part["text"])
    return "".join(words)


def _parsed(value: bytes) -> Any:
    try:
        return json.loads(value.decode())
    except (ValueError, RecursionError) as error:
        raise ReasonerError(f"not JSON ({error}): {value[:80]!r}") from error


def _refuse(chunk: Any) -> None:
    """The failure that a server reports."""
    error = chunk.get("error", chunk) if isinstance(chunk, dict) else chunk
    code = error.get("code") if isinstance(error, dict) else None
    again = code in _AGAIN if isinstance(code, int) else str(code) in map(str, _AGAIN)
    raise ReasonerError(f"the server reports: {told(chunk)}", again=again)


def told(body: Any) -> str:
    """What an error says: `{"error": {"message": …}}`, `{"error": …}`, `{"detail": …}` or anything, cut to 300."""
    for key in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(key):
            body = body[key]
    return " ".join(str(body).split())[:300]


def refused(status: int, body: bytes, wait_ns: int) -> ReasonerError:
    """The error for an answer whose HTTP status is not 200."""
    try:
        words = told(json.loads(body))
    except (ValueError, RecursionError):
        words = told(body.decode("utf-8", "replace"))
    return ReasonerError(
        f"HTTP {status}: {words or responses.get(status, 'no reason given')}", again=status in _AGAIN, wait_ns=wait_ns
    )
