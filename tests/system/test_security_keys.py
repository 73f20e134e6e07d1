"""Security keys (sk-ssh-ed25519, sk-ecdsa) with stock OpenSSH and a key in software."""

import base64
import os
import pathlib
import subprocess

import pytest
from towline import BIN

LANES = ["bastion", "end-to-end"]
KINDS = ["ed25519-sk", "ecdsa-sk"]


@pytest.fixture
def store():
    """Keys are keys on every store."""


@pytest.fixture
def provider():
    return BIN.parent / "tests" / "system" / "towline_security_key.so"


@pytest.fixture
def host(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    return endpoint.name


@pytest.fixture
def make_key(engineer, provider):
    def make(kind, *options):
        engineer.key = engineer.directory / f"id_{kind}"
        done = subprocess.run(["ssh-keygen", "-q", "-t", kind, "-w", provider, "-N", "", "-f", engineer.key, *options],
                              text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return pathlib.Path(f"{engineer.key}.pub")

    return make


def ssh(engineer, provider, lane, host, touched=True, options=()):
    env = {**os.environ, **({} if touched else {"TOWLINE_TEST_UNTOUCHED": "1"})}
    argv = engineer.ssh_argv(lane, host, *options)
    config = engineer.directory / "ssh_config"
    config.write_text(config.read_text() + f" SecurityKeyProvider {provider}\n")
    return subprocess.run([*argv, "echo in"], text=True, capture_output=True, timeout=60, check=False, env=env,
                          stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_registered_security_key_opens_both_lanes(relay, engineer, provider, host, make_key, kind, lane):
    relay.command("user", "key", "add", engineer.login, make_key(kind))
    done = ssh(engineer, provider, lane, host)
    assert done.stdout == "in\n", done.stderr + relay.program.text()[-1000:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_security_key_that_nobody_touched_opens_nothing(relay, engineer, provider, host, make_key, kind):
    relay.command("user", "key", "add", engineer.login, make_key(kind, "-O", "no-touch-required"))
    done = ssh(engineer, provider, "bastion", host, touched=False)
    assert done.returncode == 255 and "Permission denied" in done.stderr
    assert "signed without anybody touching it" in relay.program.text()
    assert relay.items("/v1/sessions") == []


def test_the_endpoint_looks_for_itself(relay, engineer, endpoint, provider, host, make_key):
    """The relay is reached by a plain key, the endpoint by a security key that nobody touches."""
    plain = engineer.key
    security_key = make_key("ed25519-sk", "-O", "no-touch-required")
    relay.command("user", "key", "add", engineer.login, security_key)
    argv = engineer.ssh_argv("end-to-end", host)
    config = engineer.directory / "ssh_config"
    text = config.read_text().replace(f" IdentityFile {engineer.key}\n", "")
    config.write_text(f"Host relay\n IdentityFile {plain}\nHost {host}\n IdentityFile {engineer.key}\n{text}"
                      f" SecurityKeyProvider {provider}\n")
    for untouched, opens in ((True, False), (False, True)):
        env = {**os.environ, **({"TOWLINE_TEST_UNTOUCHED": "1"} if untouched else {})}
        done = subprocess.run([*argv, "echo in"], text=True, capture_output=True, timeout=60, check=False, env=env,
                              stdin=subprocess.DEVNULL)
        assert (done.stdout == "in\n") == opens, done.stderr


def test_a_key_of_a_web_site_is_not_registered(relay, engineer, make_key):
    """Its signatures could be had by that site."""
    public = make_key("ed25519-sk", "-O", "application=ssh:work")
    name, blob, comment = public.read_text().split()
    blob = base64.b64decode(blob).replace(b"ssh:work", b"web:site")
    public.write_text(f"{name} {base64.b64encode(blob).decode()} {comment}\n")
    done = relay.command("user", "key", "add", engineer.login, public, check=False)
    assert done.returncode != 0 and "does not begin with" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_security_key_can_be_certified(relay, engineer, provider, host, make_key, kind):
    make_key(kind)
    engineer.towline("login", "--ssh-key", engineer.key)
    options = ["-o", f"CertificateFile={engineer.directory}/ssh_key-cert.pub"]
    assert ssh(engineer, provider, "bastion", host, options=options).stdout == "in\n"
    done = ssh(engineer, provider, "bastion", host, touched=False, options=options)
    assert done.returncode == 255
