"""AWS's own library (botocore) signs every request that the `ses` kind sends just as the relay did.

The requests are those of the snapshots, which `cargo test` keeps current.
"""

import datetime
import pathlib
import re
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

snapshot = pathlib.Path(__file__).parents[2] / "src/receiver/kinds/snapshots/ses.snap"
wrong, checked = [], 0

for part in re.split(r"(?m)^# ", snapshot.read_text())[1:]:
    name, request = part.split("\n", 1)
    head, body = request.split("\n{", 1)
    first, *lines = head.split("\n")
    method, url = first.split(" ", 1)
    headers = dict(line.split(": ", 1) for line in lines)
    body = "{" + body.rstrip("\n")
    if "\n" in body:
        continue  # Shown over several lines, not as it is sent.

    moment = datetime.datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: moment
    signed = AWSRequest(method, url, {"Content-Type": headers["Content-Type"]}, body.encode())
    keys = Credentials("aws-access-key-id", "aws-secret-access-key")
    botocore.auth.SigV4Auth(keys, "ses", "eu-west-1").add_auth(signed)
    checked += 1
    if signed.headers["Authorization"] != headers["Authorization"]:
        wrong.append(f"{name}\n  ours:     {headers['Authorization']}\n  botocore: {signed.headers['Authorization']}")

print("\n".join(wrong) or f"{checked} requests are signed as botocore signs them")
sys.exit(1 if wrong or checked < 15 else 0)
