"""Sessions that need the engineer's own signature: stock ssh, ssh-agent, no prompt."""

import json
import os
import subprocess

import pytest
import signed
from towline import BIN, Engineer, Relay, run, until


@pytest.fixture
def roster(place):
    return signed.Roster(place)


@pytest.fixture
def relay(place, store, roster):
    relay = Relay(place / "relay", store, settings=f"roster:\n  key: {roster.fingerprint}\n").start()
    yield relay
    relay.program.stop()


@pytest.fixture
def host(relay, roster, engineer, make_endpoint):
    """An endpoint that wants requests signed, knows the roster, and has an open ticket."""
    roster.add("erin", engineer.key)
    roster.sign().publish(relay)
    endpoint = make_endpoint(policy=signed.policy())
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    until(lambda: signed.known_version(endpoint) == 1, "the roster is there")
    endpoint.ticket = relay.open_ticket(endpoint.name)
    return endpoint


@pytest.fixture
def keys(engineer):
    with signed.agent(engineer.directory / "agent", engineer.key) as env:
        yield env


def test_plain_ssh_works_by_the_agent_s_signature(relay, engineer, host, keys):
    done = signed.ssh(signed.signed_config(engineer), keys, host.name, "echo in")
    assert done.stdout == "in\n", done.stderr
    session = relay.items("/v1/sessions")[0]
    assert session["signed"] and session["lane"] == "end-to-end"
    done = signed.ssh(signed.signed_config(engineer), keys, host.ticket, "echo by-ticket")
    assert done.stdout == "by-ticket\n", done.stderr


def test_a_key_file_signs_as_well(engineer, host):
    config = signed.signed_config(engineer, "--key", engineer.key)
    env = {"SSH_AUTH_SOCK": "/nowhere"}
    text = config.read_text() + f"Host *\n IdentityFile {engineer.key}\n"
    config.write_text(text)
    done = signed.ssh(config, env, host.name, "echo in")
    assert done.stdout == "in\n", done.stderr


@pytest.mark.parametrize("lane", ["bastion", "end-to-end"])
def test_an_unsigned_request_is_refused_with_the_way_out(relay, engineer, host, lane):
    done = engineer.ssh(lane, host.name, "echo in")
    assert done.stdout == "" and done.returncode != 0
    assert "sessions.engineer_signed" in done.stderr and "towline connect" in done.stderr


@pytest.mark.parametrize("lane", ["bastion", "end-to-end"])
def test_a_request_in_words_is_taken_up_by_the_next_connection(relay, engineer, host, lane):
    done = engineer.towline("session", "request", host.name, "--key", engineer.key, "--lane", lane, "--purpose",
                            "look at the disk", "--ticket", host.ticket, "--scopes", "exec", "--minutes", "5", "--json")
    session = json.loads(done.stdout)
    assert session["purpose"] == "look at the disk" and session["signed"]
    done = engineer.ssh(lane, session["id"] if lane == "bastion" else host.name, "echo in")
    assert done.stdout == "in\n", done.stderr
    assert len(relay.items("/v1/sessions")) == 1
    assert relay.items("/v1/sessions")[0]["scopes"] == ["exec"]


def test_the_statement_and_the_roster_verify_by_ssh_keygen(relay, roster, engineer, host, place):
    engineer.towline("session", "request", host.name, "--key", engineer.key)
    grants = [line for line in (host.directory / "agent.log").read_text().splitlines() if "session asked for" in line]
    assert grants
    signers = place / "signers"
    signers.write_text("erin " + (engineer.directory / "id_ed25519.pub").read_text())
    statement = relay.get(f"/v1/sessions/{relay.items('/v1/sessions')[0]['id']}/statement").json()
    (place / "statement.sig").write_text(statement["signature"])
    subprocess.run(["ssh-keygen", "-q", "-Y", "verify", "-f", signers, "-I", "erin", "-n", "session@towline", "-s",
                    place / "statement.sig"], input=statement["statement"], text=True, check=True)
    signers.write_text("offline " + (place / "offline.pub").read_text())
    subprocess.run(["ssh-keygen", "-q", "-Y", "verify", "-f", signers, "-I", "offline", "-n", "roster@towline", "-s",
                    place / "engineers.json.sig"], input=roster.file.read_text(), text=True, check=True)
    shown = run(BIN / "towline", "roster", "verify", roster.file, "--fingerprint", roster.fingerprint, check=True)
    assert "Erin of the roster" in shown.stdout


def test_who_leaves_the_roster_leaves_the_session(relay, roster, engineer, host, keys):
    config = signed.signed_config(engineer)
    running = subprocess.Popen(["ssh", "-F", config, host.name, "echo begun; exec tail -f /dev/null"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env={**os.environ, **keys})
    assert running.stdout.readline() == "begun\n"
    other = signed.make_key(engineer.directory / "sam")
    roster.add("sam", other)
    roster.command("remove", roster.file, "erin")
    roster.sign()
    relay.add_user("root", "admin")
    assert relay.call("POST", "/v1/roster", token="root", json=roster.document()).status_code == 204
    assert running.wait(60) != 0
    until(lambda: signed.known_version(host) == 2, "the new roster is there")
    done = signed.ssh(config, keys, host.name, "echo in")
    assert done.stdout == ""


def test_another_key_s_roster_is_not_published(relay, roster, engineer, place):
    roster.add("erin", engineer.key)
    roster.sign(signed.make_key(place / "stranger"))
    done = relay.command("roster", "publish", roster.file, check=False)
    assert done.returncode == 77 and "pinned" in done.stderr
    assert relay.get("/v1/roster").status_code == 404


def test_only_admins_publish_rosters(relay, roster, engineer):
    roster.add("erin", engineer.key)
    roster.sign()
    assert relay.call("POST", "/v1/roster", json=roster.document()).status_code == 403


def test_another_engineer_s_session_is_not_taken_up(relay, engineer, host, place):
    sam = Engineer(place / "sam", relay, "sam").log_in()
    done = engineer.towline("session", "request", host.name, "--key", engineer.key, "--json")
    session = json.loads(done.stdout)["id"]
    done = sam.ssh("end-to-end", session, "echo in")
    assert done.stdout == "" and "no host or ticket" in done.stderr
