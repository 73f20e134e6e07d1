"""A code after the key, with stock OpenSSH; oathtool is the phone."""

import os
import re
import subprocess
import time

import pytest
from towline import BIN, Engineer, Relay, until


class Phone:
    """Shows each code once: this step's, then the next one, which the relay takes, too."""

    def __init__(self, uri):
        self.secret = re.search(r"secret=([A-Z2-7]+)", uri)[1]
        self.last = 0

    def code(self):
        step = max(self.last + 1, int(time.time()) // 30)
        until(lambda: step <= int(time.time()) // 30 + 1, "the step after the last one is near")
        self.last = step
        return subprocess.run(["oathtool", "--totp", "-b", "-N", f"@{step * 30}", self.secret], text=True,
                              capture_output=True, check=True).stdout.strip()


@pytest.fixture
def store():
    """Unit tests are run on both."""


@pytest.fixture
def host(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    return endpoint.name


@pytest.fixture
def phone(relay, engineer):
    shown = relay.command("user", "totp", engineer.login).stdout
    phone = Phone(shown)
    phone.recovery = re.findall(r"^  (\S+)$", shown, re.MULTILINE)
    return phone


def ssh(engineer, host, answers, *argv, options=(), lane="bastion"):
    """ssh with somebody at its terminal who types these answers."""
    given = engineer.directory / "answers"
    given.write_text("".join(answer + "\n" for answer in answers))
    askpass = engineer.directory / "askpass"
    askpass.write_text(f'#!/bin/sh\necho "$1" >>{given}.asked\nhead -1 {given}\nsed -i 1d {given}\n')
    askpass.chmod(0o700)
    (engineer.directory / "answers.asked").unlink(missing_ok=True)
    config = engineer.write_ssh_config()
    config.write_text(config.read_text().replace(" BatchMode yes\n", ""))
    target = ["-l", host, "relay"] if lane == "bastion" else ["-J", "relay", host]
    return subprocess.run(["ssh", "-F", str(config), *options, *target, *argv], text=True, capture_output=True,
                          timeout=60, check=False, stdin=subprocess.DEVNULL, start_new_session=True,
                          env={**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force",
                               "DISPLAY": "none:0"})


@pytest.mark.parametrize("lane", ["bastion", "end-to-end"])
def test_a_code_is_asked_for_after_the_key(engineer, host, phone, lane):
    done = ssh(engineer, host, [phone.code()], "echo in", lane=lane)
    assert done.stdout == "in\n", done.stderr
    assert "Code of your second factor" in (engineer.directory / "answers.asked").read_text()


def test_a_key_alone_does_not_do(relay, engineer, host, phone):
    done = engineer.ssh("bastion", host, "true")
    assert done.returncode == 255
    assert "(keyboard-interactive)" in done.stderr
    assert relay.items("/v1/sessions") == []


def test_wrong_codes_and_used_ones_are_refused_and_on_the_trail(relay, engineer, host, phone):
    code = phone.code()
    done = ssh(engineer, host, ["000000", code], "echo in")
    assert done.stdout == "in\n", done.stderr
    assert ssh(engineer, host, [code, code, code], "true").returncode == 255
    trail = relay.command("audit", "export").stdout
    assert trail.count('"second-factor.refuse"') >= 4
    assert phone.secret not in trail + relay.program.text()
    assert code not in trail + relay.program.text()


def test_a_recovery_code_stands_in_for_the_phone_once(engineer, host, phone):
    assert ssh(engineer, host, [phone.recovery[0]], "echo in").stdout == "in\n"
    assert ssh(engineer, host, [phone.recovery[0]] * 3, "true").returncode == 255


def test_a_code_without_a_key_opens_nothing(relay, engineer, host, phone):
    done = ssh(engineer, host, [phone.code()], "true", options=["-o", "PubkeyAuthentication=no"])
    assert done.returncode == 255
    assert not (engineer.directory / "answers.asked").exists()


def test_a_code_is_that_of_the_keys_owner(relay, place, engineer, host, phone):
    other = Engineer(place / "mallory", relay, login="mallory")
    theirs = Phone(relay.command("user", "totp", "mallory").stdout)
    done = ssh(engineer, host, [theirs.code()] * 3, "true",
               options=["-o", f"IdentityFile={engineer.key}", "-o", f"IdentityFile={other.key}"])
    assert done.returncode == 255
    assert all(s["engineer"] != "mallory" for s in relay.items("/v1/sessions"))


def test_engineers_enrol_themselves(engineer, host):
    argv = [BIN / "towline", "totp", "enrol"]
    env = {**os.environ, "TOWLINE_CONFIG": str(engineer.directory / "config.yaml")}
    running = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    uri = next(line for line in running.stdout if line.startswith("otpauth://"))
    phone = Phone(uri)
    rest, _ = running.communicate(phone.code() + "\n", timeout=60)
    assert running.returncode == 0
    assert len(re.findall(r"^  (?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}$", rest, re.MULTILINE)) == 10
    assert engineer.ssh("bastion", host, "true").returncode == 255


def test_whoever_has_none_is_told_how_to_get_one_where_it_is_required(place):
    relay = Relay(place / "strict", settings="ssh:\n  second_factor: required\n").start()
    try:
        engineer = Engineer(place / "strict-engineer", relay).log_in()
        done = engineer.ssh("bastion", "web-01", "true")
        assert done.returncode == 255
        assert "towline totp enrol" in relay.program.text()
    finally:
        relay.program.stop()


def test_an_administrator_takes_it_away(relay, engineer, host, phone):
    relay.command("user", "totp", engineer.login, "--remove")
    done = engineer.ssh("bastion", host, "echo in")
    assert done.stdout == "in\n", done.stderr + relay.program.text()


def test_the_store_holds_neither_secret_nor_codes(relay, engineer, phone):
    assert (relay.directory / "secrets.key").stat().st_mode & 0o777 == 0o600
    database = relay.directory / "relay.db"
    if database.exists():
        text = b"".join(path.read_bytes() for path in relay.directory.glob("relay.db*"))
        assert phone.secret.encode() not in text
        assert phone.recovery[0].replace("-", "").encode() not in text
