"""The real relay, for the checks beside it: JOBRELAY names its binary, else the debug build is used."""

import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("JOBRELAY", str(ROOT / "target/debug/jobrelay"))


class Relay:
    """A relay with its routes.yaml in a folder. Its log is the file `log` there."""

    def __init__(self, folder, routes):
        self.folder = pathlib.Path(folder)
        (self.folder / "routes.yaml").write_text(routes)
        self.start()

    def start(self):
        log = self.folder / "log"
        with log.open("w") as file:
            arguments = ["serve", "--routes", "routes.yaml", "--listen", "127.0.0.1:0", "--store", "sqlite:data/relay.db"]
            self.process = subprocess.Popen([BINARY, *arguments], cwd=self.folder, stderr=file)
        self.url = until("the relay listens", lambda: re.search(r"listening on (http://[\d.:]+)", log.read_text()))[1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, (self.folder / "log").read_text()

    def finished(self, job, data_product, error=None):
        """Posts the end of an update, as the sender does."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        status = {"state": "DONE", "stateStartTime": now}
        if error:
            status["error"] = {"reason": error, "message": "It went wrong."}
        data = {
            "jobId": job,
            "jobType": "UPDATE_DATA_PRODUCT",
            "dataProductId": f"dp_{data_product}",
            "dataProductDisplayName": data_product,
            "status": status,
        }
        envelope = {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "source": "//acme.tamr.cloud/webhooks/v1alpha1",
            "type": "com.tamr.job.v1alpha1",
            "time": now,
            "datacontenttype": "application/json",
            "data": data,
        }
        request = urllib.request.Request(
            self.url + "/webhooks/v1alpha1/jobEvents",
            json.dumps(envelope).encode(),
            {"Content-Type": "application/cloudevents+json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


class Hook:
    """A webhook that hands each request (headers, body) to `answer`, which returns the status."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(answer(dict(self.headers), body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def until(what, look, patience=60):
    """What `look` finds, as soon as it finds anything."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            found = look()
        except (OSError, http.client.HTTPException):
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {what}")
