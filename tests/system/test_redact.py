"""towline-agent redact: a filter, a checker of rules, and finished bundles redacted again."""
import hashlib
import json
import os
import pathlib
import subprocess
import tarfile

import pytest

BIN = pathlib.Path(os.environ.get("TOWLINE_BIN_DIR", "build/dev/bin")).resolve()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What is compiled once serves all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def agent(tmp_path, cache):
    """Runs towline-agent with caches and keys of its own."""
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "TOWLINE_STATE": str(tmp_path / "state")}
    (tmp_path / "rules").mkdir()

    def run(*arguments, text="", status=0):
        done = subprocess.run([BIN / "towline-agent", *arguments], input=text.encode(), env=env, cwd=tmp_path,
                              capture_output=True, timeout=300)
        assert done.returncode == status, done.stderr.decode()
        return done.stdout.decode(), done.stderr.decode()
    return run


def unpack(path):
    """Member (below the top directory) → bytes, in the bundle's order."""
    packed = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
    plain = path.with_suffix("")
    plain.write_bytes(packed)
    with tarfile.open(plain) as archive:
        return {member.name.split("/", 1)[1]: archive.extractfile(member).read() for member in archive}


def test_it_is_a_filter(agent):
    out, err = agent("redact", "--rules=rules", "--report=-", "-", text="a line\nuser=u password=hunter2\n")
    assert out == "a line\nuser=u password=[redacted:assignment]\n"
    assert json.loads(err) == {"level": "secrets", "ruleset": json.loads(err)["ruleset"], "schema": 1,
                               "totals": {"assignment": 1}}


def test_files_are_read_one_after_the_other(agent, tmp_path):
    (tmp_path / "a").write_text("token: abcDEF123456\n")
    (tmp_path / "b").write_text("plain\n")
    out, _ = agent("redact", "--rules=rules", "a", "b")
    assert "abcDEF123456" not in out and out.endswith("plain\n")


def test_lines_keep_their_numbers_where_a_key_was(agent):
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEAabcdefgh\n" * 5 + "-----END RSA PRIVATE KEY-----\n"
    out, _ = agent("redact", "--rules=rules", "-", text=f"one\n{key}nine\n")
    assert out.split("\n") == ["one", "[redacted:private-key]", "", "", "", "", "", "", "nine", ""]


def test_level_off_passes_everything_and_says_so(agent):
    out, err = agent("redact", "--level=off", "--report=-", "-", text="password=hunter2\n")
    assert out == "password=hunter2\n"
    assert json.loads(err)["level"] == "off" and json.loads(err)["totals"] == {"off": 1}


def test_level_identities_replaces_addresses_too(agent):
    out, _ = agent("redact", "--level=identities", "--rules=rules", "-", text="password=hunter2 from 10.20.30.40\n")
    assert "hunter2" not in out and "10.20.30.40" not in out


def test_a_level_that_is_none_is_refused(agent):
    _, err = agent("redact", "--level=all", "-", status=64)
    assert '"all" is no level: it is secrets, identities or off' in err


def test_the_site_adds_its_own_rule(agent, tmp_path):
    (tmp_path / "rules" / "badge.yaml").write_text("rules: [{id: badge, regex: 'badge-[0-9]{6}', keywords: [badge]}]\n")
    out, _ = agent("redact", "--rules=rules", "-", text="badge-123456 came in\n")
    assert out == "[redacted:badge] came in\n"
    listed, _ = agent("redact", "--rules=rules", "--list")
    assert any(line.startswith("badge ") and "badge.yaml:1" in line for line in listed.splitlines())


def test_a_wrong_rule_is_named_with_file_and_line(agent, tmp_path):
    (tmp_path / "rules" / "x.yaml").write_text("rules:\n  - id: x\n    regex: '('\n")
    _, err = agent("redact", "--lint", "rules/x.yaml", status=78)
    assert "rules/x.yaml:3: " in err
    agent("redact", "--rules=rules", "-", text="password=hunter2\n", status=78)  # and nothing passes


def test_our_own_rules_are_good(agent):
    said, complaints = agent("redact", "--rules=rules", "--lint")
    assert said.endswith(" rules, no mistake found.\n") and not complaints


