"""A real Matrix homeserver (Synapse) takes what the `matrix` kind sends: one thread for what belongs together, a mention where one is
meant and nowhere else, no message twice, and none lost to its rate limit."""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
from urllib.parse import quote

from relay import Hook, Relay, ask, check, program, until

HOMESERVER = """
server_name: localhost
listeners:
  - { port: 0, bind_addresses: [127.0.0.1], type: http, tls: false, resources: [ { names: [client] } ] }
database: { name: sqlite3, args: { database: %(folder)s/homeserver.db } }
media_store_path: %(folder)s/media
signing_key_path: %(folder)s/signing.key
registration_shared_secret: sesame
report_stats: false
trusted_key_servers: []
rc_message: { per_second: 1, burst_count: 3 }
"""

ROUTES = """
receivers:
  room: { kind: matrix, homeserver: "%(homeserver)s", token: "%(token)s", room: "%(room)s", recovered: true, retry: { first: 10ms } }
routes:
  - { name: failed, when: { outcome: failed }, to: room, message: { mention: "@ann:localhost" } }
  - { name: begun, when: { state: [PENDING, RUNNING] }, to: room }
"""


class Account:
    """An account of the homeserver, and what it sees."""

    def __init__(self, homeserver, name):
        register = homeserver + "/_synapse/admin/v1/register"
        with ask("GET", register) as answer:
            nonce = json.load(answer)["nonce"]
        said = "\0".join([nonce, name, "pass", "notadmin"]).encode()
        mac = hmac.new(b"sesame", said, hashlib.sha1).hexdigest()
        account = {"nonce": nonce, "username": name, "password": "pass", "admin": False, "mac": mac}
        with ask("POST", register, account) as answer:
            self.token = json.load(answer)["access_token"]
        self.homeserver = homeserver

    def ask(self, method, path, body=None):
        with ask(method, f"{self.homeserver}/_matrix/client/{path}", body, Authorization=f"Bearer {self.token}") as answer:
            return json.load(answer)

    def messages(self, room):
        """Oldest first."""
        events = self.ask("GET", f"v3/rooms/{room}/messages?dir=f&limit=100")["chunk"]
        return [event for event in events if event["type"] == "m.room.message"]

    def thread(self, room, root):
        """What the server itself counts as the thread of a message, oldest first."""
        return self.ask("GET", f"v1/rooms/{room}/relations/{root['event_id']}/m.thread?dir=f&limit=100")["chunk"]


class Unsteady:
    """Between relay and homeserver: hangs up on the first message after the server took it, and notes what was limited."""

    def __init__(self, homeserver):
        self.homeserver, self.taken, self.limited, self.hasty = homeserver, [], 0, []
        # From when on a limited message may come again.
        self.free = {}
        self.url = Hook(self.answer).url

    def answer(self, request, body):
        if time.monotonic() < self.free.get(request.path, 0):
            self.hasty.append(request.path)
        try:
            with ask("PUT", self.homeserver + request.path, json.loads(body), Authorization=request.headers["Authorization"]) as answer:
                said = answer.read()
        except urllib.error.HTTPError as error:
            said = error.read()
            if error.code == 429:
                self.limited += 1
                self.free[request.path] = time.monotonic() + json.loads(said)["retry_after_ms"] / 1000
            return error.code, said
        self.taken.append((request.path, json.loads(said)["event_id"]))
        return None if len(self.taken) == 1 else (200, said)


def main(folder):
    (folder / "homeserver.yaml").write_text(HOMESERVER % {"folder": folder})
    key = base64.b64encode(os.urandom(32)).decode().rstrip("=")
    (folder / "signing.key").write_text(f"ed25519 a_1 {key}\n")
    synapse = [sys.executable, "-m", "synapse.app.homeserver", "--config-path", folder / "homeserver.yaml"]
    _, port = program(folder / "homeserver.log", r"now listening on TCP port (\d+)", synapse)
    homeserver = f"http://127.0.0.1:{port}"

    ann = until("the homeserver answers", lambda: Account(homeserver, "ann"))
    writer = Account(homeserver, "writer")
    room = ann.ask("POST", "v3/createRoom", {"preset": "private_chat", "invite": ["@writer:localhost"]})["room_id"]
    writer.ask("POST", f"v3/join/{quote(room)}", {})
    between = Unsteady(homeserver)
    relay = Relay(folder, ROUTES % {"homeserver": between.url, "token": writer.token, "room": room})

    relay.update("job-1", "<b>Küche</b> & @room", "PENDING")
    relay.update("job-1", "<b>Küche</b> & @room", "RUNNING")
    relay.update("job-1", "<b>Küche</b> & @room", error="PLANNING_FAILED", message="1 < 2\n@ann:localhost")
    relay.update("job-2", "<b>Küche</b> & @room")
    others = [f"Orders {number}" for number in range(3)]
    for product in others:
        relay.update(f"job of {product}", product, "RUNNING")
    until("all arrived", lambda: {delivery["state"] for delivery in relay.deliveries()} == {"delivered"})
    relay.stop()

    room = quote(room)
    messages = ann.messages(room)
    assert len(messages) == 4 + len(others), [message["content"]["body"] for message in messages]

    # The first was sent again, as the same transaction.
    (first, event), (again, same) = between.taken[0], next(it for it in between.taken[1:] if it[0] == between.taken[0][0])
    assert (first, event) == (again, same) and len({event for _, event in between.taken}) == len(messages), between.taken
    assert between.limited > 0, "the rate limit was not met"
    assert not between.hasty, f"not waited for as long as the server said: {between.hasty}"

    kitchen = [message for message in messages if "Küche" in message["content"]["body"]]
    root, *later = kitchen
    thread = [message["event_id"] for message in ann.thread(room, root)]
    assert thread == [message["event_id"] for message in later], (thread, kitchen)
    assert len(later) == 3 and "m.relates_to" not in root["content"], kitchen
    for message in later:
        relation = message["content"]["m.relates_to"]
        assert relation["rel_type"] == "m.thread" and relation["m.in_reply_to"]["event_id"] == root["event_id"], relation
    for message in messages:
        assert message in kitchen or not ann.thread(room, message), message

    for message, title in zip(kitchen, ["is waiting", "is running", "failed", "recovered"]):
        content = message["content"]
        assert content["format"] == "org.matrix.custom.html" and content["msgtype"] == "m.text", content
        assert f"Update data product {title}: " in content["formatted_body"].split("</b>")[0], content
        assert "&lt;b&gt;Küche&lt;/b&gt; &amp; @\u200broom" in content["formatted_body"], content
        assert "<b>Küche</b> & @\u200broom" in content["body"], content
    assert "1 &lt; 2<br>" in kitchen[2]["content"]["formatted_body"], kitchen[2]

    called = ann.ask("GET", "v3/notifications?only=highlight")["notifications"]
    assert [it["event"]["event_id"] for it in called] == [kitchen[2]["event_id"]], called
    return f"{len(messages)} messages, {len(later)} of them in the thread of the first, none twice, {between.limited} times 429 was obeyed"


check(main)
