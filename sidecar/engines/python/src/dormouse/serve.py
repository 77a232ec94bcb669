"""A small OpenAI-compatible server, enough to put a model behind Dormouse's gateway.

    server = Server("my-model", embeddings=lambda texts: [...])
    server.start()              # 503 model_loading until it opens
    ...                         # load the model
    server.open()
"""

import base64
import contextlib
import json
import logging
import os
import struct
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
Chat = Callable[[List[Dict[str, Any]], Dict[str, Any]], Iterator[str]]

_LOG = logging.getLogger(__name__)
_MAX_BODY = 32 << 20


class RequestError(Exception):
    """Becomes an answer in OpenAI's form."""

    def __init__(self, status: int, message: str, code: Optional[str] = None, param: Optional[str] = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def body(self) -> Dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


class Server:
    """``GET /health``, ``GET /v1/models``, and what the model can do of ``POST /v1/embeddings`` and
    ``POST /v1/chat/completions`` (streamed or whole)."""

    def __init__(self, model: str, *, embeddings: Optional[Embed] = None, chat: Optional[Chat] = None,
                 aliases: Sequence[str] = (), host: Optional[str] = None, port: Optional[int] = None) -> None:
        """
        :param embeddings: texts in, one vector for each out
        :param chat: messages and the whole request in, pieces of the answer out
        :param host: default ``$POD_IP``
        :param port: default ``$DORMOUSE_ENGINE_PORT``
        """
        self.model = model
        self.names = {model, *aliases}
        self.embeddings = embeddings
        self.chat = chat
        self.is_open = threading.Event()
        self._idle = threading.Condition()
        self._answering = 0
        self._started = False
        self.created = int(time.time())
        address = (host or os.environ.get("POD_IP", "127.0.0.1"),
                   port if port is not None else int(os.environ.get("DORMOUSE_ENGINE_PORT", "8000")))
        # A handler class of its own: the standard library knows no other way to give handlers a context.
        self._http = ThreadingHTTPServer(address, type("Handler", (_Handler,), {"owner": self}))
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]

    def start(self) -> None:
        """Listens; the model is still being loaded."""
        self._started = True
        threading.Thread(target=self._http.serve_forever, args=(0.05,), name="http", daemon=True).start()

    def open(self) -> None:
        """The model answers from now on."""
        self.is_open.set()

    def stop(self, grace: float = 15.0) -> bool:
        """Takes no more requests, and waits up to ``grace`` seconds for those that are being answered.

        :return: whether all were
        """
        self.is_open.clear()
        if self._started:
            self._http.shutdown()
        self._http.server_close()
        with self._idle:
            return self._idle.wait_for(lambda: self._answering == 0, grace)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Around each request that :meth:`stop` waits for."""
        with self._idle:
            self._answering += 1
        try:
            yield
        finally:
            with self._idle:
                self._answering -= 1
                self._idle.notify_all()

    def probe(self) -> Dict[str, str]:
        """A request for the sidecar's warmup inference."""
        if self.embeddings is not None:
            return {"path": "/v1/embeddings", "body": json.dumps({"model": self.model, "input": "@batch"}),
                    "item": json.dumps("The dormouse sleeps through the winter.")}
        return {"path": "/v1/chat/completions", "item": json.dumps("@batch"),
                "body": json.dumps({"model": self.model, "max_tokens": 8,
                                    "messages": [{"role": "user", "content": "Hello"}]})}