def test_what_is_named_must_be_there_and_be_meant(tmp_path):
    for argv, status, words in ((["--rules=rulez", "-"], 66, "cannot open rulez"),
                                (["--output=clean.log", "-"], 64, "--output belongs to --bundle")):
        done = subprocess.run([BIN / "towline-agent", "redact", *argv], input="password=hunter2hunter2\n", text=True,
                              capture_output=True, cwd=tmp_path, check=False)
        assert done.returncode == status and words in done.stderr and not done.stdout


def test_a_bundle_is_redacted_again_by_newer_rules(agent, tmp_path):
    agent("collect", "--profile=quick", "--output=old.tar.zst")
    agent("redact", "--bundle", "--rules=rules", "old.tar.zst", "--output=same.tar.zst")
    assert (tmp_path / "same.tar.zst").read_bytes() == (tmp_path / "old.tar.zst").read_bytes()

    (tmp_path / "rules" / "kernel.yaml").write_text("rules: [{id: kernel, regex: 'Linux', keywords: [linux]}]\n")
    agent("redact", "--bundle", "--rules=rules", "old.tar.zst", "--output=new.tar.zst")
    old, new = unpack(tmp_path / "old.tar.zst"), unpack(tmp_path / "new.tar.zst")
    assert list(old) == list(new)
    assert b"Linux" in old["root/proc/version"]
    assert b"Linux" not in new["root/proc/version"] and b"[redacted:kernel]" in new["root/proc/version"]
    manifests = [json.loads(members["MANIFEST.json"]) for members in (old, new)]
    assert manifests[0]["ruleset"] != manifests[1]["ruleset"]
    report = json.loads(new["redaction/report.json"])
    assert report["files"]["root/proc/version"]["kernel"] == 1
    assert report["ruleset"] == manifests[1]["ruleset"]
    inspected, _ = agent("inspect", "new.tar.zst")
    assert "root" in inspected


def plant(bundle, member, secret):
    """The bundle, with a secret in a member that had none: as a redactor would leave it that does not know the secret."""
    members = unpack(bundle)
    old = members[member]
    new = secret.encode() + b" " * (len(old) - len(secret) - 1) + b"\n"
    plain = bundle.with_suffix("")
    text = plain.read_bytes().replace(old, new)
    digests = [hashlib.sha256(content).hexdigest().encode() for content in (old, new)]
    assert digests[0] in text
    plain.write_bytes(text.replace(*digests))
    subprocess.run(["zstd", "-q", "-f", plain, "-o", bundle], check=True)


def test_what_is_redacted_again_is_looked_at_again_and_withheld(agent, tmp_path):
    token = "gh" + "p_k3Vq9ZtB7wXe2LmPc8RdF5gH1jN6sYuA4oT0"
    agent("collect", "--profile=quick", "--output=old.tar.zst")
    plant(tmp_path / "old.tar.zst", "root/proc/version", token)
    agent("redact", "--bundle", "--rules=rules", "old.tar.zst", "--output=new.tar.zst")
    assert b"[redacted:github-token]" in unpack(tmp_path / "new.tar.zst")["root/proc/version"]

    (tmp_path / "rules" / "blind.yaml").write_text("disable: [github-token]\n")
    _, err = agent("redact", "--bundle", "--rules=rules", "old.tar.zst", "--output=leak.tar.zst", status=77)
    assert "withheld" in err and "root/proc/version, line 1" in err and token not in err
    assert not (tmp_path / "leak.tar.zst").exists()


def test_a_bundle_is_never_replaced(agent, tmp_path):
    agent("collect", "--profile=quick", "--output=old.tar.zst")
    (tmp_path / "there").write_text("mine")
    _, err = agent("redact", "--bundle", "--rules=rules", "old.tar.zst", "--output=there", status=73)
    assert "there cannot be made" in err and (tmp_path / "there").read_text() == "mine"


def test_what_is_no_bundle_leaves_nothing_behind(agent, tmp_path):
    (tmp_path / "x").write_text("no bundle")
    agent("redact", "--bundle", "--rules=rules", "x", "--output=y", status=65)
    assert not (tmp_path / "y").exists()
