"""The relay as a service: restart under agents, sockets of systemd, a new certificate, one to a directory, a full disk."""

import fcntl
import os
import pathlib
import resource
import signal
import socket
import ssl
import subprocess
import sys

import pytest
from test_full_disk import SMALL_DISK, Filler, may_mount
from towline import BIN, DEADLINE_S, Endpoint, Engineer, Relay, random_name, run, until

AGENTS = 50
BENCH_AGENTS = BIN.parent / "tests" / "bench" / "bench-agents"


def relay_id(relay):
    return next(line.split('"')[1] for line in relay.config.read_text().splitlines() if line.startswith("id:"))


def test_agents_come_back_to_a_relay_that_was_restarted(relay, store):
    if not BENCH_AGENTS.exists():
        pytest.skip(f"{BENCH_AGENTS} is not built")
    port = relay.read_ports()["https_port"]
    agents = subprocess.Popen(
        [BENCH_AGENTS, "--restart", "--count", str(AGENTS), "--port", str(port), "--ca", relay.ca,
         "--relay-id", relay_id(relay), "--store", store or f"sqlite:{relay.directory}/relay.db",
         "--pid", str(os.getpid())], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert agents.stdout.readline() == f"{AGENTS} agents are connected\n"
    assert relay.program.stop() == 0
    relay.start()
    out, err = agents.communicate(timeout=2 * DEADLINE_S)
    assert agents.returncode == 0, err
    assert out == f"{AGENTS} agents came back, 0 lost\n"


# Puts the sockets where sd_listen_fds(3) looks for them, as systemd does, and becomes the relay.
ACTIVATE = """import os, sys
https, ssh = int(sys.argv[1]), int(sys.argv[2])
os.dup2(https, 3)
os.dup2(ssh, 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="https:ssh")
os.execv(sys.argv[3], sys.argv[3:])
"""


def listener():
    """A listening socket whose descriptor is out of the way of those that the relay gets."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        return socket.socket(fileno=fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, 20))


def test_the_sockets_of_systemd_are_served_and_outlive_a_restart(place):
    relay = Relay(place / "relay")
    https, ssh = listener(), listener()
    wrapper = (sys.executable, "-c", ACTIVATE, https.fileno(), ssh.fileno())
    fds = (https.fileno(), ssh.fileno())
    with https, ssh:
        relay.start(*wrapper, pass_fds=fds)
        assert relay.read_ports()["https_port"] == https.getsockname()[1]
        assert relay.read_ports()["ssh_port"] == ssh.getsockname()[1]
        with socket.create_connection(ssh.getsockname()) as client:
            assert client.recv(4) == b"SSH-"
        assert relay.program.stop() == 0
        # Nobody is refused in between: the connection waits for the next relay.
        with socket.create_connection(ssh.getsockname()) as early:
            relay.start(*wrapper, pass_fds=fds)
            assert early.recv(4) == b"SSH-"
        assert relay.program.stop() == 0


def served_certificate(relay):
    return ssl.get_server_certificate(("127.0.0.1", relay.read_ports()["https_port"]))


def write_certificate(relay):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", relay.directory / "server.key", "-out", relay.directory / "server.pem", check=True)


@pytest.fixture
def plain_relay(place):
    relay = Relay(place / "relay").start()
    yield relay
    relay.program.stop()


def test_a_new_certificate_is_served_after_sighup(plain_relay):
    relay = plain_relay
    before = served_certificate(relay)
    write_certificate(relay)
    assert served_certificate(relay) == before
    relay.program.process.send_signal(signal.SIGHUP)
    until(lambda: served_certificate(relay) != before, "the new certificate is served")
    assert served_certificate(relay).strip() in (relay.directory / "server.pem").read_text()


def test_a_damaged_certificate_leaves_the_old_one_in_force(plain_relay):
    relay = plain_relay
    before = served_certificate(relay)
    (relay.directory / "server.pem").write_text("no certificate\n")
    relay.program.process.send_signal(signal.SIGHUP)
    until(lambda: "the certificate was not read again" in relay.program.text(), "the log says so")
    assert served_certificate(relay) == before
    assert relay.program.running()


def test_a_second_relay_in_the_same_directory_is_refused(plain_relay):
    second = plain_relay.command("serve", check=False)
    assert second.returncode == 75
    assert second.stderr == f"towline-relay: another relay serves {plain_relay.directory.resolve()} already\n"
    assert plain_relay.get("/v1/health", token=None).ok


def test_a_backup_of_a_running_relay_is_a_relay(plain_relay):
    relay = plain_relay
    relay.add_user("erin")
    ticket = relay.call("POST", "/v1/tickets", json={"summary": "kept"}).json()["number"]
    copy = relay.directory.parent / "copy.db"
    relay.command("backup", copy)
    relay.call("POST", "/v1/tickets", json={"summary": "after the backup"})
    relay.program.stop()
    for path in relay.directory.glob("relay.db*"):
        path.unlink()
    copy.rename(relay.directory / "relay.db")
    relay.start()
    assert [item["number"] for item in relay.items("/v1/tickets")] == [ticket]
    assert relay.command("audit", "verify").returncode == 0


def test_a_backup_replaces_no_file(plain_relay):
    taken = plain_relay.directory.parent / "taken"
    taken.write_text("mine")
    refused = plain_relay.command("backup", taken, check=False)
    assert refused.returncode == 73
    assert taken.read_text() == "mine"


def test_the_limit_on_files_is_raised_and_no_core_is_written(place):
    relay = Relay(place / "relay").start("sh", "-c", 'ulimit -Sn 256; ulimit -Sc unlimited; exec "$@"', "sh")
    pid = relay.program.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    assert soft == hard
    assert resource.prlimit(pid, resource.RLIMIT_CORE)[0] == 0
    assert relay.program.stop() == 0


# ---- a full disk ------------------------------------------------------------------------------------


class RelayFiller(Filler):
    def __init__(self, relay, disk):
        self.path = pathlib.Path(f"/proc/{relay.program.process.pid}/root{disk}/filler")

    def leave(self, size):
        """Takes all but `size` bytes."""
        self.fill()
        os.truncate(self.path, self.path.stat().st_size - size)


@pytest.fixture
def small_relay(place):
    """A relay whose database and blobs are on a small disk."""
    if not may_mount():
        pytest.skip("needs root, to mount a small disk in a namespace of its own")
    disk = place / "disk"
    disk.mkdir(mode=0o700)
    relay = Relay(place / "relay", f"sqlite:{disk}/relay.db", f"blobs: {disk}/blobs\nlog:\n  level: debug\n")
    Engineer(place / "engineer", relay)
    relay.start("unshare", "--mount", "--propagation", "private", "sh", "-c", SMALL_DISK, "sh", disk)
    relay.filler = RelayFiller(relay, disk)
    yield relay
    relay.program.stop()


@pytest.fixture
def small_endpoint(place, small_relay):
    endpoint = Endpoint(place / "host", random_name("host"), small_relay)
    # `enrol-token` would write to the disk outside the relay's namespace.
    secret = run("nsenter", "--mount", "--root", "--target", small_relay.program.process.pid, BIN / "towline-relay",
                 "enrol-token", "create", "--url", small_relay.url, "--config", small_relay.config, check=True)
    endpoint.enrol(secret.stdout.strip())
    endpoint.start_agent()
    yield endpoint
    endpoint.stop()


def summaries(relay):
    return sorted(ticket["summary"] for ticket in relay.items("/v1/tickets?state=all"))


def bundles(relay):
    return [relay.get(f"/v1/tickets/{t['number']}").json()["bundles"] for t in relay.items("/v1/tickets?state=all")]


def queue_is_empty(endpoint):
    return endpoint.status()["queue"]["items"] == 0


def refusal(relay):
    """The problem that a new ticket meets; the database's log may have had room for a few more."""
    def problem():
        reply = relay.call("POST", "/v1/tickets", json={"summary": "during"})
        return None if reply.status_code == 201 else reply.json()

    return until(problem, "the disk is full")


def test_a_full_disk_is_507_and_what_was_acknowledged_stays(small_relay):
    made = small_relay.call("POST", "/v1/tickets", json={"summary": "before"})
    assert made.status_code == 201
    small_relay.filler.fill()
    refused = refusal(small_relay)
    assert refused["status"] == 507
    assert refused["type"] == "urn:towline:problem:no-space"
    assert "before" in summaries(small_relay)
    small_relay.filler.remove()
    assert small_relay.call("POST", "/v1/tickets", json={"summary": "after"}).status_code == 201
    assert {"before", "after"} <= set(summaries(small_relay))


@pytest.mark.parametrize("left", [0, 64 * 1024])
def test_an_upload_goes_on_when_there_is_room(small_relay, small_endpoint, left):
    small_endpoint.get_help("before")
    until(lambda: queue_is_empty(small_endpoint), "the first is delivered")
    small_relay.filler.leave(left)
    small_endpoint.get_help("during", "--no-wait")
    until(lambda: "507" in small_relay.program.text(), "the relay refuses it")
    assert not queue_is_empty(small_endpoint)
    small_relay.filler.remove()
    until(lambda: queue_is_empty(small_endpoint), "the second is delivered")
    assert summaries(small_relay) == ["before", "during"]
    assert all(len(list_of_one) == 1 for list_of_one in bundles(small_relay))
