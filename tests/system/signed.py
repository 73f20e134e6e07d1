"""An organisation that trusts its engineers' keys and not its relay: an offline key, a roster, an endpoint whose
policy wants requests signed. Used by the tests of engineer-signed sessions."""

import contextlib
import json
import os
import subprocess

import towline
from towline import BIN, run, until

POLICY = "sessions:\n  engineer_signed: true\n{more}  user: {user}\nconsent:\n  unattended: true\n"


def make_key(file):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", file], check=True)
    return file


def fingerprint(file):
    done = subprocess.run(["ssh-keygen", "-lf", f"{file}.pub"], text=True, capture_output=True, check=True)
    return done.stdout.split()[1]


def policy(more=""):
    import getpass
    return POLICY.format(user=getpass.getuser(), more=more)


@contextlib.contextmanager
def agent(directory, *keys):
    """An ssh-agent that holds the keys; gives its environment."""
    directory.mkdir(mode=0o700, exist_ok=True)
    env = {"SSH_AUTH_SOCK": str(directory / "agent.sock"), "HOME": str(directory)}
    program = subprocess.Popen(["ssh-agent", "-D", "-a", env["SSH_AUTH_SOCK"]], stdout=subprocess.DEVNULL)
    try:
        until(lambda: (directory / "agent.sock").exists(), "the agent listens")
        for key in keys:
            subprocess.run(["ssh-add", "-q", key], env={**os.environ, **env}, check=True)
        yield env
    finally:
        program.terminate()
        program.wait(30)


class Roster:
    def __init__(self, place):
        self.place = place
        self.file = place / "engineers.json"
        self.key = make_key(place / "offline")
        self.fingerprint = fingerprint(self.key)
        self.command("init", self.file)

    @staticmethod
    def command(*argv, check=True):
        return run(BIN / "towline", "roster", *argv, check=check)

    def add(self, login, key, *argv):
        self.command("add", self.file, login, "--name", login.capitalize() + " of the roster", "--key", f"{key}.pub",
                     *argv)

    def sign(self, key=None):
        self.command("sign", self.file, "--key", key or self.key)
        return self

    def document(self):
        return {"roster": self.file.read_text(), "signature": (self.place / "engineers.json.sig").read_text()}

    def publish(self, relay):
        relay.command("roster", "publish", self.file)


def known_version(endpoint):
    """Of the roster that the endpoint's helper keeps."""
    kept = json.loads((endpoint.directory / "helper" / "roster.json").read_text())
    return json.loads(kept["roster"])["version"]


def decided(relay, session):
    found = relay.get(f"/v1/sessions/{session}").json()
    return found if found["state"] in ("refused", "consented", "open", "ended") else None


def signed_config(engineer, *argv):
    """An ssh_config as the engineer would have it, with nothing in it but what `towline ssh-config` says."""
    config = engineer.directory / "signed_config"
    config.write_text(engineer.towline("ssh-config", "--short", "--signed", *argv).stdout)
    return config


def ssh(config, env, host, *command):
    # ssh-config's blocks start `towline`, which finds its own configuration by --config.
    return subprocess.run(["ssh", "-F", config, "-o", "BatchMode=yes", host, *command], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=towline.DEADLINE_S, check=False, env={**os.environ, **env})
