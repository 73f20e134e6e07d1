"""The real programs as objects: a relay, an endpoint, an engineer. Used by the system tests.

Everything lives below one temporary directory and on ephemeral loopback ports. Nothing waits for time:
`until` waits for a fact and fails with a sentence.
"""

import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

import requests

BIN = pathlib.Path(os.environ.get("TOWLINE_BIN_DIR", "build/dev/bin")).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60


def until(fact, sentence, deadline_s=DEADLINE_S):
    """Calls `fact` until it returns something true and returns that."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        with contextlib.suppress(OSError, KeyError, IndexError, ValueError, StopIteration, requests.RequestException):
            found = fact()
            if found:
                return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s: {sentence}")
        pause.wait(0.05)


def run(*argv, stdin=None, env=None, check=False, timeout=DEADLINE_S):
    """Runs a program of ours; the result has stdout and stderr as text."""
    done = subprocess.run(
        [str(a) for a in argv], input=stdin, text=True, capture_output=True, timeout=timeout,
        env={**os.environ, **(env or {})}, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv[0]} {argv[1:3]} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done


class Program:
    """A long-running program with its log in a file."""

    def __init__(self, log, *argv, env=None, pass_fds=()):
        self.log = pathlib.Path(log)
        self.out = open(self.log, "ab")
        self.process = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out,
            env={**os.environ, **(env or {})}, start_new_session=True, pass_fds=pass_fds)

    def kill(self):
        """kill -9, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end: {self.text()[-2000:]}") from None
        finally:
            self.out.close()

    def running(self):
        return self.process.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")


class Relay:
    def __init__(self, directory, store=None, settings=""):
        self.directory = pathlib.Path(directory)
        self.config = self.directory / "relay.yaml"
        self.log = self.directory.parent / "relay.log"
        self.program = None
        argv = ["init", self.directory, "--name", "Test relay", "--listen", "127.0.0.1:0",
                "--ssh-listen", "127.0.0.1:0"]
        run(BIN / "towline-relay", *argv, *(["--store", store] if store else []), check=True)
        if settings:
            with open(self.config, "a", encoding="utf-8") as file:
                file.write(settings)
        self.ports = None
        self.tokens = {}

    def command(self, *argv, check=True, stdin=None):
        return run(BIN / "towline-relay", *argv, "--config", self.config, check=check, stdin=stdin)

    def start(self, *wrapper, pass_fds=()):
        """Starts `serve`; a second start keeps the ports of the first, so that agents find it again. `wrapper` is
        a command that ends by running its last arguments."""
        run_json = self.directory / "run.json"
        if self.ports:
            text = self.config.read_text()
            text = text.replace("127.0.0.1:0", f"127.0.0.1:{self.ports['https_port']}", 1)
            text = text.replace("127.0.0.1:0", f"127.0.0.1:{self.ports['ssh_port']}", 1)
            self.config.write_text(text)
        run_json.unlink(missing_ok=True)
        self.program = Program(self.log, *wrapper, BIN / "towline-relay", "serve", "--config", self.config,
                               pass_fds=pass_fds)
        try:
            until(lambda: self.program.process.poll() is not None or
                  self.get("/v1/health", token=None).ok, "the relay answers")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.program.text()[-3000:]}") from None
        assert self.program.running(), self.program.text()[-3000:]
        return self

    def read_ports(self):
        self.ports = json.loads((self.directory / "run.json").read_text())
        return self.ports

    @property
    def url(self):
        return f"https://127.0.0.1:{self.read_ports()['https_port']}"

    @property
    def ssh_port(self):
        return self.read_ports()["ssh_port"]

    @property
    def ca(self):
        return self.directory / "ca.pem"

    def add_user(self, login, role="engineer", key=None):
        argv = ["user", "add", login, "--name", login.capitalize(), "--role", role]
        self.command(*argv, *(["--ssh-key", key] if key else []))
        self.tokens[login] = self.command("token", "create", "--user", login, "--name", "test").stdout.strip()
        return self.tokens[login]

    def open_ticket(self, host, summary="let me in"):
        """Files a ticket about a host, as an engineer does: quicker than a request for help with its bundle."""
        known = next(item["id"] for item in self.items("/v1/hosts") if item["name"] == host)
        return self.call("POST", "/v1/tickets", json={"summary": summary, "host_id": known}).json()["number"]

    def enrol_token(self, *argv):
        return self.command("enrol-token", "create", "--url", self.url, *argv).stdout.strip()

    def call(self, method, path, token="erin", headers=None, **kwargs):
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = "Bearer " + self.tokens.get(token, token)
        return requests.request(method, self.url + path, headers=headers, verify=str(self.ca),
                                timeout=DEADLINE_S, **kwargs)

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def items(self, path, **kwargs):
        reply = self.get(path, **kwargs)
        assert reply.status_code == 200, reply.text
        return reply.json()["items"]


