"""`towline login`: the relay's own SSH authority, with ssh and ssh-keygen as those who judge its certificates."""

import os
import re
import subprocess

import pytest
from test_second_factor import Phone
from towline import Engineer, Relay

LANES = ["bastion", "end-to-end"]


@pytest.fixture
def store():
    """Unit tests are run on both."""


@pytest.fixture
def engineer(place, relay):
    """Whose key is registered nowhere."""
    engineer = Engineer(place / "engineer", relay, login="mary")
    relay.add_user("erin")
    engineer.login, engineer.token = "erin", relay.tokens["erin"]
    return engineer.log_in()


@pytest.fixture
def host(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    return endpoint.name


def shown(engineer):
    return subprocess.run(["ssh-keygen", "-L", "-f", engineer.directory / "ssh_key-cert.pub"], text=True,
                          capture_output=True, check=True).stdout


def ssh(engineer, lane, host, command="echo in"):
    """By what `towline ssh-config` says, and no key of the engineer's own."""
    config = engineer.directory / "generated"
    text = engineer.towline("ssh-config").stdout
    config.write_text("BatchMode yes\nIdentityAgent none\nLogLevel ERROR\n" + text)
    target = ["-l", host, "towline-relay"] if lane == "bastion" else [f"{host}.towline"]
    return subprocess.run(["ssh", "-F", str(config), *target, command], text=True, capture_output=True, timeout=60,
                          check=False)


@pytest.mark.parametrize("lane", LANES)
def test_who_logged_in_reaches_hosts_without_a_registered_key(relay, engineer, host, lane):
    done = ssh(engineer, lane, host)
    assert done.stdout == "in\n", done.stderr
    assert relay.items("/v1/sessions")[0]["engineer"] == "erin"


def test_the_certificate_is_short_and_says_who_it_is_for(relay, engineer):
    text = shown(engineer)
    assert re.search(r"Principals:\s+erin\s+Critical Options: \(none\)", text), text
    assert "Type: ssh-ed25519-cert-v01@openssh.com user certificate" in text
    assert 'Key ID: "erin towline #1"' in text and "Serial: 1\n" in text
    authority = relay.command("ca", "show").stdout
    (engineer.directory / "ca.pub").write_text(authority)
    fingerprint = subprocess.run(["ssh-keygen", "-l", "-f", engineer.directory / "ca.pub"], text=True,
                                 capture_output=True, check=True).stdout.split()[1]
    assert fingerprint in text
    assert (engineer.directory / "ssh_key").stat().st_mode & 0o777 == 0o600
    assert relay.command("ca", "list").stdout.split()[:2] == ["1", "erin"]
    assert '"ssh-certificate.issue"' in relay.command("audit", "export").stdout


def test_a_new_login_has_a_new_key_and_serial(engineer):
    before = (engineer.directory / "ssh_key").read_text()
    engineer.towline("login")
    assert (engineer.directory / "ssh_key").read_text() != before
    assert "Serial: 2\n" in shown(engineer)


def test_a_key_of_ones_own_is_certified_where_it_lies(engineer, host):
    engineer.towline("login", "--ssh-key", engineer.key)
    assert f'IdentityFile "{engineer.key}"' in engineer.towline("ssh-config").stdout
    assert ssh(engineer, "bastion", host).stdout == "in\n"


def test_a_certificate_can_be_bound_to_an_address(relay, engineer, host):
    engineer.towline("login", "--bind-address")
    assert "source-address 127.0.0.1" in shown(engineer)
    assert ssh(engineer, "bastion", host).stdout == "in\n"
    config = engineer.directory / "generated"
    config.write_text("BindAddress 127.0.0.9\n" + config.read_text())
    done = subprocess.run(["ssh", "-F", str(config), "-l", host, "towline-relay", "true"], capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == 255
    assert "not for this address" in relay.program.text()


REVOKED = {
    "serial": ["serial", "1"],
    "key id": ["id", "erin towline #1"],
    "key": ["key", "{directory}/ssh_key.pub"],
    "authority": ["key", "{directory}/ca.pub"],
}


@pytest.mark.parametrize("what", sorted(REVOKED))
def test_what_was_revoked_opens_nothing(relay, engineer, host, what):
    assert ssh(engineer, "bastion", host).stdout == "in\n"
    (engineer.directory / "ca.pub").write_text(relay.command("ca", "show").stdout)
    public = subprocess.run(["ssh-keygen", "-y", "-f", engineer.directory / "ssh_key"], text=True, capture_output=True,
                            check=True).stdout
    (engineer.directory / "ssh_key.pub").write_text(public)
    relay.command("revoke", *[word.format(directory=engineer.directory) for word in REVOKED[what]], "--reason", "lost it")
    assert ssh(engineer, "bastion", host).returncode == 255
    assert f"it was revoked by its {'key' if what == 'authority' else what}: lost it" in relay.program.text()
    assert "lost it" in relay.command("revoke", "list").stdout
    assert '"ssh.revoke"' in relay.command("audit", "export").stdout


def test_a_registered_key_can_be_revoked(relay, place, host):
    other = Engineer(place / "other", relay, login="olga").log_in()
    assert other.ssh("bastion", host, "echo in").stdout == "in\n"
    relay.command("revoke", "key", other.key.with_suffix(".pub"))
    assert other.ssh("bastion", host, "true").returncode == 255


def test_a_disabled_user_has_no_use_of_a_certificate(relay, engineer, host):
    relay.command("user", "disable", "erin")
    assert relay.call("GET", "/v1/me").status_code == 401
    config = engineer.directory / "generated"
    config.write_text("".join(f"{line}\n" for line in (
        "BatchMode yes", f"CertificateFile {engineer.directory}/ssh_key-cert.pub", "IdentityAgent none",
        f"IdentityFile {engineer.directory}/ssh_key", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null")))
    done = subprocess.run(["ssh", "-F", str(config), "-p", str(relay.ssh_port), "-l", host, "127.0.0.1", "true"],
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 255


def test_the_second_factor_is_asked_for_at_login_and_then_for_the_day(relay, engineer, host):
    phone = Phone(relay.command("user", "totp", "erin").stdout)
    assert ssh(engineer, "bastion", host).returncode == 255  # issued without a code: one is asked for
    done = engineer.towline("login", check=False)
    assert done.returncode != 0 and "second factor" in done.stderr
    assert engineer.towline("login", stdin="000000\n", check=False).returncode != 0
    engineer.towline("login", stdin=phone.code() + "\n")
    assert "second-factor@towline" in shown(engineer)
    for _ in range(2):
        assert ssh(engineer, "bastion", host).stdout == "in\n"


def test_another_authority_cannot_say_that_a_code_was_shown(place, relay, engineer, host):
    for name in ("mine", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
    subprocess.run(["ssh-keygen", "-q", "-s", place / "mine", "-I", "x", "-n", "erin", "-O",
                    "extension:second-factor@towline", place / "key.pub"], check=True)
    with open(relay.config, "a", encoding="utf-8") as file:
        file.write(f"ssh_certificates:\n  authorities: {place}/mine.pub\n")
    relay.program.stop()
    relay.start()
    engineer.key = place / "key"
    assert engineer.ssh("bastion", host, "true").returncode == 0
    relay.command("user", "totp", "erin")
    assert engineer.ssh("bastion", host, "true").returncode == 255


def test_a_relay_without_an_authority_still_lets_log_in(place):
    relay = Relay(place / "old")
    (relay.directory / "ssh_user_ca.key").unlink()
    relay.start()
    try:
        engineer = Engineer(place / "old-engineer", relay)
        done = engineer.towline("login", "--relay", relay.url, "--ca", relay.ca, stdin=engineer.token + "\n")
        assert "no SSH certificate" in done.stderr
        assert not os.path.exists(engineer.directory / "ssh_key-cert.pub")
        assert relay.command("ca", "create").stdout.startswith("ssh-ed25519 ")
    finally:
        relay.program.stop()


def test_nobody_gets_a_certificate_for_longer_or_for_a_weak_key(relay, engineer):
    key = (engineer.directory / "id_ed25519.pub").read_text()
    reply = relay.call("POST", "/v1/me/ssh-certificates", json={"key": key, "life_s": 86400})
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:towline:problem:life-too-long")
    weak = subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", engineer.directory / "weak"],
                          check=True)
    assert weak.returncode == 0
    key = (engineer.directory / "weak.pub").read_text()
    assert relay.call("POST", "/v1/me/ssh-certificates", json={"key": key}).status_code >= 400
    certificate = (engineer.directory / "ssh_key-cert.pub").read_text()
    assert relay.call("POST", "/v1/me/ssh-certificates", json={"key": certificate}).status_code >= 400
