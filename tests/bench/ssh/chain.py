"""What the benchmarks of sessions share: a relay with one host, and beside it OpenSSH doing the same job, `ssh -R` from
a host to an sshd and `ssh -J` through that sshd. All on this machine; either may be put behind a delay."""

import collections
import contextlib
import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE / "tests/system"))
DEADLINE_S = 60
TICK = os.sysconf("SC_CLK_TCK")
CHUNK = 256 * 1024
HELD_MAX = 64 * 1024 * 1024  # bytes on the way, so that the delay is no limit of its own


class Delay:
    """A TCP proxy that holds each byte for half of `rtt_s`, at any rate."""

    def __init__(self, target, rtt_s):
        self.target, self.hold_s = target, rtt_s / 2
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((near, far), (far, near)):
                self.carry(*pair)

    def carry(self, source, sink):
        queue, changed = collections.deque(), threading.Condition()
        held = [0]

        def read():
            while True:
                try:
                    data = source.recv(CHUNK)
                except OSError:
                    data = b""
                with changed:
                    while held[0] > HELD_MAX:
                        changed.wait()
                    queue.append((time.monotonic() + self.hold_s, data))
                    held[0] += len(data)
                    changed.notify_all()
                if not data:
                    return

        def write():
            while True:
                with changed:
                    while not queue:
                        changed.wait()
                    due, data = queue.popleft()
                    held[0] -= len(data)
                    changed.notify_all()
                wait = due - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                try:
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    sink.sendall(data)
                except OSError:
                    return

        for work in (read, write):
            threading.Thread(target=work, daemon=True).start()


def cpu_s(pid):
    """Processor time of a process, its children and what it has waited for."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    fields = text.rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICK + sum(cpu_s(child) for child in children)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_port(port, process, what):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
            if client.recv(4) == b"SSH-":
                return
        time.sleep(0.02)
    sys.exit(f"bench: {what} does not answer")


class Sshd:
    def __init__(self, place, name, public_key):
        self.directory = place / name
        self.directory.mkdir()
        self.port = free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / "key"], check=True)
        (self.directory / "authorized").write_text(public_key)
        options = {
            "Port": self.port, "ListenAddress": "127.0.0.1", "HostKey": self.directory / "key", "PidFile": "none",
            "AuthorizedKeysFile": self.directory / "authorized", "StrictModes": "no", "UsePAM": "no",
            "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no", "PrintMotd": "no",
            "PermitRootLogin": "prohibit-password", "MaxStartups": "2000", "MaxSessions": "100",
            "Subsystem": "sftp internal-sftp",
        }
        (self.directory / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", self.directory / "config", "-E",
                                         self.directory / "log"], stdin=subprocess.DEVNULL)
        wait_port(self.port, self.process, "sshd")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Stage:
    """`targets`: title → words before the remote command. `relay_cpu`: title → pid whose tree does the relaying."""

    def __init__(self, place, rtt_ms=0, far="host"):
        import towline
        self.parts, self.place = [], place
        self.relay = towline.Relay(place / "relay").start()
        self.parts.append(self.relay.program)
        self.engineer = towline.Engineer(place / "engineer", self.relay).log_in()
        url_port = self.relay.read_ports()["https_port"]
        far_host, far_engineer = rtt_ms and far == "host", rtt_ms and far == "engineer"
        self.endpoint = towline.Endpoint(place / "host-a", "host-a", self.relay)
        token = self.relay.enrol_token()
        if far_host:  # the agent knows the relay by the delay's port
            delay = Delay(url_port, rtt_ms / 1000)
            token = self.relay.command("enrol-token", "create", "--url", f"https://127.0.0.1:{delay.port}").stdout.strip()
        self.endpoint.enrol(token)
        self.endpoint.start_helper().start_agent()
        self.parts.append(self.endpoint)
        self.ticket = self.relay.open_ticket("host-a")
        self.open_chain(rtt_ms / 1000, far_host, far_engineer)

    def open_chain(self, rtt_s, far_host, far_engineer):
        public = self.engineer.key.with_suffix(".pub").read_text()
        self.host, self.jump = Sshd(self.place, "host", public), Sshd(self.place, "jump", public)
        self.parts += [self.host, self.jump]
        back = free_port()
        jump_port = Delay(self.jump.port, rtt_s).port if far_engineer else self.jump.port
        home_port = Delay(self.jump.port, rtt_s).port if far_host else self.jump.port
        front_port = Delay(self.relay.ssh_port, rtt_s).port if far_engineer else self.relay.ssh_port
        known = self.place / "known"
        text = self.engineer.write_ssh_config().parent.joinpath("known_hosts").read_text()
        text = text.replace(f"[127.0.0.1]:{self.relay.ssh_port} ", "relay,bastion ")
        for sshd, name in ((self.host, "chained"), (self.jump, "jump")):
            text += name + " " + (sshd.directory / "key.pub").read_text()
        known.write_text(text)
        self.config = self.place / "config"
        self.config.write_text(
            f"Host relay bastion\n HostName 127.0.0.1\n Port {front_port}\n"
            "Host relay\n HostKeyAlias relay\nHost bastion\n HostKeyAlias bastion\n User host-a\n"
            "Host host-a\n ProxyJump relay\n"
            f"Host jump home\n HostName 127.0.0.1\n HostKeyAlias jump\nHost jump\n Port {jump_port}\n"
            f"Host home\n Port {home_port}\n"
            f"Host chained\n HostName 127.0.0.1\n Port {back}\n HostKeyAlias chained\n ProxyJump jump\n"
            f"Host jump home chained\n User {getpass.getuser()}\n"
            "Host *\n KexAlgorithms curve25519-sha256\n"
            f" IdentityFile {self.engineer.key}\n IdentitiesOnly yes\n UserKnownHostsFile {known}\n"
            " StrictHostKeyChecking yes\n BatchMode yes\n LogLevel ERROR\n")
        self.reverse = subprocess.Popen(["ssh", "-F", self.config, "-N", "-o", "ExitOnForwardFailure=yes", "-R",
                                         f"127.0.0.1:{back}:127.0.0.1:{self.host.port}", "home"],
                                        stdin=subprocess.DEVNULL)
        wait_port(back, self.reverse, "the reverse forward")
        self.targets = {"ssh -R + ssh -J": "chained", "relay, bastion": "bastion", "relay, end-to-end": "host-a"}
        self.relaying = {"chained": self.jump.process.pid, "bastion": self.relay.program.process.pid,
                         "host-a": self.relay.program.process.pid}

    def argv(self, target, *command):
        return ["ssh", "-F", str(self.config), target, *command]

    def stop(self):
        self.reverse.terminate()
        self.reverse.wait()
        for part in reversed(self.parts):
            part.stop()


@contextlib.contextmanager
def open_stage(bin_dir, **kwargs):
    os.environ["TOWLINE_BIN_DIR"] = str(bin_dir)
    place = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
    os.chmod(place, 0o711)
    stage = None
    try:
        stage = Stage(place, **kwargs)
        yield stage
    finally:
        if stage:
            stage.stop()
        shutil.rmtree(place, ignore_errors=True)