class Endpoint:
    """A host: agent and helper, both under the caller's account."""

    def __init__(self, directory, name, relay, consent="yes", policy=""):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.name = name
        self.relay = relay
        self.consent = consent
        self.config = self.directory / "agent.yaml"
        self.policy = self.directory / "policy.yaml"
        self.env = {}  # of the agent and its commands
        self.helper_options = []
        self.agent = self.helper = None
        for part in ("state", "run", "helper", "helper-run"):
            (self.directory / part).mkdir(mode=0o755 if "run" in part else 0o700)
        self.config.write_text(
            f"state_dir: {self.directory}/state\nrun_dir: {self.directory}/run\n"
            f"helper:\n  dir: {self.directory}/helper-run\n")
        self.policy.write_text(policy or self.default_policy())

    @staticmethod
    def default_policy():
        import getpass
        return f"sessions:\n  user: {getpass.getuser()}\nconsent:\n  unattended: true\n"

    def command(self, *argv, check=True, stdin=None):
        return run(BIN / "towline-agent", *argv, "--config", self.config, check=check, stdin=stdin, env=self.env)

    def enrol(self, token=None, check=True):
        self.start_helper()  # its consent key is registered with the host
        return self.command("enroll", "-", "--name", self.name, stdin=(token or self.relay.enrol_token()) + "\n",
                            check=check)

    def start_helper(self):
        if self.helper and self.helper.running():
            return self
        argv = ["run", "--policy", self.policy, "--socket-dir", self.directory / "helper-run",
                "--state", self.directory / "helper", "--agent-state", self.directory / "state",
                "--agent-user", str(os.getuid()), *self.helper_options]
        if self.consent != "ask":
            argv += ["--consent", self.consent]
        self.helper = Program(self.directory / "helper.log", BIN / "towline-helper", *argv)
        self.wait_alive(self.helper, lambda: self.accepts("helper-run/helper.sock"), "the helper listens")
        return self

    def start_agent(self, *wrapper, connected=True):
        """`wrapper` is a command that ends by running its last arguments."""
        self.agent = Program(self.directory / "agent.log", *wrapper, BIN / "towline-agent", "run",
                             "--config", self.config, env=self.env)
        fact = self.connected if connected else lambda: self.accepts("run/agent.sock")
        self.wait_alive(self.agent, fact, "the agent is up")
        return self

    @staticmethod
    def wait_alive(program, fact, sentence):
        try:
            until(lambda: not program.running() or fact(), sentence)
            assert program.running(), sentence
        except AssertionError as error:
            raise AssertionError(f"{error}\n{program.text()[-3000:]}") from None

    def accepts(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(self.directory / path))
        return True

    def status(self):
        return json.loads(self.command("status", "--json").stdout)

    def connected(self):
        done = self.command("status", "--json", check=False)
        return done.returncode == 0 and json.loads(done.stdout)["connected"]

    def get_help(self, summary="It does not work", *argv, check=True):
        return self.command("get-help", summary, "--yes", *argv, check=check)

    def logs(self):
        return "".join(p.text() for p in (self.agent, self.helper) if p)

    def stop(self):
        for program in (self.agent, self.helper):
            if program:
                program.stop()


class Engineer:
    """A workstation: an SSH key, an ssh_config, and the engineer's command."""

    def __init__(self, directory, relay, login="erin", role="engineer"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.relay = relay
        self.login = login
        self.key = self.directory / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self.token = relay.add_user(login, role, self.directory / "id_ed25519.pub")

    def log_in(self):
        self.towline("login", "--relay", self.relay.url, "--ca", self.relay.ca,
                     "--ssh", f"127.0.0.1:{self.relay.ssh_port}", stdin=self.token + "\n")
        return self

    def towline(self, *argv, check=True, stdin=None):
        return run(BIN / "towline", *argv, check=check, stdin=stdin,
                   env={"TOWLINE_CONFIG": str(self.directory / "config.yaml")})

    def write_ssh_config(self):
        known = self.directory / "known_hosts"
        known.write_text(self.towline("known-hosts").stdout)
        config = self.directory / "ssh_config"
        config.write_text(
            f"Host relay\n HostName 127.0.0.1\n Port {self.relay.ssh_port}\n"
            f"Host *\n IdentityFile {self.key}\n IdentitiesOnly yes\n UserKnownHostsFile {known}\n"
            " StrictHostKeyChecking yes\n BatchMode yes\n LogLevel ERROR\n")
        return config

    def ssh_argv(self, lane, target, *options):
        argv = ["ssh", "-F", str(self.write_ssh_config()), *options]
        return argv + (["-l", target, "relay"] if lane == "bastion" else ["-J", "relay", target])

    def ssh(self, lane, target, *command, options=(), stdin="", timeout=DEADLINE_S):
        return subprocess.run(self.ssh_argv(lane, target, *options) + list(command), input=stdin, text=True,
                              capture_output=True, timeout=timeout, check=False)


def random_name(prefix):
    return f"{prefix}-{random.randrange(16**6):06x}"
