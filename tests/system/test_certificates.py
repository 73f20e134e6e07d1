"""Engineers who log in with an OpenSSH user certificate instead of a registered key."""

import subprocess

import pytest
from towline import Relay, until

LANES = ["bastion", "end-to-end"]


@pytest.fixture
def authority(place):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / "authority"], check=True)
    return place / "authority"


@pytest.fixture
def revoked(place):
    file = place / "revoked"
    file.write_text("# none yet\n")
    return file


@pytest.fixture
def relay(place, store, authority, revoked):
    settings = f"ssh_certificates:\n  authorities: {authority}.pub\n  revoked: {revoked}\n"
    relay = Relay(place / "relay", store, settings=settings).start()
    yield relay
    relay.program.stop()


@pytest.fixture
def certify(engineer, authority):
    """Gives the engineer a key that is registered nowhere, and a certificate for it."""

    def make(*options, principal="erin", serial=1):
        key = engineer.directory / f"certified-{serial}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", f"erin-{serial}", "-n", principal, "-z", str(serial),
                        "-V", "-1m:+1h", *options, f"{key}.pub"], check=True)
        engineer.key = key
        return engineer

    return make


@pytest.fixture
def host(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    return endpoint.name


@pytest.mark.parametrize("lane", LANES)
def test_a_certificate_for_a_login_lets_its_engineer_in(relay, certify, host, lane):
    done = certify().ssh(lane, host, "echo in")
    assert done.stdout == "in\n", done.stderr
    assert relay.items("/v1/sessions")[0]["engineer"] == "erin"


def test_a_certificate_for_nobody_here_is_refused(certify, host):
    done = certify(principal="mallory").ssh("bastion", host, "true")
    assert done.returncode == 255 and "Permission denied" in done.stderr


def test_a_certificate_of_another_authority_is_refused(place, relay, engineer, certify, host):
    certify()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / "other"], check=True)
    subprocess.run(["ssh-keygen", "-q", "-s", place / "other", "-I", "x", "-n", "erin", f"{engineer.key}.pub"], check=True)
    done = engineer.ssh("bastion", host, "true")
    assert done.returncode == 255 and "Permission denied" in done.stderr
    until(lambda: "SSH connection without login" in relay.program.text(), "it is over")
    assert '"ssh.refuse"' not in relay.command("audit", "export").stdout  # strangers write no rows


def test_a_revoked_certificate_is_refused_from_the_next_login_on(relay, certify, host, revoked):
    engineer = certify(serial=7)
    assert engineer.ssh("bastion", host, "true").returncode == 0
    revoked.write_text("serial 7\n")
    assert engineer.ssh("bastion", host, "true").returncode == 255
    assert "the certificate was revoked" in relay.program.text()
    trail = until(lambda: (text := relay.command("audit", "export").stdout) and '"ssh.refuse"' in text and text,
                  "it is on the audit trail")
    assert "the certificate was revoked" in trail and "erin-7" in trail
    assert '"ssh.login"' in trail


def test_a_certificate_without_permits_runs_commands_only(certify, host):
    engineer = certify("-O", "clear")
    assert engineer.ssh("bastion", host, "echo in").stdout == "in\n"
    done = engineer.ssh("bastion", host, "true", options=["-tt"])
    assert "your certificate permits no terminal" in done.stdout + done.stderr
    assert engineer.ssh("end-to-end", host, "true").returncode == 255


def test_a_revocation_list_of_openssh_is_obeyed(place, relay, engineer, certify, host, revoked):
    registered = engineer.key
    engineer = certify(serial=7)
    specification = place / "specification"
    specification.write_text("serial: 5-9\n")
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, "-s", place / "authority.pub", specification], check=True)
    assert engineer.ssh("bastion", host, "true").returncode == 255
    assert "the key revocation list names it" in relay.program.text()
    engineer.key = registered
    assert engineer.ssh("bastion", host, "true").returncode == 0
    subprocess.run(["ssh-keygen", "-q", "-k", "-u", "-f", revoked, f"{registered}.pub"], check=True)
    assert engineer.ssh("bastion", host, "true").returncode == 255


@pytest.mark.parametrize("text", ["serial one\n", "SSHKRL\n\0 damaged", "# text\n\0serial 1\n"])
def test_a_list_that_is_not_understood_lets_nobody_in(relay, certify, host, revoked, text):
    revoked.write_text(text)
    assert certify().ssh("bastion", host, "true").returncode == 255
    assert any(why in relay.program.text() for why in ("a line that is none", "list is not understood", "is neither text"))
