"""A real mail server (aiosmtpd) takes what the `smtp` kind sends: over STARTTLS with a login, over implicit TLS, in the clear. A job's
mails are one thread. What the server refuses is told in its words."""

import email
import email.policy
import logging
import re
import ssl
import subprocess

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from relay import Relay, check, free_port, until

PEOPLE = (
    "from: 'Älerts, Inc. <alerts@example.com>', to: ['Jürgen <j@example.com>', ops@example.com], cc: boss@example.com, "
    "reply_to: help@example.com"
)

ROUTES = """
receivers:
  starttls: { kind: smtp, host: localhost, port: %(submission)s, username: alerts, password: s3cr3t-pass, ca: cert.pem, %(people)s }
  implicit: { kind: smtp, host: localhost, port: %(implicit)s, tls: implicit, ca: cert.pem, %(people)s }
  clear: { kind: smtp, host: localhost, port: %(clear)s, tls: none, %(people)s }
  wrong-password: { kind: smtp, host: localhost, port: %(submission)s, username: alerts, password: guess-it, ca: cert.pem, %(people)s }
  untrusted: { kind: smtp, host: localhost, port: %(submission)s, %(people)s }
  no-starttls: { kind: smtp, host: localhost, port: %(clear)s, %(people)s }
  spam: { kind: smtp, host: localhost, port: %(spam)s, tls: none, %(people)s }
routes:
  - { name: updates, when: { type: update_data_product }, to: clear }
  - { name: failed jobs, when: { outcome: failed }, to: [starttls, implicit, wrong-password, untrusted, no-starttls, spam] }
"""

REFUSED = {
    "wrong-password": r"535",
    "untrusted": r"certificate|issuer",
    "no-starttls": r"no STARTTLS",
    "spam": r"554 5\.7\.1 this looks like spam",
}


class Inbox:
    def __init__(self, refuse=None):
        self.mails, self.refuse = [], refuse

    async def handle_DATA(self, server, session, envelope):
        if self.refuse:
            return self.refuse
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((session, envelope, mail))
        return "250 2.0.0 kept"

    def login(self, server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"alerts", b"s3cr3t-pass"), handled=False)

    def serve(self, **settings):
        """Returns the port."""
        controller = Controller(self, hostname="localhost", port=free_port(), **settings)
        controller.start()
        return controller.port


def certificate(folder):
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True, stderr=subprocess.DEVNULL,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    return tls


def whole(envelope, mail):
    """It has what the event and the settings said, in every header and part."""
    assert envelope.rcpt_tos == ["j@example.com", "ops@example.com", "boss@example.com"], envelope.rcpt_tos
    assert envelope.content.isascii(), "8 bits"
    assert not mail.defects, mail.defects
    assert "Kunden Ü" in mail["Subject"], mail["Subject"]
    assert mail["Bcc"] is None, "a header came from the event"
    assert mail["From"].addresses[0].display_name == "Älerts, Inc.", mail["From"]
    assert mail["Reply-To"] == "help@example.com", mail["Reply-To"]
    assert mail["Auto-Submitted"] == "auto-generated", "not marked as automatic"
    assert re.fullmatch(r"<dlv_\w+@example\.com>", mail["Message-ID"]), mail["Message-ID"]
    assert mail["Date"] is not None, "no date"
    assert mail.get_content_type() == "multipart/alternative", mail.get_content_type()
    plain, page = (part.get_content() for part in mail.iter_parts())
    assert "<b>Bad</b> plan." in plain, plain
    assert "&lt;b&gt;Bad&lt;/b&gt; plan." in page and "Kunden Ü" in page, page


def main(folder):
    tls = certificate(folder)
    starttls, implicit, clear = Inbox(), Inbox(), Inbox()
    ports = {
        "submission": starttls.serve(tls_context=tls, require_starttls=True, auth_required=True, authenticator=starttls.login),
        "implicit": implicit.serve(ssl_context=tls),
        "clear": clear.serve(),
        "spam": Inbox("554 5.7.1 this looks like spam").serve(),
    }
    relay = Relay(folder, ROUTES % {"people": PEOPLE, **ports})

    relay.update("job-1", "Kunden Ü", "RUNNING")
    relay.update("job-1", "Kunden Ü", error="PLANNING_FAILED", message="<b>Bad</b> plan.\r\n.\r\nBcc: evil@example.com")
    relay.update("job-2", "Kunden Ü")
    until("all mails came", lambda: [len(inbox.mails) for inbox in (starttls, implicit, clear)] == [1, 1, 3])

    failed = {"starttls": starttls.mails[0], "implicit": implicit.mails[0], "clear": clear.mails[1]}
    for name, (_, envelope, mail) in failed.items():
        whole(envelope, mail)
    sessions = {name: session for name, (session, _, _) in failed.items()}
    assert sessions["starttls"].ssl and sessions["starttls"].authenticated, "STARTTLS and a login"
    assert not sessions["clear"].ssl and not sessions["clear"].authenticated, "in the clear"

    references = [mail["References"] for _, _, mail in clear.mails]
    assert references == [f"<{job}@jobrelay>" for job in ("job-1", "job-1", "job-2")], references
    assert [mail["In-Reply-To"] for _, _, mail in clear.mails] == references
    assert len({mail["Message-ID"] for _, _, mail in clear.mails}) == 3

    def told():
        """What the receivers that refuse said at last."""
        return {delivery["receiver"]: delivery["detail"] for delivery in relay.deliveries() if delivery["detail"]}

    until("all refused", lambda: REFUSED.keys() <= told().keys())
    for receiver, words in REFUSED.items():
        assert re.search(words, told()[receiver], re.I), f"{receiver}: {told()[receiver]}"
    assert len(starttls.mails) == 1, "a wrong password was let in"
    relay.stop()
    log = relay.log.read_text()
    assert "guess-it" not in log and "s3cr3t-pass" not in log, "a password in the log"
    return f"{sum(len(inbox.mails) for inbox in (starttls, implicit, clear))} mails taken, {len(REFUSED)} refusals told in the server's words"


logging.disable()
check(main)
