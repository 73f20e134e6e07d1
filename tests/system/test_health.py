"""How a machine is: the command at the endpoint, and what the relay and the engineer's command show of it."""

import http.server
import json
import re
import ssl
import threading

import pytest
from towline import BIN, run, until


def health(*argv, check=True):
    return run(BIN / "towline-agent", "health", *argv, check=check)


def snapshot(*argv):
    return json.loads(health("--json", *argv).stdout)


def facts_named(facts, name):
    return [fact for fact in facts if fact["name"] == name]


# ---- at the endpoint


def test_a_snapshot_needs_neither_relay_nor_daemon():
    taken = snapshot()
    assert taken["schema"] == 1
    assert {"memory_total", "load_5m", "disk_used_percent", "uptime"} <= {f["name"] for f in taken["facts"]}
    root = [f for f in facts_named(taken["facts"], "disk_used_percent") if f["subject"] == "/"]
    assert root[0]["unit"] == "%" and 0 <= root[0]["value"] <= 100 and root[0]["verdict"]


def test_the_agents_relay_is_looked_at_where_its_state_may_be_read(relay, make_endpoint):
    endpoint = make_endpoint()
    endpoint.enrol()
    identity = endpoint.directory / "state" / "identity.json"
    identity.write_text(identity.read_text().replace("127.0.0.1", "localhost"))
    facts = snapshot("--config", endpoint.config)["facts"]
    assert [f["subject"] for f in facts_named(facts, "dns_resolves")] == ["localhost"]
    assert f"{endpoint.directory}/state/ca.pem" in [f["subject"] for f in facts_named(facts, "certificate_expires")]
    endpoint.config.write_text("nonsense: 1\n")
    assert health("--config", endpoint.config, check=False).returncode == 78


def test_the_table_shows_the_worst_first(place):
    thresholds = place / "health.yaml"
    thresholds.write_text("thresholds:\n  uptime: {warning: 0, critical: 0}\n")
    lines = health("--thresholds", thresholds).stdout.splitlines()
    assert lines[0].startswith("This machine is critical")
    assert re.match(r"critical +Up for ", lines[3]) and "critical from 0 s on" in lines[3]


def test_only_what_is_asked_for_is_taken():
    assert {f["name"] for f in snapshot("--only", "load_*m")["facts"]} <= {
        "load_1m", "load_5m", "load_15m", "load_per_processor_5m"}


def test_a_fact_that_there_is_not_is_no_good_news():
    assert health("--only", "disk_usde*", check=False).returncode == 66
    done = health("--only", "disk_usde*", "--nagios", check=False)
    assert done.returncode == 3 and 'no fact is called "disk_usde*"' in done.stdout


SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\]|\\["\\n])*",?)*\})? (-?[0-9.e+-]+)$')


def test_prometheus_can_read_every_line():
    described, seen = {}, set()
    for line in health("--prometheus").stdout.splitlines():
        if line.startswith("# HELP "):
            assert line.split(" ", 3)[2] not in described, "a family is described once"
            described[line.split(" ", 3)[2]] = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in described and kind in ("gauge", "counter")
            assert (kind == "counter") == name.endswith("_total")
            described[name] = kind
        else:
            name, labels, value = SAMPLE.match(line).groups()
            assert described[name] and (name, labels) not in seen
            seen.add((name, labels))
            float(value)
    assert {"towline_memory_total_bytes", "towline_health_verdict"} <= {name for name, _ in seen}


@pytest.mark.parametrize("limits, status, word", [
    ("{warning: 1e12, critical: 1e12}", 0, "OK"),
    ("{warning: 0, critical: 1e12}", 1, "WARNING"),
    ("{warning: 0, critical: 0}", 2, "CRITICAL"),
])
def test_nagios_gets_one_line_and_the_status_of_the_worst(place, limits, status, word):
    (place / "health.yaml").write_text(f"thresholds:\n  uptime: {limits}\n")
    done = health("--nagios", "--only", "uptime", "--thresholds", place / "health.yaml", check=False)
    assert done.returncode == status
    assert re.fullmatch(rf"TOWLINE {word} - [^|]+ \| 'uptime'=\d+s\n", done.stdout)


def test_nagios_hears_of_wrong_thresholds_as_unknown(place):
    (place / "health.yaml").write_text("thresholds: {uptime: {warning: much}}\n")
    done = health("--nagios", "--thresholds", place / "health.yaml", check=False)
    assert done.returncode == 3 and done.stdout.startswith("TOWLINE UNKNOWN - ")


def test_lint_names_file_and_line(place):
    (place / "health.yaml").write_text("thresholds:\n  disk_used_percent: {warning: 90}\n  disk_full: {}\n")
    done = health("--lint", "--thresholds", place / "health.yaml", check=False)
    assert done.returncode == 78
    assert f"{place}/health.yaml:3: there is no fact \"disk_full\"" in done.stderr
    (place / "health.yaml").write_text("thresholds:\n  disk_used_percent: {warning: 90}\n")
    assert "valid" in health("--lint", "--thresholds", place / "health.yaml").stdout


