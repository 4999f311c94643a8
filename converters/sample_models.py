"""Serve stand-ins for the models of make_judge_data.py on loopback, for images of sample_deepfakejudge.py.

    python converters/sample_models.py --url-file output/bootstrap/url

They answer the prompts of that command by rule, with OpenAI's protocol, until they are ended: a generator that writes
what it is asked for, an evaluator that compares a rationale with the gold one word by word, a paraphraser with two
wordings of each thing. They see no image and judge nothing: they show that the whole of it runs, not what it makes.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.samples.standin import reply
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.records import atomic_write

MAX_REQUEST = 64 << 20  # bytes


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Nothing is printed of a request."""

    def do_POST(self) -> None:
        try:
            length = int(self.headers.get("Content-Length", "0"))
            if not 0 < length <= MAX_REQUEST:
                raise ValueError("a request of that length is not read")
            parts = json.loads(self.rfile.read(length))["messages"][-1]["content"]
            prompt = "".join(part["text"] for part in parts if part["type"] == "text")
            image = "".join(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
            text = reply(prompt, zlib.crc32((prompt + image).encode()))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self._send(400, {"error": {"message": f"no prompt that is known here: {error}"[:200]}})
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
        self._send(200, {"object": "chat.completion", "choices": [choice], "usage": usage})

    def _send(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(args: argparse.Namespace) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Request)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    if args.url_file is not None:
        args.url_file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(args.url_file) as file:
            file.write(url.encode())
    say(f"stand-ins answer at {url}")
    server.serve_forever()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=whole_number(0), default=0, help="of 127.0.0.1 (default 0, any that is free)")
    parser.add_argument("--url-file", type=Path, help="where to write the address once it answers (default nowhere)")
    return run(serve, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
