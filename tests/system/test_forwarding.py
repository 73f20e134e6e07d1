"""Forwarding with stock OpenSSH, in both lanes: what is allowed passes whole, what is not is refused, all of it
is recorded, and nothing goes round the recording."""

import contextlib
import hashlib
import json
import os
import pathlib
import select
import socket
import subprocess
import tempfile
import threading

import pytest
import towline
from towline import until

LANES = ["bastion", "end-to-end"]


class Service:
    """A TCP service on the loopback: greets, echoes, and ends with the hash of what it got."""

    def __init__(self, greeting=b"hello\n"):
        self.greeting = greeting
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=[self.listening.accept()[0]], daemon=True).start()

    def serve(self, conn):
        digest = hashlib.sha256()
        with conn, contextlib.suppress(OSError):
            conn.sendall(self.greeting)
            while data := conn.recv(65536):
                digest.update(data)
                conn.sendall(data)
            conn.sendall(b"\n" + digest.hexdigest().encode())

    @property
    def place(self):
        return f"127.0.0.1:{self.port}"

    def close(self):
        self.listening.close()


class Scene:
    """A relay, an endpoint that may forward, and an engineer with a ticket."""

    def __init__(self, place, scopes="terminal, exec, files, forwarding, agent", forward=None):
        account = towline.Endpoint.default_policy().split("user: ")[1].split("\n")[0]
        forward = forward or ["127.0.0.1:*", "localhost:*", "listen:localhost:*"]
        self.relay = towline.Relay(place / "relay").start()
        self.engineer = towline.Engineer(place / "engineer", self.relay).log_in()
        self.endpoint = towline.Endpoint(
            place / "host", "web-01", self.relay,
            policy=f"sessions:\n  user: {account}\n  scopes: [{scopes}]\n  forward: {json.dumps(forward)}\n"
                   "  environment: [DEPLOY_*]\nconsent:\n  unattended: true\n")
        self.endpoint.enrol()
        self.endpoint.start_helper().start_agent()
        self.ticket = self.relay.open_ticket("web-01")

    def stop(self):
        self.endpoint.stop()
        self.relay.program.stop()

    def ask(self, *places):
        self.engineer.towline("forward", "web-01", *places)

    def argv(self, lane, *options):
        return self.engineer.ssh_argv(lane, "web-01", *options)

    def ssh(self, lane, *command, options=(), stdin="", timeout=60):
        return self.engineer.ssh(lane, "web-01", *command, options=options, stdin=stdin, timeout=timeout)

    def newest(self, lane):
        return next(s for s in self.relay.items(f"/v1/sessions?ticket={self.ticket}") if s["lane"] == lane)

    def events(self, lane):
        """The recording of the newest session in that lane, once it is there; its chain and seal hold."""
        session = until(lambda: next(s for s in [self.newest(lane)] if s["recording"]), "it is recorded")
        text = self.engineer.towline("session", "get", session["id"]).stdout
        self.engineer.towline("session", "verify", session["id"])
        return [json.loads(line) for line in text.splitlines()]

    def forwards(self, lane, kind="open"):
        return [event for event in self.events(lane) if event.get("k") == kind]


@pytest.fixture(scope="module")
def scene():
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        os.chmod(directory, 0o711)
        scene = Scene(pathlib.Path(directory))
        yield scene
        scene.stop()


@pytest.fixture
def service():
    service = Service()
    yield service
    service.close()


def through(scene, lane, place, data):
    """Bytes to `place` and back through ssh -W."""
    return subprocess.run(scene.argv(lane, "-W", place), input=data, capture_output=True, timeout=60, check=False)


# ---- ssh -W, -L, -D -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("lane", LANES)
def test_an_allowed_connection_passes_whole_and_is_recorded(scene, service, lane):
    scene.ask(service.place)
    data = os.urandom(3 * 1024 * 1024)
    done = through(scene, lane, service.place, data)
    digest = hashlib.sha256(data).hexdigest()
    assert done.stdout == b"hello\n" + data + b"\n" + digest.encode(), done.stderr
    opened = scene.forwards(lane)
    assert [event["what"] for event in opened] == ["direct-tcpip"]
    assert opened[0]["to"] == service.place
    assert opened[0]["from"]
    closed = scene.forwards(lane, "close")
    assert closed[0]["ch"] == opened[0]["ch"]
    assert (closed[0]["in_bytes"], closed[0]["in_sha256"]) == (len(data), digest)
    assert closed[0]["out_bytes"] == len(done.stdout)
    assert closed[0]["seconds"] >= 0


