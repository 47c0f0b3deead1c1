"""A real Alertmanager receives, groups and resolves what the `alertmanager` kind sends.

To run it (Debian or Ubuntu, Python 3.9 or newer):

    sudo apt-get install --no-install-recommends prometheus-alertmanager && cargo build
    python3 tests/real/alertmanager.py

ALERTMANAGER names another one than Debian installs. The check starts its own, on a free port of loopback; the installed service may
run or not.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from relay import Hook, Relay, free_port, until

ALERTMANAGER = str(pathlib.Path(os.environ.get("ALERTMANAGER", "/usr/bin/prometheus-alertmanager")).resolve())

# An alert that named no end would end after `resolve_timeout`.
CONFIG = """
global: { resolve_timeout: 1s }
route:
  receiver: nobody
  group_by: [alertname, type]
  group_wait: 500ms
  group_interval: 500ms
  routes:
    - { receiver: team, matchers: [ 'severity="page"' ] }
receivers:
  - name: nobody
  - name: team
    webhook_configs: [ { url: "%s", send_resolved: true } ]
"""

ROUTES = """
receivers:
  alerts: { kind: alertmanager, url: "%s", labels: { severity: page, team: data } }
routes:
  - { name: failed, when: { outcome: failed }, to: alerts }
"""


def main(folder):
    told = []

    def answer(_, body):
        told.append(json.loads(body))
        return 200

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "alertmanager.yml").write_text(CONFIG % Hook(answer).url)
    arguments = [
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/alertmanager",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]

    def ask(path):
        with urllib.request.urlopen(url + path) as answer:
            return json.load(answer)

    def firing():
        return {alert["annotations"]["resource"]: alert for alert in ask("/api/v2/alerts")}

    def resolved():
        alerts = [alert for message in told for alert in message["alerts"]]
        return {alert["annotations"]["resource"] for alert in alerts if alert["status"] == "resolved"}

    with (folder / "alertmanager.log").open("w") as log:
        alertmanager = subprocess.Popen([ALERTMANAGER, *arguments], stderr=log)
    relay = None
    try:
        until("Alertmanager is ready", lambda: ask("/api/v2/status"))
        relay = Relay(folder, ROUTES % url)

        relay.finished("job-1", "Customers", "PLANNING_FAILED")
        relay.finished("job-2", "Orders", "OUT_OF_MEMORY")
        until("both fire", lambda: len(firing()) == 2)
        customers = firing()["Customers"]
        assert customers["labels"]["team"] == "data" and customers["labels"]["alertname"] == "JobAlert", customers
        assert "Customers" in customers["annotations"]["summary"], customers
        assert customers["annotations"]["reason"] == "PLANNING_FAILED", customers
        until("the team is told of both at once", lambda: any(len(message["alerts"]) == 2 for message in told))
        groups = [group for group in ask("/api/v2/alerts/groups") if group["receiver"]["name"] == "team"]
        assert [len(group["alerts"]) for group in groups] == [2], groups
        assert groups[0]["labels"] == {"alertname": "JobAlert", "type": "update_data_product"}, groups

        # The same again is the same alert, with the newer words.
        relay.finished("job-3", "Customers", "OUT_OF_MEMORY")
        until("the alert has the newer reason", lambda: firing()["Customers"]["annotations"]["reason"] == "OUT_OF_MEMORY")
        assert firing()["Customers"]["fingerprint"] == customers["fingerprint"]

        # Far longer than `resolve_timeout`: what fires goes on.
        time.sleep(3)
        assert len(firing()) == 2 and not resolved(), told

        relay.stop()
        relay.start()
        relay.finished("job-4", "Customers")
        until("Customers is resolved", lambda: "Customers" in resolved())
        assert set(firing()) == {"Orders"}, firing()
        assert resolved() == {"Customers"}, told

        # A failure after that fires anew.
        relay.finished("job-5", "Customers", "PLANNING_FAILED")
        until("Customers fires again", lambda: set(firing()) == {"Customers", "Orders"})
        relay.finished("job-6", "Customers")
        relay.finished("job-7", "Orders")
        until("all is well", lambda: not firing() and resolved() == {"Customers", "Orders"})
        relay.stop()
        print(f"{len(told)} notifications; two alerts fired, were grouped, and were resolved")
    finally:
        for process in [alertmanager, *([relay.process] if relay else [])]:
            if process.poll() is None:
                process.kill()


with tempfile.TemporaryDirectory() as folder:
    main(pathlib.Path(folder))
