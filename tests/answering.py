"""A local server's handler that sends whole answers and says nothing."""

from http.server import BaseHTTPRequestHandler


class Answering(BaseHTTPRequestHandler):
    """What a test's server is a subclass of."""

    def send(self, code: int, content: bytes, headers: dict[str, str]) -> None:
        """One answer; a HEAD request gets its headers alone."""
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
