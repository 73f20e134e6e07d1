"""The network breaks while a session runs: the session goes on, and neither side of SSH notices."""

import hashlib
import os
import pathlib
import subprocess

import pytest
import towline
from cutter import Cutter
from towline import until

LANES = ["bastion", "end-to-end"]
BULK = 20 * 1024 * 1024
GONE_ON = "a session goes on"


@pytest.fixture
def cutter():
    cutter = Cutter()
    yield cutter
    cutter.close()


@pytest.fixture
def settings():
    return ""


@pytest.fixture
def relay(place, cutter, settings):
    relay = towline.Relay(place / "relay", settings=settings).start()
    cutter.target = lambda: relay.read_ports()["https_port"]
    yield relay
    relay.program.stop()


@pytest.fixture
def far(relay, cutter, engineer, make_endpoint):
    """A host on the far side of the cutter, with a ticket."""
    endpoint = make_endpoint()
    endpoint.enrol(relay.command("enrol-token", "create", "--url", f"https://127.0.0.1:{cutter.port}").stdout)
    endpoint.start_agent()
    relay.open_ticket(endpoint.name)
    return endpoint


def session_pid(endpoint):
    """The process that serves the session, once it runs."""
    task = pathlib.Path(f"/proc/{endpoint.agent.process.pid}/task/{endpoint.agent.process.pid}/children")
    return until(lambda: int(task.read_text().split()[0]), "towline-session runs")


def call_home(cutter, endpoint):
    pid = session_pid(endpoint)
    return until(lambda: cutter.of(pid)[0], "towline-session has called home")


