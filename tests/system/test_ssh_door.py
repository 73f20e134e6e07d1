"""The relay's SSH front door before anybody has logged in: its algorithms, and what hostile clients get from it."""

import json
import os
import pathlib
import socket
import struct
import subprocess
import threading

import pytest
from towline import Relay, until

STRICT = "kex-strict-s-v00@openssh.com"  # a mark, not an algorithm: older checkers do not know it
LANES = ["bastion", "end-to-end"]


@pytest.fixture
def store():
    """The front door is the same on every store."""


# ---- algorithms -------------------------------------------------------------------------------------------------


@pytest.fixture
def host(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    return endpoint.name


class Bridge:
    """A local port whose connections go through `argv`, which speaks on its standard input and output."""

    def __init__(self, argv):
        self.argv = argv
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.children = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self.children.append(subprocess.Popen(self.argv, stdin=client, stdout=client,
                                                      stderr=subprocess.DEVNULL))

    def close(self):
        self.listener.close()
        for child in self.children:
            child.kill()
            child.wait()


@pytest.fixture
def address_of(relay, request):
    """The port where a program that is no SSH client of ours finds the relay's or the endpoint's server."""

    def find(whose):
        if whose == "relay":
            return relay.ssh_port
        engineer, host = request.getfixturevalue("engineer"), request.getfixturevalue("host")
        bridge = Bridge(["ssh", "-F", str(engineer.write_ssh_config()), "-W", f"{host}:22", "relay"])
        request.addfinalizer(bridge.close)
        return bridge.port

    return find


@pytest.mark.parametrize("whose", ["relay", "endpoint"])
def test_ssh_audit_finds_nothing_weak(address_of, whose):
    port = str(address_of(whose))
    shown = subprocess.run(["ssh-audit", "-n", "-p", port, "127.0.0.1"], text=True, capture_output=True, timeout=60,
                           check=False).stdout
    assert "(kex) curve25519-sha256 " in shown, shown
    assert [line for line in shown.splitlines()
            if ("[fail]" in line or "[warn]" in line) and STRICT not in line] == []
    found = json.loads(subprocess.run(["ssh-audit", "-j", "-p", port, "127.0.0.1"], text=True, capture_output=True,
                                      timeout=60, check=False).stdout)
    assert STRICT in [entry["algorithm"] for entry in found["kex"]]
    assert found["compression"] == ["none"]


@pytest.mark.parametrize("lane", LANES)
def test_strict_key_exchange_is_in_force(engineer, host, lane):
    done = engineer.ssh(lane, host, "true", options=["-vvv"])
    assert done.returncode == 0
    strict = [line for line in done.stderr.splitlines() if "will use strict KEX ordering" in line]
    assert len(strict) == (1 if lane == "bastion" else 2)


# ---- hostile clients ---------------------------------------------------------------------------------------------


def packet(payload):
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def kexinit():
    names = [b"curve25519-sha256,kex-strict-c-v00@openssh.com", b"ssh-ed25519", *[b"aes256-gcm@openssh.com"] * 2,
             *[b"hmac-sha2-256-etm@openssh.com"] * 2, *[b"none"] * 2, b"", b""]
    return b"\x14" + os.urandom(16) + b"".join(struct.pack(">I", len(n)) + n for n in names) + bytes(5)


def knock(relay, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", relay.ssh_port), timeout=60, source_address=(source, 0))


def hear_out(client):
    """All that the relay says until it hangs up."""
    heard = b""
    try:
        while True:
            more = client.recv(65536)
            if not more:
                return heard
            heard += more
    except ConnectionError:
        return heard


@pytest.fixture
def hasty(place):
    """A relay that waits for nobody longer than a second."""
    relay = Relay(place / "hasty", settings="ssh:\n  login_grace: 1s\n").start()
    yield relay
    relay.program.stop()


HOSTILE = {
    "nothing": b"",
    "half a version": b"SSH-2.0-",
    "no version": b"GET / HTTP/1.1\r\n\r\n",
    "an endless version": b"SSH-2.0-" + b"x" * 65536,
    "garbage": bytes(range(256)) * 64 + b"\n",
    "a version of old": b"SSH-1.5-old\r\n",
    "no packet": b"SSH-2.0-x\r\n",
    "an oversized packet": b"SSH-2.0-x\r\n" + b"\xff" * 65536,
    "a packet of no length": b"SSH-2.0-x\r\n" + bytes(65536),
    "half a packet": b"SSH-2.0-x\r\n" + struct.pack(">IB", 30000, 4) + b"\x14",
    "a request before keys": b"SSH-2.0-x\r\n" + packet(b"\x05\x00\x00\x00\x0cssh-userauth"),
    "keys never exchanged": b"SSH-2.0-x\r\n" + packet(kexinit()),
}


def test_whoever_does_not_log_in_is_gone_at_the_deadline(hasty):
    clients = {}
    for what, said in HOSTILE.items():
        clients[what] = knock(hasty)
        try:
            clients[what].sendall(said)
        except ConnectionError:  # hung up while we spoke
            pass
    for client in clients.values():
        hear_out(client)  # ends, or the socket's time-out fails the test
    assert hasty.program.running()
    assert hasty.program.text().count("SSH connection without login") == len(HOSTILE)
    assert "no login within 1 seconds" in hasty.program.text()


def test_a_packet_slipped_in_before_the_keys_ends_a_strict_key_exchange(relay):
    """What CVE-2023-48795 begins with: without the mark of strict key exchange the packet is ignored."""
    ignore, point, new_keys = b"\x02" + bytes(4), b"\x1e\x00\x00\x00\x20" + os.urandom(32), b"\x15"
    with knock(relay) as client:
        client.sendall(b"SSH-2.0-x\r\n" + b"".join(packet(p) for p in (kexinit(), ignore, point, new_keys)))
        hear_out(client)
    until(lambda: "SSH connection without login" in relay.program.text(), "it is over")
    assert "Received unexpected packets in strict KEX mode" in relay.program.text()


def descriptors(relay):
    return len(os.listdir(f"/proc/{relay.program.process.pid}/fd"))


def test_a_thousand_that_never_log_in_take_no_more_than_their_places(relay, engineer, host):
    before = descriptors(relay)
    crowd = [knock(relay, f"127.1.{i // 250}.{1 + i % 250}") for i in range(1000)]
    assert descriptors(relay) - before < 2 * 256 + 32  # each has a duplicate
    # They do not keep the engineer out: who waited longest makes room.
    until(lambda: engineer.ssh("bastion", host, "echo in").stdout == "in\n", "the engineer comes in")
    for client in crowd:
        client.close()
    until(lambda: descriptors(relay) < before + 16, "nothing stays behind")


def test_a_network_that_fails_often_has_few_places_and_is_told(relay, engineer, host):
    argv = engineer.ssh_argv("bastion", host)
    inside = subprocess.Popen([*argv, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    inside.stdin.write("before\n")
    inside.stdin.flush()
    assert inside.stdout.readline() == "before\n"
    for _ in range(10):  # each exchanges keys and leaves
        subprocess.run(["ssh-keyscan", "-t", "ed25519", "-p", str(relay.ssh_port), "127.0.0.1"], capture_output=True,
                       check=True)
    until(lambda: relay.program.text().count("SSH connection without login") >= 10, "all ten are noted")
    waiting = [knock(relay) for _ in range(2)]
    turned_away = knock(relay)
    assert b"too many connections from your network without login" in hear_out(turned_away)
    assert len(knock(relay, "127.0.0.77").recv(256)) > 0  # another network is none of it
    # Who is inside stays, and a colleague behind the same address comes in as soon as a place is free.
    inside.stdin.write("after\n")
    inside.stdin.flush()
    assert inside.stdout.readline() == "after\n"
    for client in waiting:
        client.close()
    until(lambda: engineer.ssh("bastion", host, "echo in").stdout == "in\n", "a colleague comes in")
    inside.stdin.close()
    assert inside.wait(60) == 0


def test_an_agent_that_offers_other_keys_first_has_failed_at_nothing(relay, engineer, host):
    wrong = []
    for number in range(4):
        key = engineer.directory / f"wrong-{number}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        wrong.append(key)
    config = engineer.write_ssh_config()
    first = "".join(f" IdentityFile {key}\n" for key in wrong)
    text = config.read_text().replace("Host *\n", "Host *\n" + first)
    argv = engineer.ssh_argv("bastion", host, "-o", "ControlPath=none")
    config.write_text(text)
    for _ in range(3):
        done = subprocess.run([*argv, "echo in"], text=True, capture_output=True, timeout=60, check=False)
        assert done.stdout == "in\n", done.stderr
    waiting = [knock(relay) for _ in range(3)]
    assert all(client.recv(256).startswith(b"SSH-2.0-") for client in waiting)
    assert "without login" not in relay.program.text()


def test_a_port_that_is_only_looked_at_costs_nobody_a_place(relay):
    for _ in range(12):
        knock(relay).close()
    until(lambda: relay.program.text().count("SSH connection without login") == 12, "all are noted")
    waiting = [knock(relay) for _ in range(3)]
    assert all(client.recv(256).startswith(b"SSH-2.0-OpenSSH_Towline") for client in waiting)
    assert "refused" not in relay.program.text()


def test_a_small_rsa_key_is_not_taken(relay, engineer, host):
    key = engineer.directory / "small"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", key], check=True)
    done = relay.command("user", "key", "add", engineer.login, pathlib.Path(f"{key}.pub"), check=False)
    assert done.returncode != 0
    assert "2048 to 16384 bits" in done.stderr
