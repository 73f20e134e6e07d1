"""A clock that is a day wrong: the agent learns the difference, says so, and goes on."""

import base64
import http.server
import json
import ssl
import threading
import time
import urllib.parse

import pytest
from towline import until

DAY_S = 86400
TOLERANCE_S = 300


def claims_of(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class TomorrowsRelay(http.server.BaseHTTPRequestHandler):
    """Gives out tokens like a relay whose clock is a day ahead; keeps the assertions that it saw."""

    protocol_version = "HTTP/1.1"
    seen = []

    def log_message(self, *_args):
        pass

    def answer(self, status, body, content_type="application/json"):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(503, {"type": "urn:towline:problem:busy", "title": "busy", "status": 503},
                    "application/problem+json")

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if not self.path.endswith("/oauth/token"):
            self.do_GET()
            return
        claims = claims_of(form["client_assertion"][0])
        self.seen.append(claims)
        now = time.time() + DAY_S
        if abs(claims["iat"] - now) <= TOLERANCE_S:
            self.answer(200, {"access_token": "x", "token_type": "Bearer", "expires_in": 600})
            return
        shown = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))
        self.answer(401, {"type": "urn:towline:problem:clock-skew", "title": "clock skew", "status": 401,
                          "detail": "the clocks differ", "relay_time": shown}, "application/problem+json")


@pytest.fixture
def tomorrow(relay, engineer, make_endpoint):
    """An enrolled endpoint whose relay is replaced by one that lives tomorrow, with the same certificate."""
    endpoint = make_endpoint()
    endpoint.start_helper()
    endpoint.enrol()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TomorrowsRelay)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(relay.directory / "server.pem", relay.directory / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    identity = endpoint.directory / "state" / "identity.json"
    fields = json.loads(identity.read_text())
    fields["url"] = f"https://127.0.0.1:{server.server_port}"
    identity.write_text(json.dumps(fields))
    TomorrowsRelay.seen.clear()
    yield endpoint
    server.shutdown()


def test_the_agent_corrects_its_assertions_by_the_relays_time(tomorrow):
    tomorrow.start_agent(connected=False)
    corrected = until(lambda: next(c for c in TomorrowsRelay.seen if c["iat"] > time.time() + DAY_S / 2),
                      "an assertion is made in the relay's time")
    assert corrected["exp"] - corrected["iat"] <= 300


def test_the_difference_is_in_the_status(tomorrow):
    tomorrow.start_agent(connected=False)
    offset = until(lambda: tomorrow.status()["clock_offset_ms"], "the difference is known")
    assert abs(abs(offset) - DAY_S * 1000) < 60_000
    assert "clock" in tomorrow.command("status").stdout
