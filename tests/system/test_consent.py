"""Consent by a person at a real terminal: what it shows, what it enforces, and who may give it."""

import contextlib
import getpass
import json
import os
import pty
import subprocess
import threading

import pytest
from towline import BIN, until

LANES = ["bastion", "end-to-end"]
SUMMARY = "The printer eats pages"
SCOPE_QUESTIONS = {"terminal": "Allow a terminal?", "exec": "Allow single commands?", "files": "Allow file transfer?"}


class Person:
    """`towline-agent consent` on a terminal of its own, and who sits before it."""

    def __init__(self, endpoint, *options):
        self.seen = ""
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [BIN / "towline-agent", "consent", *options, "--config", endpoint.config],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.reads("Waiting for requests")

    def read(self):
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while data := os.read(self.master, 4096):
                self.seen += data.decode(errors="replace").replace("\r\n", "\n")

    def reads(self, text):
        until(lambda: text in self.seen, f"\"{text}\" is on the terminal, which has: {self.seen}")

    def types(self, line):
        os.write(self.master, (line + "\n").encode())

    def answers(self, **scopes):
        for scope, answer in scopes.items():
            self.reads(SCOPE_QUESTIONS[scope])
            self.types(answer)

    def forgets(self):
        self.seen = ""

    def leaves(self):
        self.process.terminate()
        self.process.wait(60)
        self.reader.join(60)
        os.close(self.master)


def make_policy(rest="", scopes="terminal, exec"):
    return f"sessions:\n  user: {getpass.getuser()}\n  scopes: [{scopes}]\nconsent:\n  timeout: 5m\n{rest}"


@pytest.fixture
def asking(relay, engineer, make_endpoint):
    """Makes an endpoint whose sessions a person decides about, with an open ticket."""
    def make(policy=None):
        endpoint = make_endpoint(consent="ask", policy=policy or make_policy())
        endpoint.enrol()
        endpoint.start_helper().start_agent()
        relay.open_ticket(endpoint.name, SUMMARY)
        return endpoint
    return make


@pytest.fixture
def sit():
    people = []

    def make(endpoint, *options):
        people.append(Person(endpoint, *options))
        return people[-1]

    yield make
    for person in people:
        person.leaves()


