"""A full disk at the endpoint: one sentence to the user, nothing claimed, and the queue is as it was."""

import os
import pathlib
import subprocess

import pytest
from towline import until

MEGABYTE = 1024 * 1024
# A small disk of its own over the state directory, seen by the agent alone, with what enrolment left there.
SMALL_DISK = """set -e
mkdir "$1.disk"
mount -t tmpfs -o size=8m,mode=700 tmpfs "$1.disk"
cp -a "$1/." "$1.disk/"
mount --bind "$1.disk" "$1"
shift
exec "$@"
"""


def may_mount():
    if os.geteuid() != 0:
        return False
    done = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return done.returncode == 0


pytestmark = pytest.mark.skipif(not may_mount(), reason="needs root, to mount a small disk in a namespace of its own")


@pytest.fixture
def small(relay, engineer, make_endpoint):
    endpoint = make_endpoint()
    endpoint.enrol()
    endpoint.start_agent("unshare", "--mount", "--propagation", "private", "sh", "-c", SMALL_DISK, "sh",
                         endpoint.directory / "state")
    return endpoint


class Filler:
    """A file on the agent's small disk that takes all there is."""

    def __init__(self, endpoint):
        self.path = pathlib.Path(f"/proc/{endpoint.agent.process.pid}/root{endpoint.directory}/state/filler")

    def fill(self):
        with open(self.path, "wb", buffering=0) as file:
            for size in (MEGABYTE, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def remove(self):
        self.path.unlink()


def queued(endpoint):
    return endpoint.status()["queue"]["items"]


def test_help_that_finds_no_room_is_refused_with_one_sentence(relay, small):
    Filler(small).fill()
    done = small.get_help("the disk is full", check=False)
    assert done.returncode != 0
    assert "space" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "T-" not in done.stdout and "queue" not in done.stdout.lower()
    assert queued(small) == 0
    assert relay.items("/v1/tickets?state=all") == []


def test_it_works_again_when_there_is_room(relay, small):
    filler = Filler(small)
    filler.fill()
    small.get_help("no room yet", check=False)
    filler.remove()
    small.get_help("there is room")
    assert [t["summary"] for t in relay.items("/v1/tickets?state=all")] == ["there is room"]


def test_what_was_queued_before_is_delivered_once(relay, small):
    relay.read_ports()
    relay.program.kill()
    small.get_help("before", "--no-wait")
    filler = Filler(small)
    filler.fill()
    assert small.get_help("during", "--no-wait", check=False).returncode != 0
    assert queued(small) == 1
    relay.start()
    number = until(lambda: relay.items("/v1/tickets?state=all")[0], "the ticket is filed")["number"]
    filler.remove()
    until(lambda: relay.get(f"/v1/tickets/{number}").json()["bundles"], "the bundle follows")
    assert [t["summary"] for t in relay.items("/v1/tickets?state=all")] == ["before"]
    until(lambda: queued(small) == 0, "the queue is empty")
