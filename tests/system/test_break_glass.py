"""Coming in without anybody's consent: unattended machines, and emergencies."""

import getpass
import json
import os
import threading

import pytest
from towline import Engineer, until

REASON = "the shop has been down since nine and nobody is in the office"
POLICY = "sessions:\n  user: {user}\n{more}consent:\n  timeout: 1s\n"


@pytest.fixture
def supervisor(place, relay):
    return Engineer(place / "engineer", relay, "erin", "supervisor").log_in()


@pytest.fixture
def make_host(relay, make_endpoint):
    def make(more):
        endpoint = make_endpoint(policy=POLICY.format(user=getpass.getuser(), more=more), consent="ask")
        endpoint.enrol()
        endpoint.start_helper().start_agent()
        endpoint.ticket = relay.open_ticket(endpoint.name)
        return endpoint

    return make


def timeline(relay, ticket):
    return {entry["kind"]: entry["body"] for entry in relay.items(f"/v1/tickets/{ticket}/timeline")}


def request(engineer, host, *argv, check=True):
    done = engineer.towline("session", "request", host.name, "--unsigned", "--json", *argv, check=check)
    return json.loads(done.stdout) if done.returncode == 0 else done


def test_an_emergency_asks_nobody_and_is_told_to_all(relay, supervisor, make_host):
    host = make_host("  break_glass: [erin]\n")
    events = relay.call("GET", "/v1/events", stream=True)
    heard = threading.Event()

    def listen():
        for line in events.iter_lines():
            if line == b"event: session.break_glass":
                heard.set()
                return

    threading.Thread(target=listen, daemon=True).start()
    session = request(supervisor, host, "--break-glass", "--purpose", REASON)
    assert session["break_glass"] and session["state"] != "refused"
    done = supervisor.ssh("end-to-end", host.name, "echo in")
    assert done.stdout == "in\n", done.stderr
    assert heard.wait(60), "supervisors are told by an event of its own"
    events.close()
    entry = timeline(relay, host.ticket)["session-break-glass"]
    assert (entry["engineer"], entry["reason"]) == ("erin", REASON)
    assert "session.break_glass" in relay.command("audit", "export").stdout
    assert "emergency access" in host.helper.text() and REASON in host.helper.text()
    until(lambda: relay.get(f"/v1/sessions/{session['id']}").json()["recording"], "it is recorded")


def test_an_emergency_needs_the_role_the_policy_and_the_reason(relay, supervisor, make_host, place):
    host = make_host("  break_glass: [oncall]\n")
    engineer = Engineer(place / "sam", relay, "sam").log_in()
    done = request(engineer, host, "--break-glass", "--purpose", REASON, check=False)
    assert done.returncode == 77 and "supervisors" in done.stderr
    done = request(supervisor, host, "--break-glass", "--purpose", REASON, check=False)
    assert done.returncode == 77 and "sessions.break_glass" in done.stderr
    oncall = Engineer(place / "oncall", relay, "oncall", "supervisor").log_in()
    done = request(oncall, host, "--break-glass", "--purpose", "it is down", check=False)
    assert done.returncode == 77 and "20 characters" in done.stderr
    done = request(oncall, host, "--break-glass", check=False)
    assert done.returncode == 64


def test_an_unattended_machine_wants_the_engineer_s_own_reason(relay, supervisor, make_host):
    host = make_host("  unattended: true\n")
    done = supervisor.ssh("end-to-end", host.name, "echo in")
    assert done.stdout == "" and "--purpose" in done.stderr
    session = request(supervisor, host, "--purpose", REASON)
    assert session["state"] != "refused"
    done = supervisor.ssh("end-to-end", host.name, "echo in")
    assert done.stdout == "in\n", done.stderr
    entries = relay.items(f"/v1/tickets/{host.ticket}/timeline")
    stated = [e["body"] for e in entries if e["kind"] == "session-requested"][-1]
    assert stated["purpose"] == REASON and stated["stated"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts sessions as another account")
def test_a_session_runs_as_the_account_that_was_asked_for(relay, supervisor, make_host):
    host = make_host("  users: [daemon]\n  unattended: true\n")
    request(supervisor, host, "--purpose", REASON, "--user", "daemon")
    done = supervisor.ssh("end-to-end", host.name, "id -un")
    assert "not available" in done.stdout, "the shell of daemon, nologin(8)"
    done = request(supervisor, host, "--purpose", REASON, "--user", "bin", check=False)
    assert done.returncode == 77 and "sessions.users" in done.stderr
