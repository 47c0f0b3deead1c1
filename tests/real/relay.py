"""What the checks beside it share: the real relay (JOBRELAY names its binary, else the debug build is used), other programs, webhooks."""

import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("JOBRELAY", str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/jobrelay"))
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("JOBRELAY")}

started = []


def check(main):
    """Runs `main` in a folder of its own and prints what it says was seen. Ends what it started; if it fails, its logs are shown."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            print(main(pathlib.Path(folder)))
        except BaseException:
            for log in sorted(pathlib.Path(folder).glob("*.log")):
                print(f"--- {log.name}", *log.read_text().splitlines()[-60:], sep="\n", file=sys.stderr)
            raise
        finally:
            for process in started:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def program(log, listening, arguments):
    """Starts a program beside its log. Returns it, and what the log says, by the pattern `listening`, of where it listens."""
    with log.open("w") as file:
        process = subprocess.Popen(arguments, cwd=log.parent, env=ENVIRONMENT, stdout=file, stderr=file)
    started.append(process)

    def heard():
        assert process.poll() is None, f"{arguments[0]} ended at once: {log.read_text()}"
        return re.search(listening, log.read_text())

    return process, until(f"{arguments[0]} listens", heard)[1]


class Relay:
    """A relay with its routes.yaml in a folder. Its log is the file `relay.log` there."""

    def __init__(self, folder, routes):
        self.log = folder / "relay.log"
        (folder / "routes.yaml").write_text(routes)
        self.start()

    def start(self):
        arguments = ["serve", "--routes", "routes.yaml", "--listen", "127.0.0.1:0", "--store", "sqlite:data/relay.db"]
        self.process, self.url = program(self.log, r"listening on (http://[\d.:]+)", [BINARY, *arguments])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()

    def update(self, job, data_product, state="DONE", error=None, message="It went wrong."):
        """Posts an event of an update, as the sender does. With a reason as `error` it failed."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        status = {"state": state, "stateStartTime": now}
        if error:
            status["error"] = {"reason": error, "message": message}
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
        with ask("POST", self.url + "/webhooks/v1alpha1/jobEvents", envelope, "application/cloudevents+json") as answer:
            assert answer.status == 200

    def deliveries(self):
        """All there are, newest first."""
        with ask("GET", self.url + "/api/v1/deliveries?limit=100") as answer:
            return json.load(answer)["items"]


class Hook:
    """A web server that hands each request, with its body, to `answer`. That returns a status, a status and JSON, or None to hang up."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                told = answer(self, self.rfile.read(int(self.headers["Content-Length"])))
                if told is None:
                    return
                status, body = told if isinstance(told, tuple) else (told, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def ask(method, url, body=None, content_type="application/json", **headers):
    """The answer. `body` is JSON; what is no 2xx is raised."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": content_type, **headers}, method=method)
    return urllib.request.urlopen(request, timeout=60)


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
