"""A real server of chat completions and embeddings, whose answers a test decides."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """What a server was sent, by model."""

    url: str = ""
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        return Counter(model for model, _ in self.bodies)


def _embedding(text: str) -> list[float]:
    return [1.0, len(text) / 100, text.count("e") / 10, text.count(" ") / 10]


@contextmanager
def model_server(answer: Callable[[str, dict[str, Any]], str | None], refusal: int = 400) -> Iterator[Asked]:
    """`answer`: what a model says to a request; None refuses it, with that status."""
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.bodies.append((body["model"], body))
            payload: dict[str, Any]
            if self.path.endswith("/embeddings"):
                payload = {
                    "data": [{"index": n, "embedding": _embedding(text)} for n, text in enumerate(body["input"])]
                }
            elif (text := answer(body["model"], body)) is None:
                payload = {"error": {"message": "refused"}}
            else:
                message = {"role": "assistant", "content": text}
                payload = {"choices": [{"message": message, "finish_reason": "stop"}]}
                payload["usage"] = {"prompt_tokens": 9, "completion_tokens": 9}
            written = json.dumps(payload).encode()
            self.send_response(refusal if "error" in payload else 200)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        asked.url = f"http://127.0.0.1:{made.server_address[1]}/v1"
        try:
            yield asked
        finally:
            made.shutdown()
