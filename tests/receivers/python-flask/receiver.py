"""Verifies X-Webhook-Signature with Python's own hmac, behind Flask."""

import hashlib
import hmac
import json
import os
import sys
import threading

from flask import Flask, request
from werkzeug.serving import make_server

secret = os.environ["WEBHOOK_SECRET"].encode()
app = Flask(__name__)


@app.post("/webhook")
def webhook():
    # request.data is the body as sent; request.json is not what was signed.
    expected = "sha256=" + hmac.new(secret, request.data, hashlib.sha256).hexdigest()
    accepted = hmac.compare_digest(expected, request.headers.get("X-Webhook-Signature", ""))
    report = json.dumps({"accepted": accepted, "sha256": hashlib.sha256(request.data).hexdigest()})
    sys.stdout.write(report + "\n")  # in one call: requests come in several threads
    sys.stdout.flush()
    return ("", 200) if accepted else ("", 401)


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