@pytest.mark.parametrize("lane", LANES)
def test_what_nobody_asked_for_is_refused_and_recorded(scene, service, lane):
    scene.ask("127.0.0.1:1")
    done = through(scene, lane, service.place, b"")
    assert done.returncode != 0
    assert b"hello" not in done.stdout
    assert b"administratively prohibited" in done.stderr or b"forwarding failed" in done.stderr
    refused = scene.forwards(lane, "refuse")
    assert (refused[0]["what"], refused[0]["to"]) == ("direct-tcpip", service.place)
    assert refused[0]["why"]


@pytest.mark.parametrize("lane", LANES)
def test_without_asking_nothing_is_forwarded(scene, service, lane):
    scene.ask()
    assert through(scene, lane, service.place, b"").returncode != 0
    assert "forwarding" not in scene.newest(lane)["scopes"]


@pytest.mark.parametrize("lane", LANES)
def test_policy_has_the_last_word(scene, lane):
    """192.0.2.1 is granted, and no place of this machine's policy."""
    scene.ask("192.0.2.1:80")
    done = through(scene, lane, "192.0.2.1:80", b"")
    assert done.returncode != 0
    assert scene.forwards(lane, "refuse")[0]["to"] == "192.0.2.1:80"
    if lane == "end-to-end":
        assert "policy" in scene.forwards(lane, "refuse")[0]["why"]


@contextlib.contextmanager
def local_forward(scene, lane, *options):
    """A client that forwards and runs nothing, until it stands; yields its log."""
    log = scene.engineer.directory / f"forward-{lane}.log"
    with open(log, "wb") as out:
        client = subprocess.Popen(scene.argv(lane, "-v", "-o", "ExitOnForwardFailure=yes", "-N", *options),
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        until(lambda: client.poll() is not None or "Entering interactive session" in log.read_text(), "ssh stands")
        yield log
    finally:
        client.kill()  # on SIGTERM it sometimes waits for the next packet
        client.wait(60)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def connect(port):
    return until(lambda: socket.create_connection(("127.0.0.1", port), 60), "the forwarded port takes connections")


def read_all(conn):
    return b"".join(iter(lambda: conn.recv(65536), b""))


@pytest.mark.parametrize("lane", LANES)
def test_many_connections_share_one_client(scene, service, lane):
    scene.ask(service.place)
    port = free_port()
    with local_forward(scene, lane, "-L", f"{port}:{service.place}"):
        conns = [connect(port) for _ in range(10)]
        for number, conn in enumerate(conns):
            conn.sendall(b"%d" % number)
            conn.shutdown(socket.SHUT_WR)
        for number, conn in enumerate(conns):
            assert read_all(conn).startswith(b"hello\n%d\n" % number)
            conn.close()
    assert len(scene.forwards(lane)) == 10


@pytest.mark.parametrize("lane", LANES)
def test_a_dynamic_forward_reaches_what_is_listed_only(scene, service, lane):
    scene.ask(service.place)
    port = free_port()
    with local_forward(scene, lane, "-D", f"127.0.0.1:{port}"):
        for wanted, first in ((service.port, b"hello\n"), (1, b"")):
            with connect(port) as conn:
                conn.sendall(b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + wanted.to_bytes(2, "big"))  # RFC 1928
                assert conn.recv(2, socket.MSG_WAITALL) == b"\5\0"
                conn.shutdown(socket.SHUT_WR)
                assert read_all(conn)[10:16] == first
    assert [event["to"] for event in scene.forwards(lane)] == [service.place]
    assert [event["to"] for event in scene.forwards(lane, "refuse")] == ["127.0.0.1:1"]


@pytest.mark.parametrize("lane", LANES)
def test_a_slow_reader_holds_the_sender_up_and_loses_nothing(scene, lane):
    blob = os.urandom(12 * 1024 * 1024)
    service = Service(greeting=blob)
    scene.ask(service.place)
    port = free_port()
    with local_forward(scene, lane, "-L", f"{port}:{service.place}"):
        slow, quick = connect(port), connect(port)
        quick.shutdown(socket.SHUT_WR)
        assert read_all(quick)[:len(blob)] == blob  # while the other one does not read
        slow.shutdown(socket.SHUT_WR)
        assert read_all(slow)[:len(blob)] == blob
    service.close()


@pytest.mark.parametrize("lane", LANES)
def test_a_pause_holds_what_is_forwarded_and_loses_nothing(scene, service, lane):
    scene.ask(service.place)
    port = free_port()
    log = scene.engineer.directory / f"paused-{lane}.log"
    with open(log, "wb") as out:
        client = subprocess.Popen([*scene.argv(lane, "-L", f"{port}:{service.place}"), "echo stands; cat"],
                                  stdin=subprocess.PIPE, stdout=out, stderr=out)
    try:
        until(lambda: "stands" in log.read_text(), "the program runs")
        conn = connect(port)
        assert conn.recv(6, socket.MSG_WAITALL) == b"hello\n"
        session = scene.newest(lane)["id"]
        scene.endpoint.command("pause", session)
        until(lambda: "has paused this session" in log.read_text(), "the pause is told")
        conn.sendall(b"held")
        late = connect(port)
        # The person at the host asks the helper, which answers after what came before.
        assert "paused" in json.loads(scene.endpoint.command("sessions", "--json").stdout)[0]["held"]
        assert select.select([conn, late], [], [], 0)[0] == []
        scene.endpoint.command("resume", session)
        assert conn.recv(4, socket.MSG_WAITALL) == b"held"
        assert late.recv(6, socket.MSG_WAITALL) == b"hello\n"
        conn.close()
        late.close()
        client.stdin.close()
        assert client.wait(60) == 0
    finally:
        client.kill()
        client.wait(60)


# ---- ssh -R -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("lane", LANES)
def test_a_remote_forward_leads_back_and_is_recorded(scene, service, lane):
    scene.ask("listen:localhost:*")
    with local_forward(scene, lane, "-R", f"0:{service.place}") as log:
        line = until(lambda: next(row for row in log.read_text().splitlines() if "Allocated port" in row), "it listens")
        port = int(line.split("Allocated port ")[1].split()[0])
        conn = connect(port)
        conn.sendall(b"from the host")
        conn.shutdown(socket.SHUT_WR)
        assert read_all(conn).startswith(b"hello\nfrom the host\n")
    opened = scene.forwards(lane)
    assert [event["what"] for event in opened] == ["listen", "forwarded-tcpip"]
    assert all(event["to"] == f"localhost:{port}" for event in opened)
    assert opened[1]["from"].startswith("127.0.0.1:")
    assert scene.forwards(lane, "close")[0]["out_bytes"] == len(b"from the host")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 60)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("place", ["0.0.0.0:0", "localhost:1"])
