"""The reference library of Standard Webhooks verifies what `sign` makes, with each secret during a rotation and on every retry."""

import base64
import json
import os

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay import Hook, Relay, check, until

OLD, NEW, FOREIGN = ("whsec_" + base64.b64encode(os.urandom(size)).decode() for size in (24, 32, 32))

ROUTES = """
receivers:
  one: { kind: webhook, url: "%(url)sone", sign: "%(new)s", retry: { first: 10ms, max: 10ms } }
  both: { kind: webhook, url: "%(url)sboth", sign: ["%(new)s", "%(old)s"] }
  raw: { kind: webhook, url: "%(url)sraw", sign: "%(new)s", format: raw }
routes:
  - { name: all, to: [one, both, raw] }
"""


def refused(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def main(folder):
    came = []

    def answer(request, body):
        came.append(({name.lower(): value for name, value in request.headers.items()}, body))
        # Each of the first comes again.
        return 503 if len(came) <= 3 else 200

    relay = Relay(folder, ROUTES % {"url": Hook(answer).url, "new": NEW, "old": OLD})
    for number, product in enumerate(["Customers", "Zürich 🏔", "a\\b\"c"]):
        relay.update(f"job-{number}", product, error="PLANNING_FAILED")
    until("all came, three of them twice", lambda: len(came) == 12)
    relay.stop()

    with_both = 0
    for headers, body in came:
        assert Webhook(NEW).verify(body, headers) == json.loads(body)
        signatures = headers["webhook-signature"].split(" ")
        with_both += len(signatures) == 2
        assert refused(OLD, body, headers) == (len(signatures) == 1), headers
        assert refused(FOREIGN, body, headers), "a foreign secret"
        assert refused(NEW, body + b" ", headers), "another body"
        assert refused(NEW, body, {**headers, "webhook-id": "another"}), "another ID"
        assert refused(NEW, body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}), "another time"
    assert 3 <= with_both <= 6, with_both
    assert len({headers["webhook-id"] for headers, _ in came}) == 9, "a retry has the ID of its first attempt"
    return f"{len(came)} requests of 9 deliveries, every signature verified and every forgery refused"


check(main)
