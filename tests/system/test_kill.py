"""kill -9 of each process during each step: nothing that was acknowledged is lost, nothing is there twice."""

import contextlib
import os
import signal
import subprocess

import pytest
from towline import BIN, until


def numbers(relay):
    return [ticket["number"] for ticket in relay.items("/v1/tickets?state=all")]


def bundle_arrives(relay, number):
    until(lambda: relay.get(f"/v1/tickets/{number}").json()["bundles"], "the bundle is on the ticket")


def test_relay_killed_during_the_upload(relay, engineer, endpoint):
    relay.read_ports()
    endpoint.get_help("first", "--no-wait")
    until(lambda: numbers(relay), "the ticket is filed")
    relay.program.kill()
    relay.start()
    bundle_arrives(relay, numbers(relay)[0])
    assert len(numbers(relay)) == 1


def test_agent_killed_between_ticket_and_bundle(relay, engineer, endpoint):
    endpoint.get_help("second", "--no-wait")
    endpoint.agent.kill()
    endpoint.start_agent()
    until(lambda: numbers(relay), "the ticket is filed")
    bundle_arrives(relay, numbers(relay)[0])
    assert len(numbers(relay)) == 1
    assert len(relay.get(f"/v1/tickets/{numbers(relay)[0]}").json()["bundles"]) == 1


def test_helper_killed_before_help_is_asked_for(relay, engineer, endpoint):
    endpoint.helper.kill()
    done = endpoint.get_help("no helper", check=False)
    assert done.returncode != 0
    assert "helper" in done.stderr
    endpoint.start_helper()
    until(lambda: endpoint.get_help("helper is back", "--no-wait", check=False).returncode == 0, "it works again")
    until(lambda: numbers(relay), "the ticket is filed")


@pytest.fixture(params=["bastion", "end-to-end"])
def running(relay, engineer, endpoint, request):
    endpoint.get_help("a session")
    until(lambda: numbers(relay), "a ticket is on the desk")
    argv = engineer.ssh_argv(request.param, endpoint.name) + ["echo begun; exec tail -f /dev/null"]
    ssh = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert ssh.stdout.readline() == "begun\n", ssh.stderr.read()
    yield ssh
    ssh.kill()


def test_agent_killed_in_a_session_ends_it(relay, endpoint, running):
    endpoint.agent.kill()
    assert running.wait(60) != 0
    endpoint.start_agent()
    until(lambda: relay.items("/v1/sessions")[0]["state"] == "ended", "the desk knows that it ended")


def test_helper_killed_in_a_session_ends_it(relay, endpoint, running):
    endpoint.helper.kill()
    assert running.wait(60) != 0
    until(lambda: relay.items("/v1/sessions")[0]["state"] == "ended", "the desk knows that it ended")


def test_relay_killed_in_a_session_ends_it_and_keeps_the_recording(relay, engineer, endpoint, running):
    relay.read_ports()
    relay.program.kill()
    assert running.wait(60) != 0
    relay.start()
    until(lambda: relay.items("/v1/sessions")[0]["state"] == "ended", "the desk knows that it ended")
    until(endpoint.connected, "the agent is back")
    session = until(lambda: next(s for s in relay.items("/v1/sessions") if s["recording"]), "what was recorded is kept")
    verdict = engineer.towline("session", "verify", session["id"], check=False)
    if session["lane"] == "end-to-end":  # the endpoint, which lives, has sealed it
        assert verdict.returncode == 0
    else:
        assert verdict.returncode == 76 and "no seal: it was cut off" in verdict.stderr
    assert "begun" in engineer.towline("session", "get", session["id"]).stdout


def test_acknowledged_tickets_survive_a_killed_relay(relay, engineer):
    made = [relay.call("POST", "/v1/tickets", json={"summary": f"ticket {i}"}).json()["number"] for i in range(30)]
    relay.read_ports()
    relay.program.kill()
    relay.start()
    assert sorted(numbers(relay)) == sorted(made)
    assert relay.command("audit", "verify").returncode == 0


@pytest.mark.parametrize("delay_ms", [1, 5, 20, 50, 100, 200, 400])
def test_enrolment_killed_anywhere_can_be_repeated(relay, engineer, make_endpoint, delay_ms):
    endpoint = make_endpoint()
    endpoint.start_helper()
    token = relay.enrol_token()
    first = subprocess.Popen([BIN / "towline-agent", "enroll", "-", "--name", endpoint.name, "--config",
                              endpoint.config], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first.stdin.write(token + "\n")
    first.stdin.close()
    try:
        first.wait(delay_ms / 1000)
    except subprocess.TimeoutExpired:
        first.kill()
        first.wait()
    done = endpoint.enrol(token, check=False)
    assert done.returncode == 0 or "enrolled" in done.stderr, done.stderr
    assert [host["name"] for host in relay.items("/v1/hosts")] == [endpoint.name]
    endpoint.start_agent()


def children_named(pid, name):
    found = subprocess.run(["pgrep", "-P", str(pid), "-x", name], text=True, capture_output=True, check=False)
    return [int(child) for child in found.stdout.split()]


@pytest.fixture
def collecting(engineer, endpoint):
    """get-help while its collector stands still: caught as soon as it is there, in one of a few tries."""
    for _ in range(20):
        asking = subprocess.Popen([BIN / "towline-agent", "get-help", "slow", "--yes", "--no-wait", "--config",
                                   endpoint.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while asking.poll() is None:
            for child in children_named(endpoint.helper.process.pid, "towline-collect"):
                os.kill(child, signal.SIGSTOP)
                yield asking, child
                return
    pytest.fail("the collector was never seen")


def ends_when_continued(pid, sentence):
    """A stopped process takes no signal but SIGKILL: it goes on, and then has nobody to work for."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    until(lambda: not os.path.exists(f"/proc/{pid}"), sentence)


def ended_with_a_sentence(asking):
    _, said = asking.communicate(timeout=60)
    assert asking.returncode != 0
    assert said.startswith("towline-agent: ")
    assert "Sanitizer" not in said


def test_collector_killed_fails_the_request_and_nothing_else(relay, endpoint, collecting):
    asking, collector = collecting
    before = len(numbers(relay))
    os.kill(collector, signal.SIGKILL)
    ended_with_a_sentence(asking)
    endpoint.get_help("once more")
    until(lambda: len(numbers(relay)) == before + 1, "the next request is filed")


def test_helper_killed_while_collecting_fails_the_request(relay, endpoint, collecting):
    asking, collector = collecting
    endpoint.helper.kill()
    ended_with_a_sentence(asking)
    ends_when_continued(collector, "the collector ends with its helper")
    endpoint.start_helper()
    until(lambda: endpoint.get_help("helper is back", "--no-wait", check=False).returncode == 0, "it works again")


def test_agent_killed_while_collecting_claims_nothing(relay, endpoint, collecting):
    asking, collector = collecting
    before = numbers(relay)
    endpoint.agent.kill()
    ended_with_a_sentence(asking)
    ends_when_continued(collector, "the collector ends without its agent")
    endpoint.start_agent()
    assert numbers(relay) == before
