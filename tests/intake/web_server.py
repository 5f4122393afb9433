"""A server on 127.0.0.1 that answers as sites do: whole, in ranges, elsewhere, refused, cut off, with a page."""

import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What lies at which path: bytes, or what answers a request itself. `asked` are (path, Range) so far."""

    files: dict[str, bytes | Callable] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)  # bytes, once
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    address: str = ""


class Answers(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        path = self.path
        found = self.site.files.get(path, self.site.files.get(path.partition("?")[0]))
        self.site.asked.append((path, self.headers.get("Range")))
        self.site.agents.append(self.headers.get("User-Agent", ""))
        if found is None:
            self.answer(404, b"nothing here")
        elif callable(found):
            found(self)
        else:
            self.give(path, found)

    def give(self, path: str, content: bytes, **headers: str) -> None:
        """A file: 304 if known, 206 if a part of this very version is asked for."""
        etag = self.site.etags.get(path, '"1"')
        wanted, about = self.headers.get("Range"), {"ETag": etag, **headers}
        if self.headers.get("If-None-Match") == etag:
            return self.answer(304, b"", about)
        begin, end, partly = 0, len(content) - 1, False
        if wanted and self.headers.get("If-Range", etag) == etag:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last or end), end)
            partly = begin > 0 or bool(last)
            about["Content-Range"] = f"bytes {begin}-{end}/{len(content)}"
        self.answer(
            206 if partly else 200, content[begin : end + 1], about, self.site.cut_after.pop(path, None)
        )

    def answer(self, code: int, content: bytes, headers=None, cut: int | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.close()

    do_HEAD = do_GET

    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def serve(site: Site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Answers,), {"site": site}))
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