def test_listening_elsewhere_is_refused_and_recorded(scene, service, lane, place):
    scene.ask("listen:localhost:7")
    done = scene.ssh(lane, "true", options=["-o", "ExitOnForwardFailure=yes", "-R", f"{place}:{service.place}"])
    assert done.returncode != 0
    assert "remote port forwarding failed" in done.stderr
    assert scene.forwards(lane, "refuse")[0]["what"] == "listen"


@pytest.mark.parametrize("lane", LANES)
def test_a_remote_forward_can_be_taken_back(scene, service, lane):
    scene.ask("listen:localhost:*")
    port = free_port()
    control = scene.engineer.directory / f"back-{lane}"
    mux = ["-o", f"ControlPath={control}"]
    with local_forward(scene, lane, *mux, "-o", "ControlMaster=yes"):
        until(control.exists, "the client takes orders")
        for turn in ("forward", "cancel"):
            subprocess.run(["ssh", *mux, "-O", turn, "-R", f"{port}:{service.place}", "x"], check=True,
                           capture_output=True, timeout=60)
            if turn == "forward":
                conn = connect(port)
                assert conn.recv(6) == b"hello\n"
                conn.close()
        until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) != 0, "nothing listens any more")


# ---- ssh -A -------------------------------------------------------------------------------------------------------

@pytest.fixture
def ssh_agent(scene):
    path = scene.engineer.directory / "agent"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    until(path.exists, "the agent listens")
    env = {**os.environ, "SSH_AUTH_SOCK": str(path)}
    subprocess.run(["ssh-add", "-q", scene.engineer.key], env=env, check=True, capture_output=True)
    yield env
    agent.terminate()
    agent.wait(60)


