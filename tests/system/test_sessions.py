"""Remote sessions with stock OpenSSH, in both lanes."""

import hashlib
import json
import os
import subprocess

import pytest
from towline import until

LANES = ["bastion", "end-to-end"]


@pytest.fixture
def ticket(relay, engineer, endpoint):
    endpoint.get_help("let me in")
    return until(lambda: relay.items("/v1/tickets?state=open")[0], "a ticket is on the desk")["number"]


def sessions(relay, ticket, lane):
    return [s for s in relay.items(f"/v1/sessions?ticket={ticket}") if s["lane"] == lane]


@pytest.mark.parametrize("lane", LANES)
def test_a_command_runs_on_the_host(engineer, endpoint, ticket, lane):
    done = engineer.ssh(lane, endpoint.name, "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.returncode) == ("out\n", 7), done.stderr
    assert "err" in done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_a_ticket_number_leads_to_its_host(engineer, endpoint, ticket, lane):
    if lane == "end-to-end":
        known = engineer.directory / "known_hosts"
        engineer.write_ssh_config()
        line = next(row for row in known.read_text().splitlines() if row.startswith(endpoint.name + " "))
        done = subprocess.run(engineer.ssh_argv(lane, ticket, "-o", f"HostKeyAlias={endpoint.name}") + ["echo in"],
                              text=True, capture_output=True, timeout=60, check=False)
        assert line
    else:
        done = engineer.ssh(lane, ticket, "echo in")
    assert done.stdout == "in\n", done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_a_terminal_shell_answers(engineer, endpoint, ticket, lane):
    done = engineer.ssh(lane, endpoint.name, options=["-tt"], stdin="echo mark-$((6*7)); exit 3\n")
    assert "mark-42" in done.stdout
    assert done.returncode == 3


@pytest.mark.parametrize("lane", LANES)
def test_bytes_come_through_unchanged_both_ways(engineer, endpoint, ticket, lane):
    data = os.urandom(20 * 1024 * 1024)
    done = subprocess.run(engineer.ssh_argv(lane, endpoint.name) + ["cat"], input=data, capture_output=True,
                          timeout=180, check=False)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest(), done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_the_recording_is_on_the_ticket_and_verifies(relay, engineer, endpoint, ticket, lane):
    engineer.ssh(lane, endpoint.name, options=["-tt"], stdin="echo mark-$((6*7)); exit\n")
    session = until(lambda: next(s for s in sessions(relay, ticket, lane) if s["recording"]), "it is recorded")
    engineer.towline("session", "verify", session["id"])
    assert "mark-42" in engineer.towline("session", "replay", session["id"], "--no-wait").stdout
    kinds = [entry["kind"] for entry in relay.items(f"/v1/tickets/{ticket}/timeline")]
    assert any("session" in kind for kind in kinds)


def test_a_changed_recording_does_not_verify(relay, engineer, endpoint, ticket, place):
    engineer.ssh("bastion", endpoint.name, "echo original")
    session = until(lambda: next(s for s in sessions(relay, ticket, "bastion") if s["recording"]), "it is recorded")
    engineer.towline("session", "get", session["id"], "--output", place / "recording")
    text = (place / "recording").read_text()
    assert "original" in text
    (place / "recording").write_text(text.replace("original", "tampered"))
    done = engineer.towline("session", "verify", place / "recording", check=False)
    assert done.returncode != 0
    assert "chain" in done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_without_an_open_ticket_there_is_no_session(engineer, endpoint, lane):
    done = engineer.ssh(lane, endpoint.name, "true")
    assert done.returncode != 0


@pytest.mark.parametrize("lane", LANES)
def test_refused_consent_runs_nothing(relay, engineer, make_endpoint, place, lane):
    endpoint = make_endpoint(consent="no")
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    endpoint.get_help("look but do not touch")
    until(lambda: relay.items("/v1/tickets?state=open"), "a ticket is on the desk")
    done = engineer.ssh(lane, endpoint.name, f"touch {place}/touched")
    assert done.returncode != 0
    assert not (place / "touched").exists()
    session = relay.items("/v1/sessions")[0]
    assert session["state"] == "refused"


def test_the_endpoint_takes_any_key_that_the_engineer_registered(relay, engineer, endpoint, ticket):
    key = engineer.directory / "second"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    relay.command("user", "key", "add", engineer.login, key.with_suffix(".pub"))
    argv = engineer.ssh_argv("end-to-end", endpoint.name)
    config = engineer.directory / "ssh_config"
    text = config.read_text().replace(f" IdentityFile {engineer.key}\n", "")
    first = f"Host relay\n IdentityFile {engineer.key}\nHost {endpoint.name}\n IdentityFile {key}\n"
    config.write_text(first + text)
    done = subprocess.run([*argv, "echo in"], text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == "in\n", done.stderr


def test_an_unknown_key_is_refused(relay, engineer, endpoint, ticket):
    key = engineer.directory / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    engineer.write_ssh_config()
    # Without the engineer's ssh_config: its key would be tried after the stranger's.
    argv = ["ssh", "-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
            "-o", f"UserKnownHostsFile={engineer.directory / 'known_hosts'}", "-o", "StrictHostKeyChecking=yes",
            "-o", "BatchMode=yes", "-p", str(relay.ssh_port), "-l", endpoint.name, "127.0.0.1"]
    done = subprocess.run(argv + ["true"], text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 255
    assert "denied" in done.stderr.lower()


@pytest.mark.parametrize("options", [["-L", "0:127.0.0.1:1"], ["-s"]])
def test_other_channels_are_refused(engineer, endpoint, ticket, options):
    if options == ["-s"]:
        done = engineer.ssh("bastion", endpoint.name, "netconf", options=options)
        assert done.returncode != 0
    else:
        argv = engineer.ssh_argv("end-to-end", endpoint.name, "-o", "ExitOnForwardFailure=yes", "-W", "127.0.0.1:9")
        done = subprocess.run(argv, input="", text=True, capture_output=True, timeout=60, check=False)
        assert done.returncode != 0


@pytest.mark.parametrize("lane", LANES)
def test_the_engineer_can_be_stopped_from_the_endpoint(relay, engineer, endpoint, ticket, lane):
    argv = engineer.ssh_argv(lane, endpoint.name)
    running = subprocess.Popen(argv + ["echo begun; exec tail -f /dev/null"], stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "begun\n"
    listed = json.loads(endpoint.command("sessions", "--json").stdout)
    endpoint.command("stop", listed[0]["session"])
    assert running.wait(60) != 0


@pytest.mark.parametrize("lane", LANES)
def test_the_desk_can_stop_a_session(relay, engineer, endpoint, ticket, lane):
    argv = engineer.ssh_argv(lane, endpoint.name)
    running = subprocess.Popen(argv + ["echo begun; exec tail -f /dev/null"], stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "begun\n"
    session = sessions(relay, ticket, lane)[0]["id"]
    engineer.towline("session", "stop", session, "--reason", "enough")
    assert running.wait(60) != 0
    until(lambda: sessions(relay, ticket, lane)[0]["state"] == "ended", "it has ended on the desk")