def connect(engineer, lane, endpoint, *command, options=()):
    return subprocess.Popen(engineer.ssh_argv(lane, endpoint.name, *options) + list(command),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def session_children(endpoint):
    return subprocess.run(["pgrep", "-P", str(endpoint.agent.process.pid), "-x", "towline-session"],
                          capture_output=True, check=False).stdout


@pytest.mark.parametrize("lane", LANES)
def test_the_terminal_says_who_why_what_and_how_long(relay, engineer, asking, sit, lane):
    endpoint = asking()
    person = sit(endpoint)
    ticket = relay.items("/v1/tickets?state=open")[0]["number"]
    running = connect(engineer, lane, endpoint, "true")
    person.answers(terminal="n", exec="n")
    running.communicate(timeout=60)
    rows = dict(line.split(None, 1) for line in person.seen.splitlines() if line.startswith("  "))
    assert (rows["who"], rows["account"], rows["ticket"]) == ("Erin", "erin", ticket)
    assert (rows["why"], rows["lane"], rows["wants"]) == (SUMMARY, lane, "terminal, exec")
    assert "  how long at most 240 min" in person.seen


@pytest.mark.parametrize("lane", LANES)
def test_nothing_passes_before_the_yes(relay, engineer, asking, sit, place, lane):
    endpoint = asking()
    person = sit(endpoint)
    running = connect(engineer, lane, endpoint, f"touch {place}/touched; echo done")
    person.reads(SCOPE_QUESTIONS["terminal"])
    assert running.poll() is None
    assert not (place / "touched").exists()
    assert session_children(endpoint) == b""
    assert relay.items("/v1/sessions")[0]["state"] == "requested"
    person.answers(terminal="y")
    person.reads(SCOPE_QUESTIONS["exec"])
    assert session_children(endpoint) == b""
    assert not (place / "touched").exists()
    person.types("y")
    assert running.communicate(timeout=60)[0] == "done\n"
    assert (place / "touched").exists()
    person.reads("The session has ended")
    session = relay.items("/v1/sessions")[0]
    assert (session["decision"], session["scopes"]) == ("yes", ["terminal", "exec"])


@pytest.mark.parametrize("lane", LANES)
def test_a_no_to_everything_refuses_the_session(relay, engineer, asking, sit, place, lane):
    endpoint = asking()
    person = sit(endpoint)
    running = connect(engineer, lane, endpoint, f"touch {place}/touched")
    person.answers(terminal="n", exec="")
    person.reads("Refused.")
    _, said = running.communicate(timeout=60)
    assert running.returncode == 255
    assert said.strip()
    assert not (place / "touched").exists()
    session = relay.items("/v1/sessions")[0]
    assert (session["state"], session["decision"]) == ("refused", "no")


@pytest.mark.parametrize("lane", LANES)
def test_a_scope_refused_alone_is_enforced(relay, engineer, asking, sit, place, lane):
    endpoint = asking()
    person = sit(endpoint, "--watch")
    command = connect(engineer, lane, endpoint, f"touch {place}/touched")
    person.answers(terminal="y", exec="n")
    _, said = command.communicate(timeout=60)
    assert command.returncode != 0
    assert "consent does not cover commands" in said
    assert not (place / "touched").exists()
    person.reads("The session has ended")
    person.forgets()
    shell = connect(engineer, lane, endpoint, options=["-tt"])
    person.answers(terminal="y", exec="n")
    said, _ = shell.communicate("echo mark-$((6*7)); exit 3\n", timeout=60)
    assert "mark-42" in said
    assert shell.returncode == 3
    assert all(session["scopes"] == ["terminal"] for session in relay.items("/v1/sessions"))


@pytest.mark.parametrize("lane", LANES)
def test_a_terminal_refused_alone_is_enforced(engineer, asking, sit, lane):
    endpoint = asking()
    person = sit(endpoint, "--watch")
    shell = connect(engineer, lane, endpoint, options=["-tt"])
    person.answers(terminal="n", exec="y")
    said, _ = shell.communicate("echo mark-$((6*7)); exit\n", timeout=60)
    assert "mark-42" not in said
    assert shell.returncode != 0


@pytest.mark.parametrize("lane", LANES)
def test_files_refused_alone_stay(engineer, asking, sit, place, lane):
    endpoint = asking(make_policy(scopes="terminal, exec, files"))
    person = sit(endpoint, "--watch")
    (place / "up").write_text("x")
    options = ["-F", str(engineer.write_ssh_config())]
    host, options = ("relay", [*options, "-o", f"User={endpoint.name}"]) if lane == "bastion" else (
        endpoint.name, [*options, "-J", "relay"])
    for answer, code in [("n", 1), ("y", 0)]:
        copy = subprocess.Popen(["scp", "-q", *options, place / "up", f"{host}:{place}/there"], stdin=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        person.answers(terminal="n", exec="y", files=answer)
        _, said = copy.communicate(timeout=60)
        assert (copy.returncode == 0) == (code == 0), said
        assert (place / "there").exists() == (code == 0)
        person.reads("The session has ended")
        person.forgets()


@pytest.mark.parametrize("lane", LANES)
def test_nobody_answering_in_time_refuses_the_session(relay, engineer, asking, sit, place, lane):
    endpoint = asking(make_policy().replace("5m", "1s"))
    person = sit(endpoint)
    running = connect(engineer, lane, endpoint, f"touch {place}/touched")
    person.reads(SCOPE_QUESTIONS["terminal"])
    _, said = running.communicate(timeout=60)
    assert running.returncode == 255
    assert "nobody answered in time" in said
    session = relay.items("/v1/sessions")[0]
    assert (session["state"], session["decision"]) == ("refused", "timeout")
    person.answers(terminal="y", exec="y")
    person.reads("The answer did not count")
    assert not (place / "touched").exists()


def test_stop_on_the_terminal_ends_the_session(relay, engineer, asking, sit):
    endpoint = asking()
    person = sit(endpoint)
    running = connect(engineer, "bastion", endpoint, "echo begun; exec tail -f /dev/null")
    person.answers(terminal="y", exec="y")
    person.reads("A remote session is open: Erin")
    assert running.stdout.readline() == "begun\n"
    person.types("stop")
    running.communicate(timeout=60)
    assert running.returncode != 0
    person.reads("stopped it")
    until(lambda: relay.items("/v1/sessions")[0]["state"] == "ended", "the desk knows that it ended")


def waiting_session(endpoint):
    def first():
        return json.loads(endpoint.command("sessions", "--json").stdout)[0]["session"]
    return until(first, "the helper asks")


def answer_as(user, endpoint, session):
    """`consent --answer yes` by another account of this machine."""
    argv = ["setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups", BIN / "towline-agent", "consent",
            "--answer", "yes", session, "--config", endpoint.config]
    return subprocess.run(argv, text=True, capture_output=True, timeout=60, check=False)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another account")
@pytest.mark.parametrize(("ask", "stranger"), [("", "nobody"), ("  ask: [daemon]\n", "nobody")])
def test_an_account_that_may_not_decide_is_refused(relay, engineer, asking, place, ask, stranger):
    endpoint = asking(make_policy(ask))
    os.chmod(place, 0o711)
    running = connect(engineer, "bastion", endpoint, f"touch {place}/touched")
    session = waiting_session(endpoint)
    done = answer_as(stranger, endpoint, session)
    if "ermission denied" in done.stderr and "consent.ask" not in done.stderr:
        running.kill()
        pytest.skip(f"{stranger} cannot run the programs here: {done.stderr}")
    assert done.returncode != 0
    assert "consent.ask" in done.stderr
    assert relay.items("/v1/sessions")[0]["state"] == "requested"
    if ask:
        assert endpoint.command("consent", "--answer", "yes", session, check=False).returncode != 0
        assert not (place / "touched").exists()
        assert answer_as("daemon", endpoint, session).returncode == 0
    else:
        assert not (place / "touched").exists()
        endpoint.command("consent", "--answer", "yes", session)
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert (place / "touched").exists()
