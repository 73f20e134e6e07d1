"""Rights that are taken away are gone at once: running sessions end, and old connections open no new ones."""

import subprocess

import pytest
import signed
from towline import until

LANES = ["bastion", "end-to-end"]


@pytest.fixture
def begun(relay, engineer, endpoint):
    """Starts a session that would last."""
    relay.open_ticket(endpoint.name)
    started = []

    def begin(lane):
        argv = engineer.ssh_argv(lane, endpoint.name)
        running = subprocess.Popen(argv + ["echo begun; exec tail -f /dev/null"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True)
        started.append(running)
        assert running.stdout.readline() == "begun\n"
        return running

    yield begin
    for running in started:
        running.kill()
        running.wait(60)


@pytest.mark.parametrize("lane", LANES)
def test_a_user_who_is_locked_out_by_command_is_out(relay, engineer, endpoint, begun, lane):
    running = begun(lane)
    again = engineer.ssh_argv(lane, endpoint.name)
    relay.command("user", "disable", "erin")
    assert running.wait(60) != 0
    relay.add_user("root", "admin")
    ended = until(lambda: [s for s in relay.items("/v1/sessions", token="root") if s["state"] == "ended"], "it has ended")
    assert ended[0]["reason"] == "the engineer was locked out"
    done = subprocess.run([*again, "echo in"], text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == "" and "denied" in done.stderr.lower()


def test_a_key_that_is_taken_away_opens_nothing_on_an_old_connection(relay, engineer, endpoint, begun, place):
    running = begun("end-to-end")
    config = engineer.write_ssh_config()
    master = subprocess.Popen(["ssh", "-F", config, "-M", "-N", "-S", place / "master", "relay"])
    until(lambda: (place / "master").exists(), "the old connection is there")
    through = ["ssh", "-F", config, "-o", f"ProxyCommand=ssh -F {config} -S {place}/master -W %h:22 relay", endpoint.name]
    done = subprocess.run([*through, "echo in"], text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == "in\n", done.stderr
    relay.add_user("root", "admin")
    done = relay.call("DELETE", "/v1/users/erin/keys", token="root",
                      params={"fingerprint": signed.fingerprint(engineer.key)})
    assert done.status_code == 204, done.text
    assert running.wait(60) != 0
    done = subprocess.run([*through, "echo in"], text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == "" and done.returncode == 255
    assert len(relay.items("/v1/sessions", token="root")) == 2, "the third was not even asked for"
    master.kill()
    master.wait(60)


def test_only_admins_take_rights_away(relay, engineer):
    key = signed.fingerprint(engineer.key)
    assert relay.call("DELETE", "/v1/users/erin/keys", params={"fingerprint": key}).status_code == 403
    assert relay.call("POST", "/v1/users/erin/disable").status_code == 403
    relay.add_user("root", "admin")
    done = relay.call("DELETE", "/v1/users/erin/keys", token="root", params={"fingerprint": "SHA256:none"})
    assert done.status_code == 404
