"""`kerashand-data correct`: a page in the browser on which the points of a recording are corrected.

The page is served to this machine alone. It gets the pictures and the lines of points.jsonl, and
sends lines back, which are checked as those of a file are, before the file is written anew.
"""

from __future__ import annotations

import argparse
import http.server
import io
import json
import secrets
import threading
import urllib.parse
import webbrowser
from importlib import resources
from pathlib import Path
from typing import Any

from kerashand import picture_files
from kerashand.data.readers.recording import (
    POINTS_FILE,
    Pictures,
    check_row,
    load_recording,
    point_lines,
)
from kerashand.errors import UserError
from kerashand.files import user_path, write_text
from kerashand.untrusted import parse_json

HOST = "127.0.0.1"
MOST_BYTES = 1 << 28
"""Of what a page may send: 100,000 hands take a tenth of it."""
JPEG_QUALITY = 92
PAGE = "correct.html"
TOKEN = "{token}"


def correct(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        UserError: if the folder is no recording, or the port is taken.
    """
    recording = Corrected(user_path(arguments.folder))
    if not 0 <= arguments.port <= 65535:
        raise UserError(f"--port must be 0 to 65535. Received: {arguments.port}")
    try:
        server = serve(recording, arguments.port)
    except OSError as error:
        raise UserError(
            f"--port {arguments.port} cannot be used: {error.strerror or error}. Choose another; "
            "0 takes any that is free."
        ) from error
    address = f"http://{HOST}:{server.server_port}/"
    print(f"{address} shows the points of {recording.folder}. Ctrl-C ends.", flush=True)
    if not arguments.no_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        server.serve_forever()
    finally:
        server.server_close()


class Corrected:
    """A recording whose points a page changes.

    Attributes:
        folder: of the recording.
        pictures: of its frames.
        token: what the page has to know to change anything; other pages do not.
    """

    def __init__(self, folder: Path):
        load_recording(folder)
        self.folder, self.pictures = folder, Pictures.of(folder)
        self.token = secrets.token_urlsafe(24)

    def rows(self) -> list[dict[str, Any]]:
        """The lines of points.jsonl as they stand there."""
        if not (self.folder / POINTS_FILE).exists():
            return []
        return [parse_json(line) for _, line in point_lines(self.folder)]

    def save(self, rows: Any) -> int:
        """Check and write lines; returns how many there are.

        Raises:
            ValueError: for what is no list of hands, with the number of the wrong one.
        """
        if not isinstance(rows, list):
            raise ValueError("must be a list of hands")
        for number, row in enumerate(rows, start=1):
            try:
                check_row(row)
            except ValueError as error:
                raise ValueError(f"hand {number}: {error}") from None
        write_text(self.folder / POINTS_FILE, "".join(json.dumps(row) + "\n" for row in rows))
        return len(rows)

    def picture(self, frame: str) -> bytes:
        """The upright picture of a frame as JPEG.

        Raises:
            KeyError: if there is no such frame.
            PictureError: if it cannot be read.
        """
        from PIL import Image

        with io.BytesIO() as file:
            rgb = picture_files.read(self.pictures.colour[frame])
            Image.fromarray(rgb).save(file, "JPEG", quality=JPEG_QUALITY)
            return file.getvalue()


def serve(recording: Corrected, port: int) -> http.server.ThreadingHTTPServer:
    """A server of the page that is not running yet; port 0 takes one that is free.

    Raises:
        OSError: if the port is taken.
    """

    class Handler(_Handler):
        held = recording

    return http.server.ThreadingHTTPServer((HOST, port), Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    held: Corrected
    server: http.server.HTTPServer

    def do_GET(self) -> None:
        if not self._is_own_address():
            return
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if path == "/":
            page = resources.files("kerashand.cli").joinpath(PAGE).read_text("utf-8")
            self._send(page.replace(TOKEN, self.held.token).encode(), "text/html; charset=utf-8")
        elif path == "/points":
            held = {"frames": list(self.held.pictures.colour), "hands": self.held.rows()}
            self._send(json.dumps(held).encode(), "application/json")
        elif path.startswith("/picture/"):
            try:
                self._send(self.held.picture(path.removeprefix("/picture/")), "image/jpeg")
            except (KeyError, picture_files.PictureError) as error:
                self._refuse(404, str(error))
        else:
            self._refuse(404, "there is no such page")

    def do_POST(self) -> None:
        if not self._is_own_address():
            return
        sent = self.headers.get("X-Token", "")
        if not secrets.compare_digest(sent.encode(), self.held.token.encode()):
            self._refuse(403, "reload the page: this one is of an earlier start")
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= MOST_BYTES:
                raise ValueError(f"must have at most {MOST_BYTES} bytes")
            count = self.held.save(parse_json(self.rfile.read(length).decode("utf-8")))
        except (ValueError, OSError) as error:
            self._refuse(400, str(error)[:500])
            return
        self._send(json.dumps({"saved": count}).encode(), "application/json")

    def _is_own_address(self) -> bool:
        """Refuse a name of another machine that leads here."""
        own = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") in own:
            return True
        self._refuse(403, "this page is for this machine alone")
        return False

    def _refuse(self, code: int, text: str) -> None:
        self._send(text.encode(), "text/plain; charset=utf-8", code)

    def _send(self, content: bytes, kind: str, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *parts: Any) -> None:
        """Nothing: the terminal shows the address alone."""