# ---- at the relay


@pytest.fixture
def endpoint(make_endpoint):
    endpoint = make_endpoint()
    with open(endpoint.config, "a", encoding="utf-8") as file:
        file.write("health:\n  interval: 1s\n")
    endpoint.enrol()
    return endpoint


def told(relay, endpoint):
    answer = relay.get(f"/v1/hosts/{endpoint.name}/health")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_relay_is_told_how_the_host_is(relay, engineer, endpoint):
    assert told(relay, endpoint)["verdict"] is None and told(relay, endpoint)["facts"] == []
    endpoint.start_agent()
    until(lambda: told(relay, endpoint)["facts"], "the relay knows the facts")
    known = told(relay, endpoint)
    assert facts_named(known["facts"], "memory_total")[0]["unit"] == "By"
    assert facts_named(known["facts"], "clock_skew")[0]["verdict"] == "ok"
    assert facts_named(known["facts"], "queue_items")[0]["value"] == 0
    host = next(h for h in relay.items("/v1/hosts") if h["name"] == endpoint.name)
    assert host["health"] == known["verdict"]


def test_the_engineers_command_shows_it(relay, engineer, endpoint):
    endpoint.start_agent()
    until(lambda: told(relay, endpoint)["facts"], "the relay knows the facts")
    listed = engineer.towline("hosts").stdout
    assert "HEALTH" in listed and told(relay, endpoint)["verdict"] in listed
    shown = engineer.towline("host", "show", endpoint.name).stdout
    assert re.search(r"disk_used_percent +/ +[\d.]+ %", shown)
    as_json = json.loads(engineer.towline("host", "show", endpoint.name, "--json").stdout)
    assert as_json["name"] == endpoint.name and as_json["facts"]
    missing = engineer.towline("host", "show", "nobody", check=False)
    assert missing.returncode != 0


def test_a_relay_that_was_restarted_is_told_everything_again(relay, engineer, endpoint):
    endpoint.start_agent()
    before = until(lambda: told(relay, endpoint)["updated"], "the relay knows the facts")
    relay.program.kill()
    relay.start()
    until(lambda: told(relay, endpoint)["updated"] != before, "it is told again")
    assert told(relay, endpoint)["facts"]


# ---- the exchange, with a relay that the test plays


class PlayedRelay(http.server.BaseHTTPRequestHandler):
    """Opens the stream with the shortest heartbeat, and answers heartbeats as the test says."""

    protocol_version = "HTTP/1.1"
    beats, answers, closing = [], [], threading.Event()

    def log_message(self, *_args):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b'event: hello\ndata: {"relay_time":"2026-01-01T00:00:00Z","heartbeat_s":5}\n\n')
        self.wfile.flush()
        self.closing.wait(60)
        self.close_connection = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.endswith("/oauth/token"):
            self.answer(200, {"access_token": "x", "token_type": "Bearer", "expires_in": 600})
            return
        self.beats.append(json.loads(body))
        status, reply = self.answers.pop(0) if self.answers else (204, None)
        self.answer(status, reply)


@pytest.fixture
def played(relay, endpoint):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), PlayedRelay)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(relay.directory / "server.pem", relay.directory / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    identity = endpoint.directory / "state" / "identity.json"
    fields = json.loads(identity.read_text())
    fields["url"] = f"https://127.0.0.1:{server.server_port}"
    identity.write_text(json.dumps(fields))
    PlayedRelay.beats.clear()
    PlayedRelay.answers.clear()
    PlayedRelay.closing.clear()
    yield endpoint
    PlayedRelay.closing.set()
    server.shutdown()


def beat(index):
    return until(lambda: PlayedRelay.beats[index], f"heartbeat {index} comes")


def test_after_the_first_only_what_changed_is_told(relay, played):
    played.start_agent(connected=False)
    first, second = beat(0)["health"], beat(1)["health"]
    assert first["full"] and not second["full"]
    assert second["seq"] == first["seq"] + 1
    assert len(second["facts"]) < len(first["facts"]) / 2


def test_a_heartbeat_that_was_lost_is_followed_by_a_whole_one(relay, played):
    PlayedRelay.answers[:] = [(204, None), (503, {})]
    played.start_agent(connected=False)
    assert [beat(i)["health"]["full"] for i in range(4)] == [True, False, True, False]


def test_a_relay_that_misses_something_is_told_everything(relay, played):
    PlayedRelay.answers[:] = [(204, None), (200, {"health": "full"})]
    played.start_agent(connected=False)
    assert [beat(i)["health"]["full"] for i in range(3)] == [True, False, True]


def test_a_relay_that_knows_no_health_gets_plain_heartbeats(relay, played):
    PlayedRelay.answers[:] = [(400, {})]
    played.start_agent(connected=False)
    assert "health" in beat(0) and "health" not in beat(1) and "health" not in beat(2)


def test_an_interval_of_zero_tells_nothing(relay, played):
    played.config.write_text(played.config.read_text().replace("interval: 1s", "interval: 0s"))
    played.start_agent(connected=False)
    assert "health" not in beat(0)
