"""Opens pages of export/web in headless Chromium, for tests.

Needs Chromium (KERASHAND_CHROMIUM names its program, if it is not found by itself) and the packages
of export/web/package.json (`npm install` there; KERASHAND_NODE_MODULES names another folder).
"""

import contextlib
import http.server
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import kerashand
from kerashand.runtime import HandPose

WEB = Path(__file__).parents[1] / "export" / "web"
WEIGHTS = Path(kerashand.__file__).parent / "weights"
MODULES = Path(os.environ.get("KERASHAND_NODE_MODULES") or WEB / "node_modules")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
LITERT = "@litertjs/core/dist/index.js"
PAGE_SECONDS = 180
WAIT_SECONDS = 120
"""For one thing. 30 seconds were once too short in CI."""
FAKE_WEBCAM = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

# What the scripts of the tests may use. Their result is sent back to the test.
PAGE = """<!doctype html><meta charset="utf-8"><body>
<script type="importmap">IMPORT_MAP</script>
<script type="module">
async function until(what, test, state = () => '') {
  const end = performance.now() + WAIT_MS;
  while (performance.now() < end) {
    const value = test();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what} ${state()}`);
}
async function blobOf(name) { return (await fetch(`/test/${name}`)).blob(); }
async function pictureOf(name) {
  const { pixelsOf, readPicture } = await import('/pictures.js');
  return pixelsOf(await readPicture(await blobOf(name)));
}
async function loadPose(url = '/models/hand_pose.tflite') {
  const { HandPose } = await import('/hand_pose.js');
  return HandPose.load(url, '/models/hand_detector.tflite');
}
function plain(hand) {
  return Object.fromEntries(Object.entries(hand).map(
    ([name, value]) => [name, value instanceof Float64Array ? [...value] : value]));
}
async function openPage(query) {
  const frame = document.createElement('iframe');
  frame.allow = 'camera';
  frame.width = frame.height = 900;
  frame.src = `/index.html${query}`;
  document.body.append(frame);
  const find = (id) => frame.contentDocument?.getElementById(id);
  const status = () => find('status')?.textContent;
  await until(`the page ${query}`, () => status() === 'Ready.' || shownError(find), status);
  return find;
}
function shownError(find) {
  const error = find('error');
  return error && !error.hidden ? error.textContent : null;
}
function chooseFile(find, file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  find('file').files = transfer.files;
  find('file').dispatchEvent(new Event('change'));
}
async function test() { SCRIPT }
let answer;
try { answer = { value: await test() }; } catch (error) { answer = { error: `${error.stack}` }; }
await fetch('/answer', { method: 'POST', body: JSON.stringify(answer) });
</script>"""


def find_chromium() -> str | None:
    """The program that KERASHAND_CHROMIUM names, or one on the path."""
    named = os.environ.get("KERASHAND_CHROMIUM")
    names = [named] if named else PROGRAMS
    return next((found for name in names if (found := shutil.which(name))), None)


CHROMIUM = find_chromium()
WITHOUT_CHROMIUM = "no Chromium: install it, or let KERASHAND_CHROMIUM name its program"
WITHOUT_LITERT = "no LiteRT.js: run `npm install` in export/web"
needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT_CHROMIUM),
    pytest.mark.skipif(not (MODULES / LITERT).is_file(), reason=WITHOUT_LITERT),
]
"""What tests that open the page are marked with."""


class Server(http.server.ThreadingHTTPServer):
    """The page, the packaged models, files of a test, and the answers of its scripts."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: queue.Queue = queue.Queue()

    def handle_error(self, request, client_address):
        """A browser that is ended cuts its connections."""


class Handler(http.server.SimpleHTTPRequestHandler):
    server: Server

    def translate_path(self, path):
        path = path.partition("?")[0]
        for prefix, folder in (("/models/", WEIGHTS), ("/node_modules/", MODULES)):
            if path.startswith(prefix):
                return str(folder / path.removeprefix(prefix))
        return str(WEB / path.lstrip("/"))

    def do_GET(self):
        if self.path not in self.server.files:
            super().do_GET()
            return
        content = self.server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(self.path))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.answers.put(json.loads(content))

    def end_headers(self):
        # A request for what another one is writing into the browser's cache waits for it.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *arguments):
        pass


def page_runner(tmp_path):
    """Yields a function that gives what a script returns that runs in a page of the server.

    A test module makes it a fixture: `run_page = pytest.fixture(page_runner)`.
    """
    import_map = re.search(
        r'<script type="importmap">(.*?)</script>', (WEB / "index.html").read_text(), re.DOTALL
    )
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def run(script, files=None, *, flags=()):
            page = PAGE.replace("IMPORT_MAP", import_map[1]).replace("SCRIPT", script)
            page = page.replace("WAIT_MS", str(1000 * WAIT_SECONDS))
            server.files = {f"/test/{name}": content for name, content in (files or {}).items()}
            server.files["/test.html"] = page.encode()
            url = f"http://127.0.0.1:{server.server_port}/test.html"
            log = tmp_path / "chromium.log"
            with browser(url, flags, tmp_path / "profile", log) as process:
                answer = wait_for(server.answers, process, log)
            if "error" in answer:
                pytest.fail(f"{answer['error']}\n{end_of(log)}")
            return answer["value"]

        yield run
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def browser(url, flags, profile, log):
    """Chromium at a page; nothing of it is left afterwards."""
    shutil.rmtree(profile, ignore_errors=True)
    with open(log, "wb") as output:
        flags = (*FLAGS, *flags, "--enable-logging=stderr", f"--user-data-dir={profile}")
        process = subprocess.Popen(
            [CHROMIUM, *flags, url],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # Its helpers are in the session, and so in the group, that it started.
            for kind in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, kind)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=10)
            with contextlib.suppress(ProcessLookupError):
                for _ in range(100):
                    os.killpg(process.pid, 0)  # raises when none is left
                    time.sleep(0.05)


def wait_for(answers, process, log):
    end = time.monotonic() + PAGE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=0.5)
    pytest.fail(f"the page gave no answer:\n{end_of(log)}")


def end_of(log):
    return log.read_text(errors="replace")[-3000:]


def pngs(pictures) -> dict[str, bytes]:
    """RGB pictures as files 0.png, 1.png and on."""
    return {
        f"{number}.png": cv2.imencode(".png", np.ascontiguousarray(rgb[:, :, ::-1]))[1].tobytes()
        for number, rgb in enumerate(pictures)
    }


def packaged_pose():
    return HandPose.load()
