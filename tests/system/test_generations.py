"""Two agents with one identity, as after cloning a machine: the one that was started last is the host."""

import shutil
import signal

import pytest
import towline
from cutter import Cutter
from towline import until


@pytest.fixture
def cutter(relay):
    cutter = Cutter()
    cutter.target = lambda: relay.read_ports()["https_port"]
    yield cutter
    cutter.close()


@pytest.fixture
def old(relay, cutter, engineer, make_endpoint):
    endpoint = make_endpoint()
    endpoint.enrol(relay.command("enrol-token", "create", "--url", f"https://127.0.0.1:{cutter.port}").stdout)
    return endpoint.start_agent()


@pytest.fixture
def clone(old, make_endpoint):
    """A copy of the old agent's state, not running yet."""
    endpoint = make_endpoint()
    shutil.rmtree(endpoint.directory / "state")
    shutil.copytree(old.directory / "state", endpoint.directory / "state", symlinks=True)
    (endpoint.directory / "helper").rmdir()
    shutil.copytree(old.directory / "helper", endpoint.directory / "helper", symlinks=True)
    endpoint.name = old.name
    return endpoint


def test_the_newer_agent_takes_over(relay, engineer, old, clone):
    clone.start_helper().start_agent()
    until(lambda: not old.agent.running(), "the older one has ended")
    assert "has connected later: this one ends" in old.agent.text()
    assert clone.connected()
    relay.open_ticket(clone.name)
    assert engineer.ssh("bastion", clone.name, "echo in").stdout == "in\n"


def test_an_older_agent_that_comes_later_is_turned_away(relay, cutter, old, clone):
    old.agent.process.send_signal(signal.SIGSTOP)
    cutter.cut()
    clone.start_helper().start_agent()
    old.agent.process.send_signal(signal.SIGCONT)
    until(lambda: not old.agent.running(), "the older one has ended")
    assert clone.connected()
    assert "an older agent with the same key was turned away" in relay.program.text()


def test_after_the_relays_restart_the_newer_one_is_still_the_host(relay, cutter, old, clone):
    old.agent.process.send_signal(signal.SIGSTOP)
    clone.start_helper().start_agent()
    relay.program.kill()
    relay.start()
    old.agent.process.send_signal(signal.SIGCONT)
    until(lambda: not old.agent.running(), "the older one has ended")
    until(clone.connected, "the newer one is back")


def test_a_restarted_agent_is_newer_than_it_was(relay, old):
    old.agent.kill()
    old.start_agent()
    until(lambda: towline.json.loads(old.command("status", "--json").stdout)["connected"], "it is connected again")
