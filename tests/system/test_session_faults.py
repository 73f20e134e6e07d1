"""kill -9 of every part in every phase of a session, and the link cut: it ends as documented, nobody waits for
ever, no process of it stays, and the desk tells the truth."""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest
import towline
from cutter import Cutter
from towline import until

OVER = ("ended", "refused")
RESTARTED = "the relay was restarted and the connection was lost"


@pytest.fixture
def cutter():
    cutter = Cutter()
    yield cutter
    cutter.close()


@pytest.fixture
def relay(place, cutter):
    relay = towline.Relay(place / "relay", settings="limits:\n  grant_life: 10s\n").start()
    cutter.target = lambda: relay.ports["https_port"]
    relay.read_ports()
    yield relay
    relay.program.stop()


@pytest.fixture
def make_host(relay, cutter, engineer, make_endpoint):
    def make(**kwargs):
        endpoint = make_endpoint(**kwargs)
        endpoint.enrol(relay.command("enrol-token", "create", "--url", f"https://127.0.0.1:{cutter.port}").stdout)
        endpoint.start_agent()
        relay.open_ticket(endpoint.name)
        return endpoint
    return make


def children(pid):
    with contextlib.suppress(OSError):
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def with_argument(text):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and text.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


class Scene:
    """A relay, a host and an engineer, in whose sessions something dies."""

    def __init__(self, place, relay, cutter, engineer, host):
        self.relay, self.cutter, self.engineer, self.host = relay, cutter, engineer, host
        self.mark = place / "mark"  # an argument of what runs in the session
        self.mark.touch()
        self.ssh = None
        self.argv = {lane: engineer.ssh_argv(lane, host.name) for lane in ("bastion", "end-to-end")}

    def sessions(self):
        """The processes towline-session of this host."""
        return children(self.host.agent.process.pid)

    def newest(self):
        return self.relay.items("/v1/sessions")[0]

    # ---- phases: each returns when the session is in it

    def start(self, lane, command):
        self.ssh = subprocess.Popen([*self.argv[lane], command], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def requested(self, lane):
        self.host.agent.process.send_signal(signal.SIGSTOP)
        before = len(self.relay.items("/v1/sessions"))
        self.start(lane, "true")
        until(lambda: len(self.relay.items("/v1/sessions")) > before, "a session is asked for")

    def dialling(self, lane):
        self.cutter.silent = True
        self.start(lane, "true")
        until(self.sessions, "towline-session calls")

    def kex(self, _):
        """The engineer's client has the host's version line and says nothing."""
        argv = self.engineer.ssh_argv("bastion", "unused", "-W", f"{self.host.name}:22")
        self.ssh = subprocess.Popen([a for a in argv if a not in ("-l", "unused")], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.ssh.stdout.readline().startswith(b"SSH-2.0-"), self.ssh.stderr.read()

    def idle(self, lane):
        self.start(lane, f"echo begun; exec tail -f {self.mark}")
        assert self.ssh.stdout.readline() == b"begun\n", self.ssh.stderr.read()

    def bulk(self, lane):
        self.start(lane, f"tail -f {self.mark} & exec cat /dev/zero")
        assert len(self.ssh.stdout.read(1 << 20)) == 1 << 20
        # The reader stops: what is on its way fills every buffer.

    def ending(self, lane):
        self.idle(lane)
        self.ssh.send_signal(signal.SIGTERM)

    # ---- faults

    def kill(self, victim):
        getattr(self, f"kill_{victim}")()

    def kill_agent(self):
        self.host.agent.kill()

    def kill_helper(self):
        self.host.helper.kill()

    def kill_session(self):
        for pid in self.sessions():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def kill_relay(self):
        self.relay.program.kill()

    # ---- what must hold afterwards

    def ssh_ends(self):
        """Whatever has become of the other side; returns its status."""
        self.ssh.communicate(timeout=60)
        return self.ssh.returncode

    def recover(self):
        """What died is started again, as its service manager does."""
        self.cutter.silent = False
        if not self.relay.program.running():
            self.relay.start()
        if not self.host.helper.running():
            self.host.start_helper()
        if self.host.agent.running():
            self.host.agent.process.send_signal(signal.SIGCONT)
        else:
            self.host.start_agent(connected=False)
        until(lambda: self.host.connected(), "the host is back")

    def nothing_is_left(self):
        until(lambda: not self.sessions(), "towline-session has ended")
        until(lambda: not with_argument(str(self.mark)), "what ran in the session has ended")
        until(lambda: all(s["state"] in OVER for s in self.relay.items("/v1/sessions")), "all are over on the desk")
        assert all(s["reason"] for s in self.relay.items("/v1/sessions") if s["decision"] != "no")

    def told(self):
        number = self.newest()["ticket"]
        kinds = [entry["kind"] for entry in self.relay.items(f"/v1/tickets/{number}/timeline")]
        return kinds


@pytest.fixture
def scene(place, relay, cutter, engineer, make_host):
    scene = Scene(place, relay, cutter, engineer, make_host())
    yield scene
    if scene.ssh:
        scene.ssh.kill()
        scene.ssh.wait()


LANES = {"agent": "end-to-end", "helper": "bastion", "session": "end-to-end", "relay": "bastion"}


@pytest.mark.parametrize("phase", ["requested", "dialling", "kex", "idle", "bulk", "ending"])
def test_whatever_is_killed_the_session_ends(scene, phase):
    for victim, lane in LANES.items():
        getattr(scene, phase)(lane)
        scene.kill(victim)
        if phase == "requested" and victim != "relay":
            scene.recover()  # the next agent takes the request up
        status = scene.ssh_ends()
        # What was not begun may have been taken up again by who was started anew; `ssh -W` tells no status.
        assert status != 0 or phase in ("requested", "dialling", "kex"), (phase, victim)
        if (phase, victim) == ("dialling", "agent"):
            assert "expired" in scene.newest()["reason"]  # nobody else could tell the engineer
        scene.recover()
        scene.nothing_is_left()
        assert scene.told().count("session-ended") + scene.told().count("session-decided") > 0
        if victim == "relay" and phase in ("idle", "bulk"):
            assert scene.newest()["reason"] == RESTARTED


@pytest.mark.parametrize("victim", ["agent", "helper", "relay"])
def test_a_question_that_nobody_can_answer_any_more_is_withdrawn(place, relay, cutter, engineer, make_host, victim):
    scene = Scene(place, relay, cutter, engineer, make_host(consent="ask", policy=towline.Endpoint.default_policy()
                                                            .replace("unattended: true", "unattended: false")))
    scene.start("bastion", "true")
    until(lambda: "asking" in scene.host.command("status", "--json").stdout, "the person is asked")
    scene.kill(victim)
    if victim == "agent":
        scene.recover()
    assert scene.ssh_ends() != 0
    scene.recover()
    scene.nothing_is_left()


def test_sessions_that_die_leave_nothing_open_at_the_relay(scene):
    def descriptors():
        return len(list(pathlib.Path(f"/proc/{scene.relay.program.process.pid}/fd").iterdir()))

    def batch(size):
        clients = []
        for index in range(size):
            scene.start("bastion" if index % 2 else "end-to-end", f"echo begun; exec tail -f {scene.mark}")
            clients.append(scene.ssh)
        for client in clients:
            assert client.stdout.readline() == b"begun\n", client.stderr.read()
        scene.kill_session()
        for client in clients:
            client.communicate(timeout=60)
        scene.nothing_is_left()

    batch(5)  # connections to the store and what else is opened once
    before = descriptors()
    for _ in range(9):
        batch(5)
    until(lambda: descriptors() <= before, "as many descriptors are open as before")
