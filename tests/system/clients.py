"""One relay, one host and one engineer for all tests of a file: what the tests of SSH clients share. Which store the
relay has makes no difference to a client, so it is SQLite."""

import contextlib
import hashlib
import os
import pathlib
import shlex
import subprocess
import tempfile

import towline

LANES = ["bastion", "end-to-end"]
HOST = "host-a"


class Desk:
    def __init__(self, place):
        self.place = place
        self.relay = towline.Relay(place / "relay").start()
        self.engineer = towline.Engineer(place / "engineer", self.relay).log_in()
        self.endpoint = towline.Endpoint(place / HOST, HOST, self.relay)
        self.endpoint.enrol()
        self.endpoint.start_helper().start_agent()
        self.ticket = self.relay.open_ticket(HOST)
        self.config = self.engineer.write_ssh_config()
        self.key = self.engineer.key
        self.port = self.relay.ssh_port
        self.remote = place / "remote"
        self.local = place / "local"
        self.home = place / "home"
        for directory in (self.remote, self.local, self.home):
            directory.mkdir(mode=0o777)

    def stop(self):
        self.endpoint.stop()
        self.relay.program.stop()

    def options(self, lane):
        """OpenSSH's options and its name for the host."""
        if lane == "bastion":
            return ["-F", str(self.config), "-o", f"User={HOST}"], "relay"
        return ["-F", str(self.config), "-J", "relay"], HOST

    def ssh(self, lane, *argv, options=(), **kwargs):
        common, host = self.options(lane)
        return self.run("ssh", *common, *options, host, *argv, **kwargs)

    def run(self, *argv, stdin=b"", timeout=60, env=None):
        """The client's home is a directory of its own: no client finds settings of ours."""
        env = {**os.environ, "HOME": str(self.home), **(env or {})}
        return subprocess.run([str(word) for word in argv], input=stdin, capture_output=True, timeout=timeout, env=env,
                              check=False)

    def jump(self):
        """A command that connects its standard streams to the host's SSH, for clients that cannot jump."""
        return shlex.join(["ssh", "-F", str(self.config), "-W", f"{HOST}:22", "relay"])

    def known_line(self, lane):
        """Of the known_hosts file: what there is to know in that lane."""
        rows = (self.engineer.directory / "known_hosts").read_text().splitlines()
        mine = f"[127.0.0.1]:{self.port} " if lane == "bastion" else HOST + " "
        return next(row for row in rows if row.startswith(mine))

    def fingerprint(self, lane):
        done = self.run("ssh-keygen", "-lf", "-", stdin=(self.known_line(lane) + "\n").encode())
        return done.stdout.split()[1].decode()


@contextlib.contextmanager
def open_desk():
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        os.chmod(directory, 0o711)
        desk = Desk(pathlib.Path(directory))
        try:
            yield desk
        finally:
            desk.stop()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def random_file(path, size):
    data = os.urandom(size)
    path.write_bytes(data)
    return data
