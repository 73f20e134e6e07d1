"""Others at a session: they watch, pause, take over, and are needed."""

import contextlib
import hashlib
import json
import os
import subprocess
import threading

import pytest
import towline
from towline import BIN, until

LANES = ["bastion", "end-to-end"]


@pytest.fixture
def store():
    """One is enough: the desk's own tests see to both."""


@pytest.fixture
def ticket(relay, engineer, endpoint):
    return relay.open_ticket(endpoint.name)


@pytest.fixture
def sue(place, relay):
    """The second engineer."""
    return towline.Engineer(place / "sue", relay, login="sue").log_in()


def running(relay, ticket, lane):
    def found():
        return next(s for s in relay.items(f"/v1/sessions?ticket={ticket}")
                    if s["lane"] == lane and s["state"] in ("consented", "open"))
    return until(found, "the session runs")["id"]


def timeline(relay, ticket):
    return [entry["kind"] for entry in relay.items(f"/v1/tickets/{ticket}/timeline?limit=200")]


class Reader:
    """Gathers what comes from a pipe."""

    def __init__(self, pipe):
        self.bytes = b""
        self.thread = threading.Thread(target=self.run, args=(pipe,), daemon=True)
        self.thread.start()

    def run(self, pipe):
        while piece := os.read(pipe.fileno(), 65536):
            self.bytes += piece

    def has(self, text):
        return until(lambda: text in self.bytes, f"{text!r} comes; there is {self.bytes[-400:]!r}")