class Talk:
    """`cat` on the host, over ssh: what is said comes back."""

    def __init__(self, engineer, endpoint, lane):
        self.ssh = subprocess.Popen(engineer.ssh_argv(lane, endpoint.name) + ["cat"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def says(self, text):
        self.ssh.stdin.write(text.encode() + b"\n")
        self.ssh.stdin.flush()
        return self.ssh.stdout.readline().decode().strip() == text

    def end(self):
        self.ssh.stdin.close()
        return self.ssh.wait(60)


@pytest.fixture
def talk(engineer):
    talks = []

    def start(endpoint, lane):
        talks.append(Talk(engineer, endpoint, lane))
        assert talks[-1].says("begun"), talks[-1].ssh.stderr.read()
        return talks[-1]

    yield start
    for one in talks:
        one.ssh.kill()
        one.ssh.wait()


def resumptions(relay):
    return relay.program.text().count(GONE_ON)


@pytest.mark.parametrize("lane", LANES)
def test_an_idle_session_goes_on_after_each_cut(relay, cutter, far, talk, lane):
    line = talk(far, lane)
    for count in (1, 2, 3):
        cutter.cut()
        assert line.says(f"after cut {count}")
        assert resumptions(relay) == count
    assert line.end() == 0
    kinds = [entry["kind"] for entry in relay.items("/v1/tickets/T-1001/timeline")]
    assert kinds.count("session-resumed") == 3
    until(lambda: relay.items("/v1/sessions")[0]["state"] == "ended", "the end is on the desk")


@pytest.mark.parametrize("lane", LANES)
def test_bulk_in_both_directions_is_whole_after_cuts(relay, cutter, engineer, far, lane):
    data = os.urandom(BULK)
    ssh = subprocess.Popen(engineer.ssh_argv(lane, far.name) + ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    link = call_home(cutter, far)
    cutter.armed = [3_000_000, 5_000_001, 123_457]
    link.cut_at = 4_000_000
    out, _ = ssh.communicate(data, timeout=120)
    assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest()
    assert ssh.returncode == 0
    assert cutter.cuts >= 3
    assert resumptions(relay) >= 3


def test_a_cut_during_login_is_not_seen(relay, cutter, engineer, far):
    """Wherever the connection breaks: before the version line, in the key exchange, in the login. What breaks
    before the relay has answered the call is no stream yet, and ends with a sentence."""
    for index, size in enumerate(range(2200, 5800, 300)):
        lane = LANES[index % 2]
        cutter.armed = [size] * 3
        done = engineer.ssh(lane, far.name, "echo in")
        assert done.stdout == "in\n" or (done.returncode == 255 and done.stderr), (size, done)
        cutter.armed = []
        until(lambda: not far.status()["sessions"], "the session has ended at the host")
    assert resumptions(relay) >= 4


@pytest.mark.parametrize("lane", LANES)
def test_a_cut_while_it_is_taken_up_again_is_taken_up_again(relay, cutter, far, talk, lane):
    line = talk(far, lane)
    # The calls that follow break in TLS, in the answer, behind it.
    cutter.armed = [100, 500, 900, 1200, 1400, 1600, 1700]
    cutter.cut()
    assert line.says("still there")
    assert cutter.cuts >= 2  # some of them are the agent's own
    assert line.says("and there")
    assert line.end() == 0


def test_a_link_that_is_dead_without_a_word_is_left(relay, cutter, far, talk):
    line = talk(far, "end-to-end")
    call_home(cutter, far).frozen.set()
    assert line.says("through another one")
    assert resumptions(relay) == 1
    assert line.end() == 0


class TestAShortWait:
    @pytest.fixture
    def settings(self):
        return "limits:\n  resume: 2s\n"

    @pytest.mark.parametrize("lane", LANES)
    def test_who_does_not_come_back_in_time_is_let_go(self, relay, cutter, far, talk, lane):
        line = talk(far, lane)
        pid = session_pid(far)
        cutter.shut()
        assert line.ssh.wait(30) != 0
        session = until(lambda: [s for s in relay.items("/v1/sessions") if s["state"] == "ended"], "it has ended")[0]
        assert session["reason"] == "the connection to the endpoint was lost and did not come back within 2 s"
        until(lambda: "the connection to the relay was lost and did not come back within 2 s" in far.agent.text(),
              "the host has said so")
        # In the end-to-end lane it tries for some more time to send the recording.
        if lane == "bastion":
            until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "towline-session has ended")


class TestWithoutAWait:
    @pytest.fixture
    def settings(self):
        return "limits:\n  resume: 0s\n"

    def test_a_plain_stream_ends_with_its_connection(self, relay, cutter, far, talk):
        line = talk(far, "bastion")
        cutter.cut()
        assert line.ssh.wait(30) != 0
        assert resumptions(relay) == 0


def test_a_stop_reaches_a_session_that_is_away(relay, cutter, engineer, far, talk):
    line = talk(far, "end-to-end")
    cutter.shut()
    session = relay.items("/v1/sessions")[0]["id"]
    far.command("stop", session)
    engineer.towline("session", "stop", session)
    assert line.ssh.wait(30) != 0
    cutter.open()
    until(lambda: relay.items("/v1/sessions")[0]["state"] == "ended", "it has ended on the desk")
    until(lambda: not far.status()["sessions"], "and at the host")


def test_through_an_http_proxy_too(place, relay, cutter, engineer, make_endpoint, talk):
    config = place / "tinyproxy.conf"
    with towline.socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config.write_text(f"Port {port}\nListen 127.0.0.1\nMaxClients 50\nTimeout 600\n")

    def start_proxy():
        program = towline.Program(place / "tinyproxy.out", "tinyproxy", "-d", "-c", config)
        until(lambda: towline.socket.create_connection(("127.0.0.1", port), 5).close() is None, "the proxy listens")
        return program

    proxy = start_proxy()
    try:
        endpoint = make_endpoint()
        endpoint.env = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), f"http://127.0.0.1:{port}") | {"NO_PROXY": ""}
        endpoint.enrol()
        endpoint.start_agent()
        relay.open_ticket(endpoint.name)
        line = talk(endpoint, "end-to-end")
        proxy.kill()
        proxy = start_proxy()
        assert line.says("through the new proxy")
        assert resumptions(relay) == 1
        assert line.end() == 0
    finally:
        proxy.stop()