AGENT_COMMAND = 'ssh-add -l; stat -c "%a %U" "$SSH_AUTH_SOCK" "${SSH_AUTH_SOCK%/*}"; echo "$SSH_AUTH_SOCK"'


@pytest.mark.parametrize("lane", LANES)
def test_an_allowed_agent_signs_on_the_host_and_is_recorded(scene, ssh_agent, lane):
    scene.ask("--agent")
    done = subprocess.run(scene.argv(lane, "-A") + [AGENT_COMMAND], env=ssh_agent, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert "(ED25519)" in lines[0], done.stderr
    assert [line.split()[0] for line in lines[1:3]] == ["600", "700"]
    assert [event["what"] for event in scene.forwards(lane)] == ["exec", "agent"]
    until(lambda: not os.path.exists(os.path.dirname(lines[3])), "the socket's directory is gone")


@pytest.mark.parametrize("lane", LANES)
def test_an_agent_that_was_not_asked_for_is_refused_aloud(scene, ssh_agent, lane):
    scene.ask()
    done = subprocess.run(scene.argv(lane, "-A") + ['echo "[$SSH_AUTH_SOCK]"'], env=ssh_agent, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.stdout == "[]\n"
    assert "ssh-agent is not forwarded" in done.stderr
    assert any("ssh-agent is not forwarded" in str(event.get("text", "") + event.get("d", ""))
               for event in scene.events(lane))


# ---- nothing goes round the recording -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def own_sshd(scene):
    """The endpoint's own sshd, which the engineer's key may log in to."""
    directory = scene.engineer.directory / "sshd"
    directory.mkdir()
    port = free_port()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "host"], check=True)
    (directory / "authorized").write_text(scene.engineer.key.with_suffix(".pub").read_text())
    (directory / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n")
    os.makedirs("/run/sshd", exist_ok=True)
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", directory / "config"], stderr=subprocess.DEVNULL)
    until(lambda: socket.create_connection(("127.0.0.1", port), 5).close() or True, "sshd listens")
    yield port
    sshd.terminate()
    sshd.wait(60)


def log_in_through(scene, lane, port):
    """A shell command in the sshd behind the endpoint, as `ssh -J` through the host does."""
    jump = ["-J", "web-01@relay"] if lane == "bastion" else ["-J", "relay,web-01"]
    return subprocess.run(
        ["ssh", "-F", str(scene.engineer.write_ssh_config()), *jump, "-o", "StrictHostKeyChecking=no", "-o",
         "UserKnownHostsFile=/dev/null", "-o", f"IdentityFile={scene.engineer.key}", "-p", str(port), "127.0.0.1",
         "echo inside"], text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


@pytest.mark.skipif(not os.path.exists("/usr/sbin/sshd") or os.getuid() != 0, reason="needs sshd and root")
@pytest.mark.parametrize("lane", LANES)
def test_a_jump_through_a_host_to_its_own_sshd_is_refused_or_recorded(scene, own_sshd, lane):
    scene.ask("127.0.0.1:1")
    done = log_in_through(scene, lane, own_sshd)
    assert (done.stdout, done.returncode) == ("", 255)
    assert scene.forwards(lane, "refuse")[0]["to"] == f"127.0.0.1:{own_sshd}"
    scene.ask(f"127.0.0.1:{own_sshd}")
    done = log_in_through(scene, lane, own_sshd)
    assert done.stdout == "inside\n", done.stderr
    opened = scene.forwards(lane)
    assert [(event["what"], event["to"]) for event in opened] == [("direct-tcpip", f"127.0.0.1:{own_sshd}")]
    assert scene.forwards(lane, "close")[0]["out_bytes"] > 0


@pytest.mark.parametrize("lane", LANES)
def test_every_program_of_a_shared_connection_is_recorded(scene, lane):
    scene.ask()
    control = scene.engineer.directory / f"shared-{lane}"
    mux = ["-o", f"ControlPath={control}"]
    with local_forward(scene, lane, *mux, "-o", "ControlMaster=yes"):
        until(control.exists, "the client takes orders")
        for word in ("first", "second"):
            done = subprocess.run(["ssh", *mux, "x", f"echo {word}; exit 3"], text=True, capture_output=True,
                                  stdin=subprocess.DEVNULL, timeout=60, check=False)
            assert (done.stdout, done.returncode) == (word + "\n", 3), done.stderr
        done = subprocess.run(["ssh", *mux, "-tt", "x"], input="echo th''ird; exit\n", text=True, capture_output=True,
                              timeout=60, check=False)
        assert "third" in done.stdout
    events = scene.events(lane)
    assert [event["what"] for event in events if event.get("k") == "open"] == ["exec", "exec", "shell"]
    text = "".join(event["d"] for event in events if event.get("k") == "o")
    assert all(word in text for word in ("first", "second", "third"))
    assert [event["status"] for event in events if event.get("k") == "x"][:2] == [3, 3]


@pytest.mark.skipif(not os.path.exists("/usr/lib/openssh/sftp-server"), reason="needs sftp-server")
@pytest.mark.parametrize("lane", LANES)
def test_sftp_inside_a_command_is_recorded_as_that_command(scene, place, lane):
    scene.ask()
    (place / "secret").write_bytes(b"x" * 100000)
    config = scene.engineer.write_ssh_config()
    target = ["-o", "User=web-01", "relay"] if lane == "bastion" else ["-J", "relay", "web-01"]
    done = subprocess.run(
        ["sftp", "-q", "-F", config, "-b", "-", "-s", "/usr/lib/openssh/sftp-server", *target],
        input=f"get {place}/secret {place}/copy\n", text=True, capture_output=True, timeout=60, check=False)
    assert (place / "copy").read_bytes() == b"x" * 100000, done.stderr
    opened = scene.forwards(lane)
    assert [(event["what"], event["command"]) for event in opened] == [("exec", "/usr/lib/openssh/sftp-server")]
    assert scene.forwards(lane, "close")[0]["out_bytes"] > 100000


@pytest.mark.parametrize("lane", LANES)
def test_unix_sockets_are_refused_and_recorded(scene, lane):
    scene.ask("*:*")
    port = free_port()
    with local_forward(scene, lane, "-L", f"{port}:/run/dbus/system_bus_socket"):
        with connect(port) as conn:
            assert read_all(conn) == b""
        if lane == "bastion":  # which has begun no session by then
            return
    assert any("Unix sockets" in event.get("text", "") for event in scene.events(lane))


# ---- requests of a session ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("lane", LANES)
def test_x11_is_refused_aloud_and_recorded(scene, lane):
    scene.ask()
    done = subprocess.run(scene.argv(lane, "-X", "-o", "LogLevel=INFO") + ["echo here"], text=True, capture_output=True,
                          env={**os.environ, "DISPLAY": "127.0.0.1:99"}, stdin=subprocess.DEVNULL, timeout=60,
                          check=False)
    assert done.stdout == "here\n"
    assert "X11 is not forwarded" in done.stderr
    assert any("X11 is not forwarded" in event.get("text", "") for event in scene.events(lane))


@pytest.mark.parametrize("lane", LANES)
def test_only_the_allowed_environment_arrives(scene, lane):
    scene.ask()
    sent = {"LC_MINE": "a", "DEPLOY_TARGET": "b", "SECRET_SETTING": "c", "LD_PRELOAD_X": "d"}
    setting = [option for name, value in sent.items() for option in ("-o", f"SendEnv={name}")]
    done = subprocess.run(scene.argv(lane, *setting) + ["env"], env={**os.environ, **sent}, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert {"LC_MINE=a", "DEPLOY_TARGET=b"} <= set(done.stdout.splitlines())
    assert "SECRET_SETTING" not in done.stdout
    assert "LD_PRELOAD_X" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("options", [["-f"], ["-n"]])
def test_a_client_in_the_background_ends_with_its_program(scene, place, lane, options):
    scene.ask()
    subprocess.run(scene.argv(lane, *options) + [f"echo done > {place}/mark"], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, timeout=60, check=True)
    until(lambda: (place / "mark").read_text() == "done\n", "the program has run")


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(("options", "terminal"), [([], "no"), (["-t"], "no"), (["-tt"], "yes")])
def test_a_terminal_is_there_where_it_is_asked_for(scene, lane, options, terminal):
    """-t asks for one only where the client has one itself."""
    scene.ask()
    done = scene.ssh(lane, "test -t 0 && echo yes || echo no", options=options)
    assert done.stdout.strip() == terminal, done.stderr
