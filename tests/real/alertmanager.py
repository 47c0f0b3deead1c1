"""A real Alertmanager receives, groups and resolves what the `alertmanager` kind sends."""

import json
import time

from relay import Hook, Relay, ask, check, program, until

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

    config = folder / "alertmanager.yml"
    config.write_text(CONFIG % Hook(answer).url)
    arguments = [
        f"--config.file={config}",
        f"--storage.path={folder}/alertmanager",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    listening = r'"?Listening on"? address=([\d.:]+)'
    _, address = program(folder / "alertmanager.log", listening, ["prometheus-alertmanager", *arguments])
    url = f"http://{address}"

    def get(path):
        with ask("GET", url + path) as answer:
            return json.load(answer)

    def firing():
        return {alert["annotations"]["resource"]: alert for alert in get("/api/v2/alerts")}

    def resolved():
        alerts = [alert for message in told for alert in message["alerts"]]
        return {alert["annotations"]["resource"] for alert in alerts if alert["status"] == "resolved"}

    until("Alertmanager is ready", lambda: get("/api/v2/status"))
    relay = Relay(folder, ROUTES % url)

    relay.update("job-1", "Customers", error="PLANNING_FAILED")
    relay.update("job-2", "Orders", error="OUT_OF_MEMORY")
    until("both fire", lambda: len(firing()) == 2)
    customers = firing()["Customers"]
    assert customers["labels"]["team"] == "data" and customers["labels"]["alertname"] == "JobAlert", customers
    assert "Customers" in customers["annotations"]["summary"], customers
    assert customers["annotations"]["reason"] == "PLANNING_FAILED", customers
    until("the team is told of both at once", lambda: any(len(message["alerts"]) == 2 for message in told))
    groups = [group for group in get("/api/v2/alerts/groups") if group["receiver"]["name"] == "team"]
    assert [len(group["alerts"]) for group in groups] == [2], groups
    assert groups[0]["labels"] == {"alertname": "JobAlert", "type": "update_data_product"}, groups

    # The same again is the same alert, with the newer words.
    relay.update("job-3", "Customers", error="OUT_OF_MEMORY")
    until("the alert has the newer reason", lambda: firing()["Customers"]["annotations"]["reason"] == "OUT_OF_MEMORY")
    assert firing()["Customers"]["fingerprint"] == customers["fingerprint"]

    # Far longer than `resolve_timeout`: what fires goes on.
    time.sleep(3)
    assert len(firing()) == 2 and not resolved(), told

    relay.stop()
    relay.start()
    relay.update("job-4", "Customers")
    until("Customers is resolved", lambda: "Customers" in resolved())
    assert set(firing()) == {"Orders"}, firing()
    assert resolved() == {"Customers"}, told

    # A failure after that fires anew.
    relay.update("job-5", "Customers", error="PLANNING_FAILED")
    until("Customers fires again", lambda: set(firing()) == {"Customers", "Orders"})
    relay.update("job-6", "Customers")
    relay.update("job-7", "Orders")
    until("all is well", lambda: not firing() and resolved() == {"Customers", "Orders"})
    relay.stop()
    return f"{len(told)} notifications; two alerts fired, were grouped, and were resolved"


check(main)
