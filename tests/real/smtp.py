# A real mail server (aiosmtpd) takes what the `smtp` kind sends: over STARTTLS with a login, over implicit TLS, in the clear; what it
# refuses is told in its words.
#
# To run it (Python 3.9 or newer, openssl):
#
#     cargo build
#     pip install --target target/real/python aiosmtpd==1.4.6
#     PYTHONPATH=target/real/python python3 tests/real/smtp.py target/debug/jobrelay

import email
import email.policy
import logging
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

logging.disable()
binary = sys.argv[1]
work = pathlib.Path(tempfile.mkdtemp())
wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


class Inbox:
    def __init__(self, refuse=None):
        self.mails, self.logins, self.refuse = [], [], refuse

    async def handle_DATA(self, server, session, envelope):
        if self.refuse:
            return self.refuse
        self.mails.append((session.ssl is not None, session.authenticated, envelope))
        return "250 2.0.0 kept"

    def login(self, server, session, envelope, mechanism, data):
        good = (data.login, data.password) == (b"alerts", b"s3cr3t-pass")
        self.logins.append(mechanism)
        return AuthResult(success=good, handled=False)


subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", work / "key.pem", "-out", work / "cert.pem",
     "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
     "-addext", "basicConstraints=critical,CA:FALSE"],
    check=True, stderr=subprocess.DEVNULL,
)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(work / "cert.pem", work / "key.pem")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(inbox, **settings):
    controller = Controller(inbox, hostname="localhost", port=free_port(), **settings)
    controller.start()
    return controller


starttls, implicit, clear, fussy, spam = Inbox(), Inbox(), Inbox(), Inbox(), Inbox("554 5.7.1 this looks like spam")
submission = dict(tls_context=tls, require_starttls=True, auth_required=True)
servers = {
    "starttls": serve(starttls, authenticator=starttls.login, **submission),
    "implicit": serve(implicit, ssl_context=tls),
    "clear": serve(clear),
    "fussy": serve(fussy, authenticator=fussy.login, **submission),
    "spam": serve(spam),
}
port = {name: server.port for name, server in servers.items()}
people = "from: 'Älerts, Inc. <alerts@example.com>', to: ['Jürgen <j@example.com>', ops@example.com], cc: boss@example.com, reply_to: help@example.com"
ca = f"ca: {work / 'cert.pem'}"
(work / "routes.yaml").write_text(f"""
receivers:
  starttls: {{ kind: smtp, host: localhost, port: {port['starttls']}, username: alerts, password: s3cr3t-pass, {ca}, {people} }}
  implicit: {{ kind: smtp, host: localhost, port: {port['implicit']}, tls: implicit, {ca}, {people} }}
  clear: {{ kind: smtp, host: localhost, port: {port['clear']}, tls: none, {people} }}
  wrong-password: {{ kind: smtp, host: localhost, port: {port['fussy']}, username: alerts, password: guess-it, {ca}, {people} }}
  untrusted: {{ kind: smtp, host: localhost, port: {port['fussy']}, {people} }}
  no-starttls: {{ kind: smtp, host: localhost, port: {port['clear']}, {people} }}
  spam: {{ kind: smtp, host: localhost, port: {port['spam']}, tls: none, {people} }}
routes:
  - {{ name: failed jobs, when: {{ outcome: failed }}, to: [starttls, implicit, clear, wrong-password, untrusted, no-starttls, spam] }}
""")
environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBRELAY_")}
listen = f"127.0.0.1:{free_port()}"
relay = subprocess.Popen(
    [binary, "serve", "--routes", work / "routes.yaml", "--store", f"sqlite:{work}/relay.db", "--listen", listen],
    env=environment, stdout=open(work / "log", "w"), stderr=subprocess.STDOUT,
)


def run(*arguments):
    done = subprocess.run([binary, *arguments, "--url", f"http://{listen}"], env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


try:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://{listen}/healthz")
            break
        except OSError:
            time.sleep(0.05)
    said = run("send", "--type", "update_data_product", "--outcome", "failed", "--reason", "PLANNING_FAILED",
               "--data-product", "Kunden Ü", "--error", "<b>Bad</b> plan.\r\n.\r\nBcc: evil@example.com",
               "--wait", "8s")
    for name, inbox, encrypted, login in (
        ("starttls", starttls, True, True), ("implicit", implicit, None, False), ("clear", clear, False, False),
    ):
        check(len(inbox.mails) == 1, f"{name}: {len(inbox.mails)} mails")
        for over_tls, authenticated, envelope in inbox.mails:
            check(encrypted is None or over_tls == encrypted, f"{name}: TLS {over_tls}")
            check(bool(authenticated) == login, f"{name}: login {authenticated}")
            check(envelope.rcpt_tos == ["j@example.com", "ops@example.com", "boss@example.com"], f"{name}: to {envelope.rcpt_tos}")
            check(envelope.content.isascii(), f"{name}: 8 bits")
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            check(not mail.defects, f"{name}: {mail.defects}")
            check("Kunden Ü" in mail["Subject"], f"{name}: subject {mail['Subject']}")
            check(mail["Bcc"] is None, f"{name}: a header came from the event")
            check(mail["From"].addresses[0].display_name == "Älerts, Inc.", f"{name}: from {mail['From']}")
            check(mail["Reply-To"] == "help@example.com", f"{name}: reply to {mail['Reply-To']}")
            check(mail["Auto-Submitted"] == "auto-generated", f"{name}: not marked as automatic")
            check(mail["References"] == mail["In-Reply-To"] and str(mail["References"]).endswith("@jobrelay>"), f"{name}: thread {mail['References']}")
            check(re.fullmatch(r"<dlv_\w+@example\.com>", mail["Message-ID"]), f"{name}: ID {mail['Message-ID']}")
            check(mail["Date"] is not None, f"{name}: no date")
            check(mail.get_content_type() == "multipart/alternative", f"{name}: {mail.get_content_type()}")
            plain, page = (part.get_content() for part in mail.iter_parts())
            check("<b>Bad</b> plan." in plain, f"{name}: {plain}")
            check("&lt;b&gt;Bad&lt;/b&gt; plan." in page and "Kunden Ü" in page, f"{name}: {page}")
    check(fussy.mails == [] and spam.mails == [], "a mail was taken that should not be")
    for receiver, words in (
        ("wrong-password", r"535"), ("untrusted", r"certificate|issuer"), ("no-starttls", r"no STARTTLS"), ("spam", r"554 5\.7\.1 this looks like spam"),
    ):
        told = " ".join(part for part in re.split(r"\n(?=\S| {0,2}\w)", said) if receiver in part)
        check(re.search(words, told, re.I), f"{receiver}: {said}")
    check("guess-it" not in (work / "log").read_text() and "s3cr3t-pass" not in (work / "log").read_text(), "a password in the log")
    if wrong:
        print(said, (work / "log").read_text(), sep="\n")
finally:
    relay.terminate()
    relay.wait()
    for server in servers.values():
        server.stop()

print("\n".join(wrong) or "the mail server got what it should")
sys.exit(1 if wrong else 0)
