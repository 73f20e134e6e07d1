"""File transfer with stock clients, in both lanes: what arrives, and what the recording says of it."""

import base64
import hashlib
import json
import os
import subprocess

import pytest
from towline import Endpoint, until

LANES = ["bastion", "end-to-end"]


@pytest.fixture
def ticket(relay, engineer, endpoint):
    return relay.open_ticket(endpoint.name)


@pytest.fixture
def local(place):
    directory = place / "local"
    directory.mkdir()
    return directory


@pytest.fixture
def remote(place):
    directory = place / "remote"
    directory.mkdir(mode=0o777)
    return directory


def client(engineer, lane, name):
    """What comes between the client's name and its operands, and how it names the host."""
    options = ["-F", engineer.write_ssh_config(), "-o", "ControlPath=none"]
    if lane == "bastion":
        return [*options, "-o", f"User={name}"], "relay"
    return [*options, "-J", "relay"], name


def transfer(engineer, lane, name, *argv, stdin=""):
    options, host = client(engineer, lane, name)
    argv = [str(word).replace("HOST", host) for word in argv]
    return subprocess.run([argv[0], *map(str, options), *argv[1:]], input=stdin, text=True, capture_output=True,
                          timeout=120, check=False)


def file_events(relay, engineer, ticket, lane):
    """Of the newest session, once it has ended."""
    session = until(lambda: next(s for s in relay.items(f"/v1/sessions?ticket={ticket}")
                                 if s["lane"] == lane and s["state"] == "ended" and s["recording"]), "the session ended")
    text = engineer.towline("session", "get", session["id"]).stdout
    engineer.towline("session", "verify", session["id"])
    return [event for event in map(json.loads, text.splitlines()) if event.get("k") == "file"]


def make(path, size):
    path.write_bytes(os.urandom(size))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("lane", LANES)
def test_scp_sends_and_fetches_and_is_recorded_with_hashes(relay, engineer, endpoint, ticket, lane, local, remote):
    digest = make(local / "up", 3_000_000)
    done = transfer(engineer, lane, endpoint.name, "scp", "-q", local / "up", f"HOST:{remote}/there")
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256((remote / "there").read_bytes()).hexdigest() == digest
    sent = [event for event in file_events(relay, engineer, ticket, lane) if event["op"] == "transfer"]
    assert [(e["path"], e["ok"], e["written_bytes"], e["written_sha256"]) for e in sent] == [
        (f"{remote}/there", True, 3_000_000, digest)]


@pytest.mark.parametrize("lane", LANES)
def test_sftp_does_what_it_is_told_and_the_recording_names_it(relay, engineer, endpoint, ticket, lane, local, remote):
    digest = make(remote / "here", 100_000)
    batch = f"mkdir {remote}/dir\nget {remote}/here {local}/here\nrename {remote}/here {remote}/dir/moved\n" \
            f"rm {remote}/dir/moved\nrmdir {remote}/dir\n-rm {remote}/none\nls {remote}\n"
    done = transfer(engineer, lane, endpoint.name, "sftp", "-b", "-", "HOST", stdin=batch)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256((local / "here").read_bytes()).hexdigest() == digest
    events = file_events(relay, engineer, ticket, lane)
    told = {(event["op"], event["path"], event["ok"]) for event in events}
    assert {("mkdir", f"{remote}/dir", True), ("transfer", f"{remote}/here", True), ("rename", f"{remote}/here", True),
            ("remove", f"{remote}/dir/moved", True), ("rmdir", f"{remote}/dir", True)} <= told
    assert any(op == "list" for op, path, ok in told)
    assert next(e for e in events if e["op"] == "transfer")["read_sha256"] == digest


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("argv", [["scp", "-q", "-O"], ["rsync", "-a", "-e"]], ids=["scp -O", "rsync"])
def test_older_ways_work_as_commands(engineer, endpoint, ticket, lane, argv, local, remote):
    digest = make(local / "up", 200_000)
    if argv[0] == "rsync":
        options, host = client(engineer, lane, endpoint.name)
        shell = " ".join(["ssh", *map(str, options)])
        done = subprocess.run(["rsync", "-a", "-e", shell, local / "up", f"{host}:{remote}/up"], capture_output=True,
                              text=True, timeout=120, check=False)
    else:
        done = transfer(engineer, lane, endpoint.name, *argv, local / "up", f"HOST:{remote}/up")
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256((remote / "up").read_bytes()).hexdigest() == digest


def test_putty_transfers_files_too(relay, engineer, endpoint, ticket, place, local, remote):
    digest = make(local / "up", 50_000)
    key = place / "key.ppk"
    subprocess.run(["puttygen", engineer.key, "-O", "private", "-o", key], check=True, capture_output=True)
    known = subprocess.run(["ssh-keyscan", "-p", str(relay.ssh_port), "127.0.0.1"], capture_output=True, text=True,
                           check=True).stdout
    blob = next(line.split()[2] for line in known.splitlines() if "ssh-ed25519" in line)
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")
    done = subprocess.run(["psftp", "-batch", "-P", str(relay.ssh_port), "-i", key, "-hostkey", fingerprint,
                           f"{endpoint.name}@127.0.0.1", "-b", "/dev/stdin"], input=f"put {local}/up {remote}/up\n",
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashlib.sha256((remote / "up").read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("lane", LANES)
def test_without_the_scope_no_file_moves(engineer, make_endpoint, relay, lane, local, remote):
    endpoint = make_endpoint(policy=Endpoint.default_policy().replace("sessions:\n", "sessions:\n  scopes: [exec]\n"))
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    relay.open_ticket(endpoint.name)
    make(local / "up", 10)
    done = transfer(engineer, lane, endpoint.name, "scp", "-q", local / "up", f"HOST:{remote}/up")
    assert done.returncode != 0
    assert "consent does not cover file transfer" in done.stderr
    assert not (remote / "up").exists()