def _encoded(vector: Sequence[float]) -> str:
    """What the official clients ask for: little-endian floats."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    #: Seconds that a client may be silent within a request, or between two.
    timeout = 120
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "dormouse-python"

    def do_GET(self) -> None:  # noqa: N802, the name is the standard library's
        owner = self.owner
        if self.path == "/health":
            self._json(200 if owner.is_open.is_set() else 503, {"ready": owner.is_open.is_set()})
        elif self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": owner.model, "object": "model",
                                                         "created": owner.created, "owned_by": "dormouse"}]})
        else:
            self._json(404, RequestError(404, f"there is no {self.path} here").body())

    def do_POST(self) -> None:  # noqa: N802
        try:
            with self.owner.answering():
                self._post()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True  # The client has gone.

    def _post(self) -> None:
        try:
            request = self._request()
            if self.path == "/v1/embeddings" and self.owner.embeddings is not None:
                self._json(200, self._embedded(request, self.owner.embeddings))
            elif self.path == "/v1/chat/completions" and self.owner.chat is not None:
                self._chat(request, self.owner.chat)
            else:
                raise RequestError(404, f"this model has no {self.path}")
        except RequestError as e:
            self._json(e.status, e.body())
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            raise
        except Exception as e:  # The model's own code.
            self._json(500, self._failed(e).body())

    def _failed(self, error: Exception) -> RequestError:
        if isinstance(error, RequestError):
            return error
        _LOG.error("%s failed", self.path, exc_info=error)
        return RequestError(500, f"the model failed: {type(error).__name__}: {error}", "internal_error")

    def _request(self) -> Dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            raise RequestError(411, "a body with a Content-Length is needed")
        if int(length) > _MAX_BODY:
            self.close_connection = True
            raise RequestError(413, f"a body of {length} bytes; at most {_MAX_BODY} are read")
        try:
            request = json.loads(self.rfile.read(int(length)))
        except ValueError as e:
            raise RequestError(400, f"the body is no JSON: {e}") from e
        if not isinstance(request, dict):
            raise RequestError(400, "the body is no JSON object")
        if request.get("model") not in self.owner.names:
            raise RequestError(404, f"this is {self.owner.model!r}, not {request.get('model')!r}", "model_not_found",
                               "model")
        if not self.owner.is_open.is_set():
            raise RequestError(503, "The model is being loaded; try again in a moment", "model_loading")
        return request

    def _embedded(self, request: Dict[str, Any], embeddings: Embed) -> Dict[str, Any]:
        given: Union[str, List[str], None] = request.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise RequestError(400, "input must be a text or a list of texts, and not empty", param="input")
        form = request.get("encoding_format") or "float"
        if form not in ("float", "base64"):
            raise RequestError(400, f"encoding_format must be float or base64, not {form!r}", param="encoding_format")
        vectors = [[float(x) for x in vector] for vector in embeddings(texts)]
        tokens = sum(len(text.split()) for text in texts)
        return {"object": "list", "model": self.owner.model,
                "data": [{"object": "embedding", "index": i, "embedding": _encoded(vector) if form == "base64" else vector}
                         for i, vector in enumerate(vectors)],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}

    def _chat(self, request: Dict[str, Any], chat: Chat) -> None:
        messages = request.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
            raise RequestError(400, "messages must be a list of messages, and not empty", param="messages")
        pieces = chat(messages, request)
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": self.owner.model}
        if request.get("stream"):
            self._stream(head, pieces)
            return
        said = list(pieces)
        used = sum(len(str(message.get("content", "")).split()) for message in messages)
        self._json(200, {**head, "object": "chat.completion",
                         "choices": [{"index": 0, "finish_reason": "stop",
                                      "message": {"role": "assistant", "content": "".join(said)}}],
                         "usage": {"prompt_tokens": used, "completion_tokens": len(said),
                                   "total_tokens": used + len(said)}})

    def _stream(self, head: Dict[str, Any], pieces: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

        def event(delta: Dict[str, str], finish: Optional[str]) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            data = json.dumps({**head, "object": "chat.completion.chunk", "choices": [choice]})
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()

        event({"role": "assistant", "content": ""}, None)
        try:
            for piece in pieces:
                event({"content": piece}, None)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            raise
        except Exception as e:  # The model's own code; the status line has gone out long since.
            self.wfile.write(f"data: {json.dumps(self._failed(e).body())}\n\n".encode())
            return
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()  # Nobody reads on: the model need not think on.
        event({}, "stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def _json(self, status: int, body: Dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are the gateway's to log."""