class Shell:
    """An engineer's ssh, with a terminal, at which one types."""

    def __init__(self, engineer, lane, target, *argv):
        options = ["-tt"] if not argv else []
        self.process = subprocess.Popen(engineer.ssh_argv(lane, target, *options) + list(argv), bufsize=0,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out = Reader(self.process.stdout)
        self.err = Reader(self.process.stderr)

    def type(self, text):
        self.process.stdin.write(text.encode())

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        return self.process.wait(60)


class Watcher:
    """`towline session watch` or `join` as a running program."""

    def __init__(self, person, *argv):
        self.process = subprocess.Popen(
            [BIN / "towline", "session", *argv], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, "TOWLINE_CONFIG": str(person.directory / "config.yaml")})
        self.out = Reader(self.process.stdout)
        self.err = Reader(self.process.stderr)

    def leave(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def programs():
    """What a test started and did not end."""
    started = []
    yield started.append
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait(60)


def test_a_second_person_watches_live_and_is_seen(relay, engineer, endpoint, ticket, sue, programs):
    for lane in LANES:
        watch(relay, engineer, endpoint, ticket, sue, programs, lane)
    assert timeline(relay, ticket).count("session-watched") == len(LANES)


def watch(relay, engineer, endpoint, ticket, sue, programs, lane):
    shell = Shell(engineer, lane, endpoint.name)
    programs(shell)
    shell.type("echo before-$((6*7))\n")
    shell.out.has(b"before-42")
    session = running(relay, ticket, lane)
    watcher = Watcher(sue, "watch", session)
    programs(watcher)
    watcher.out.has(b"before-42")
    shell.err.has(b"Sue watches this session")
    listed = json.loads(endpoint.command("sessions", "--json").stdout)
    assert listed[0]["watchers"] == [{"login": "sue", "name": "Sue"}]
    shell.type("echo after-$((7*7))\n")
    watcher.out.has(b"after-49")
    watcher.leave()
    shell.err.has(b"Sue no longer watches")
    shell.type("exit\n")
    shell.end()


def test_a_paused_session_loses_no_byte(relay, engineer, endpoint, ticket, sue, programs):
    for lane in LANES:
        pause(relay, engineer, endpoint, ticket, sue, programs, lane)


def pause(relay, engineer, endpoint, ticket, sue, programs, lane):
    size = 2 * 1024 * 1024
    data = os.urandom(size)
    process = subprocess.Popen(engineer.ssh_argv(lane, endpoint.name) + ["cat"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    shell = type("Cat", (), {"process": process})
    programs(shell)
    out, err = Reader(process.stdout), Reader(process.stderr)
    process.stdin.write(data[:1024])
    until(lambda: len(out.bytes) == 1024, "the first bytes come back")
    session = running(relay, ticket, lane)
    sue.towline("session", "pause", session, "--reason", "look")
    err.has(b"sue (look) has paused this session")
    feeder = threading.Thread(target=lambda: (process.stdin.write(data[1024:]), process.stdin.close()), daemon=True)
    feeder.start()
    # The proof that a pause holds: the person here asks the helper, which answers after what came before.
    listed = json.loads(endpoint.command("sessions", "--json").stdout)
    assert listed[0]["held"] == "paused by sue (look)"
    assert relay.get(f"/v1/sessions/{session}").json()["paused"] == "sue (look)"
    assert len(out.bytes) == 1024
    # A person's pause is lifted by a person only.
    endpoint.command("pause", session)
    sue.towline("session", "resume", session)
    err.has(b"The pause of sue (look) is over")
    assert len(out.bytes) == 1024
    endpoint.command("resume", session)
    assert process.wait(120) == 0
    feeder.join(60)
    out.thread.join(60)
    assert hashlib.sha256(out.bytes).digest() == hashlib.sha256(data).digest()
    kinds = timeline(relay, ticket)
    assert {"session-paused", "session-resumed", "session-person"} <= set(kinds)


def test_the_second_engineer_takes_over_and_gives_back(relay, engineer, endpoint, ticket, sue, programs):
    shell = Shell(engineer, "bastion", endpoint.name)
    programs(shell)
    shell.type("echo first-$((6*7))\n")
    shell.out.has(b"first-42")
    session = running(relay, ticket, "bastion")
    joined = Watcher(sue, "join", session, "--take-over")
    programs(joined)
    joined.err.has(b"You type now")
    shell.err.has(b"sue has taken over")
    shell.type("echo dropped-$((1+1))\n")
    joined.process.stdin.write(b"echo second-$((8*8))\n")
    joined.out.has(b"second-64")
    shell.out.has(b"second-64")
    joined.process.stdin.close()
    shell.err.has(b"you type again")
    shell.type("echo mine-$((9*9)); exit\n")
    shell.out.has(b"mine-81")
    shell.end()
    assert b"dropped" not in shell.out.bytes
    assert {"session-joined", "session-taken-over", "session-given-back"} <= set(timeline(relay, ticket))


def test_end_to_end_nobody_else_can_type(relay, engineer, endpoint, ticket, sue, programs):
    shell = Shell(engineer, "end-to-end", endpoint.name)
    programs(shell)
    session = running(relay, ticket, "end-to-end")
    joined = Watcher(sue, "join", session, "--take-over")
    programs(joined)
    assert joined.process.wait(60) != 0
    joined.err.has(b"end to end nobody but the session's engineer can type")
    shell.type("exit\n")
    shell.end()


def guarded(relay, make_endpoint, second):
    """A host whose own policy wants four eyes, and its ticket."""
    policy = towline.Endpoint.default_policy().replace("sessions:\n", f"sessions:\n  second: {second}\n")
    endpoint = make_endpoint(policy=policy)
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    return endpoint, relay.open_ticket(endpoint.name)


def test_under_four_eyes_nothing_runs_before_the_second_joins(relay, engineer, make_endpoint, sue, programs, place):
    endpoint, ticket = guarded(relay, make_endpoint, "pause")
    for lane in LANES:
        four_eyes(relay, engineer, endpoint, ticket, sue, programs, place / f"touched-{lane}", lane)


def four_eyes(relay, engineer, endpoint, ticket, sue, programs, touched, lane):
    shell = Shell(engineer, lane, endpoint.name, f"touch {touched}; cat")
    programs(shell)
    session = running(relay, ticket, lane)
    held = until(lambda: json.loads(endpoint.command("sessions", "--json").stdout)[0]["held"], "it is held")
    assert held == "waiting for a second engineer to join"
    shell.type("early\n")
    # One's own second one is not; nor is who only watches.
    done = engineer.towline("session", "join", session, check=False)
    assert done.returncode != 0 and "own session" in done.stderr
    watcher = Watcher(sue, "watch", session)
    programs(watcher)
    shell_sees = lambda: json.loads(endpoint.command("sessions", "--json").stdout)[0]["watchers"]  # noqa: E731
    until(shell_sees, "the watcher is seen")
    watcher.leave()
    assert not touched.exists()
    joined = Watcher(sue, "join", session)
    programs(joined)
    shell.out.has(b"early\n")
    assert touched.exists()
    # Leaving holds it again.
    joined.leave()
    shell.err.has(b"Sue has left as the second engineer")
    until(lambda: json.loads(endpoint.command("sessions", "--json").stdout)[0]["held"], "it is held again")
    shell.type("late\n")
    back = Watcher(sue, "join", session)
    programs(back)
    shell.out.has(b"early\nlate\n")
    shell.process.stdin.close()
    assert shell.process.wait(60) == 0



def test_where_policy_says_so_the_session_ends_with_its_second(relay, engineer, make_endpoint, sue, programs):
    endpoint, ticket = guarded(relay, make_endpoint, "end")
    shell = Shell(engineer, "bastion", endpoint.name, "echo begun; cat")
    programs(shell)
    joined = Watcher(sue, "join", running(relay, ticket, "bastion"))
    programs(joined)
    shell.out.has(b"begun\n")
    joined.leave()
    assert shell.process.wait(60) != 0
    until(lambda: "the second engineer has left" in json.dumps(relay.items(f"/v1/tickets/{ticket}/timeline?limit=200")),
          "the timeline says why")


def test_the_desk_can_demand_four_eyes_for_a_ticket(place, engineer, relay, make_endpoint, sue, programs):
    endpoint = make_endpoint(name="guarded-host")
    relay.program.stop()
    with open(relay.config, "a", encoding="utf-8") as file:
        file.write("second:\n  for: [guarded-*]\n")
    relay.start()
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    ticket = relay.open_ticket(endpoint.name)
    shell = Shell(engineer, "end-to-end", endpoint.name, "echo begun")
    programs(shell)
    session = running(relay, ticket, "end-to-end")
    assert relay.get(f"/v1/sessions/{session}").json()["four_eyes"] is True
    until(lambda: json.loads(endpoint.command("sessions", "--json").stdout)[0]["held"], "it is held")
    joined = Watcher(sue, "join", session)
    programs(joined)
    shell.out.has(b"begun\n")
    assert shell.process.wait(60) == 0


def test_the_person_at_the_endpoint_sees_holds_and_prolongs_a_session(relay, engineer, make_endpoint, programs):
    policy = towline.Endpoint.default_policy().replace("sessions:\n", "sessions:\n  max_minutes: 2\n  extend_minutes: 3\n")
    endpoint = make_endpoint(policy=policy)
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    ticket = relay.open_ticket(endpoint.name)
    shell = Shell(engineer, "bastion", endpoint.name)
    programs(shell)
    shell.type("echo here-$((6*7))\n")
    shell.out.has(b"here-42")
    session = running(relay, ticket, "bastion")
    shown = json.loads((endpoint.directory / "helper-run" / "sessions.json").read_text())
    assert shown["sessions"][0]["session"] == session
    assert f"Erin is in, ticket {ticket}" in endpoint.command("status").stdout
    before = json.loads(endpoint.command("sessions", "--json").stdout)[0]["ends"]
    endpoint.command("extend", session, "2")
    shell.err.has(b"has extended this session: 3 min from now")
    assert json.loads(endpoint.command("sessions", "--json").stdout)[0]["ends"] > before
    endpoint.command("extend", session, "60")  # one minute more is what policy has left
    assert endpoint.command("extend", session, "1", check=False).returncode == 77
    assert until(lambda: timeline(relay, ticket).count("session-person") == 2, "the timeline has both")
    endpoint.command("stop", session)
    assert shell.end() != 0
    until(lambda: relay.items(f"/v1/sessions?ticket={ticket}")[0]["state"] == "ended", "it has ended")
    until(lambda: not json.loads((endpoint.directory / "helper-run" / "sessions.json").read_text())["sessions"],
          "the indicator is gone")
