"""kill -9 of each process during each step: nothing that was acknowledged is lost, nothing is there twice."""

import subprocess

import pytest
from towline import until


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


@pytest.fixture
def running(relay, engineer, endpoint):
    endpoint.get_help("a session")
    until(lambda: numbers(relay), "a ticket is on the desk")
    argv = engineer.ssh_argv("bastion", endpoint.name) + ["echo begun; exec tail -f /dev/null"]
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


def test_relay_killed_in_a_session_ends_it_and_keeps_the_recording(relay, endpoint, running):
    relay.read_ports()
    relay.program.kill()
    assert running.wait(60) != 0
    relay.start()
    until(lambda: relay.items("/v1/sessions")[0]["state"] == "ended", "the desk knows that it ended")
    until(endpoint.connected, "the agent is back")


def test_acknowledged_tickets_survive_a_killed_relay(relay, engineer):
    made = [relay.call("POST", "/v1/tickets", json={"summary": f"ticket {i}"}).json()["number"] for i in range(30)]
    relay.read_ports()
    relay.program.kill()
    relay.start()
    assert sorted(numbers(relay)) == sorted(made)
    assert relay.command("audit", "verify").returncode == 0
