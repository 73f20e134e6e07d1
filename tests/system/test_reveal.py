"""Pseudonyms from end to end: a bundle of the level "identities", what is in it and what is not, and the
originals on the machine that made it."""

import io
import os
import re
import stat
import subprocess
import tarfile

import pytest
from towline import BIN, run

AGENT = BIN / "towline-agent"
NOT_FOUND, USAGE, CONFIG, REFUSED = 66, 64, 78, 77
LOG = """\
2026-11-01T12:34:56Z zuluhost app[1]: login of ada.lovelace from 10.20.30.40 port 22
2026-11-01T12:34:57Z zuluhost app[1]: peer 10.20.30.41 (10.20.30.0/24), ip-10-20-30-40, v6 2a02:8070:1::5
2026-11-01T12:34:58Z zuluhost app[1]: mail to Ada.Lovelace@zulucorp.com via mx1.zulucorp.com 00:11:22:33:44:55
2026-11-01T12:34:59Z zuluhost app[1]: version 10.20.30.40, started /home/ada.lovelace/run, project bluebird
"""
ORIGINALS = ["zuluhost", "lovelace", "10.20.30.4", "10-20-30-40", "2a02:8070", "zulucorp", "00:11:22:33", "bluebird"]


class Site:
    """A machine whose owner names its people and hosts, with one collector of a log."""

    def __init__(self, place):
        self.place = place
        self.state = place / "state"
        self.log = place / "app.log"
        self.log.write_text(LOG)
        for name in ("profiles.d", "collectors.d"):
            (place / "etc" / name).mkdir(parents=True)
        (place / "etc" / "identities.yaml").write_text(
            "hosts: [zuluhost]\ndomains: [zulucorp.com]\nusers: [ada.lovelace]\nkeywords: [bluebird]\n")
        (place / "etc" / "profiles.d" / "mine.yaml").write_text("name: mine\nsummary: a test\ngroups: [site]\n")
        (place / "etc" / "collectors.d" / "site.yaml").write_text(
            f"collectors:\n  - name: app-log\n    summary: a log\n    kind: files\n    paths: [{self.log}]\n")
        self.env = {"TOWLINE_ETC": str(place / "etc"), "TOWLINE_STATE": str(self.state), "HOME": str(place)}

    def agent(self, *argv, **kwargs):
        return run(AGENT, *argv, env=self.env, **kwargs)

    def collect(self, name="a.tar.zst"):
        done = self.agent("collect", "--profile", "mine", "--level", "identities", "--output", self.place / name)
        assert done.returncode == 0, done.stderr
        return self.members(self.place / name)

    @staticmethod
    def members(path):
        plain = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            return {member.name.split("/", 1)[1]: archive.extractfile(member).read().decode(errors="replace")
                    for member in archive}


@pytest.fixture
def site(place):
    return Site(place)


def log_of(members):
    return next(text for path, text in members.items() if path.endswith("app.log"))


def test_a_bundle_has_pseudonyms_and_no_identity(site):
    log = log_of(site.collect())
    assert [word for word in ORIGINALS if word in log.lower().replace("version 10.20.30.40", "")] == []
    assert "12:34:56" in log and "version 10.20.30.40" in log
    assert re.search(r"login of user-[0-9a-z]{6} from 10\.\d+\.\d+\.\d+ port 22", log)
    assert re.search(r"user-[0-9a-z]{6}@domain-[0-9a-z]{6}\.invalid", log)


def test_no_member_holds_the_map_or_the_key(site):
    members = site.collect()
    key = (site.state / "pseudonyms.key").read_text().strip()
    for path, text in members.items():
        assert key not in text, path
        assert "ada.lovelace" not in text.lower(), path


def test_two_bundles_name_one_thing_alike(site):
    assert log_of(site.collect("a.tar.zst")) == log_of(site.collect("b.tar.zst"))


def test_another_key_makes_other_pseudonyms(site):
    before = log_of(site.collect("a.tar.zst"))
    (site.state / "pseudonyms.key").write_text("ab" * 32 + "\n")
    assert log_of(site.collect("b.tar.zst")) != before


def test_the_text_of_a_bundle_is_revealed(site):
    log = log_of(site.collect())
    done = site.agent("reveal", "-", stdin=log)
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower() == LOG.lower()
    (site.place / "log.txt").write_text(log)
    assert site.agent("reveal", "--bundle-text", site.place / "log.txt").stdout == done.stdout


def test_one_pseudonym_is_revealed(site):
    user = re.search(r"user-[0-9a-z]{6}", log_of(site.collect()))[0]
    assert site.agent("reveal", user).stdout == "ada.lovelace\n"


def test_an_unknown_pseudonym_is_said_to_be_unknown(site):
    site.collect()
    done = site.agent("reveal", "user-000000")
    assert done.returncode == NOT_FOUND
    assert "user-000000 is no pseudonym that was given on this machine" in done.stderr


def test_reveal_wants_something_to_reveal(site):
    assert site.agent("reveal").returncode == USAGE
    assert site.agent("reveal", "--bundle-text", "-", "user-000000").returncode == USAGE


def test_key_and_map_are_their_owners_alone(site):
    site.collect()
    for name in ("pseudonyms.key", "pseudonyms.map"):
        assert stat.S_IMODE((site.state / name).stat().st_mode) == 0o600
    os.chmod(site.state / "pseudonyms.map", 0o644)
    done = site.agent("reveal", "user-000000")
    assert done.returncode == REFUSED
    assert "pseudonyms.map" in done.stderr


def test_a_key_that_others_can_read_stops_the_collection(site):
    site.collect()
    os.chmod(site.state / "pseudonyms.key", 0o644)
    output = site.place / "b.tar.zst"
    done = site.agent("collect", "--profile", "mine", "--level", "identities", "--output", output)
    assert done.returncode == REFUSED and "pseudonyms.key" in done.stderr
    assert not output.exists()


def test_a_wrong_site_file_stops_the_collection(site):
    (site.place / "etc" / "identities.yaml").write_text("host: [a]\n")
    output = site.place / "b.tar.zst"
    done = site.agent("collect", "--profile", "mine", "--level", "identities", "--output", output)
    assert done.returncode == CONFIG
    assert "identities.yaml:1: " in done.stderr
    assert not output.exists()
