"""The second look: what the redactor let through withholds the bundle, whatever the reason."""

import pytest
from test_reveal import Site
from towline import run, BIN

AGENT = BIN / "towline-agent"
REFUSED = 77
TOKEN = "gh" + "p_k3Vq9ZtB7wXe2LmPc8RdF5gH1jN6sYuA4oT0"


@pytest.fixture
def site(place):
    return Site(place)


def collect(site, *argv):
    output = site.place / "b.tar.zst"
    return site.agent("collect", "--profile", "mine", "--output", output, *argv), output


def break_rules(site):
    """A site that switches off what would have caught its own secret."""
    (site.place / "etc" / "redact.d").mkdir()
    (site.place / "etc" / "redact.d" / "site.yaml").write_text("disable: [github-token]\n")
    site.log.write_text(f"one\ncloned with {TOKEN} today\n")


def test_what_the_redactor_let_through_withholds_the_bundle(site):
    break_rules(site)
    done, output = collect(site)
    assert done.returncode == REFUSED, done.stderr
    assert "withheld" in done.stderr and "github-token" in done.stderr
    assert "app.log, line 2" in done.stderr
    assert TOKEN not in done.stderr + done.stdout
    assert not output.exists()
    assert [path for path in site.place.rglob("*") if path.is_file() and TOKEN in path.read_text(errors="replace")
            and path != site.log] == []


def test_the_same_bundle_passes_when_the_rule_is_there(site):
    break_rules(site)
    (site.place / "etc" / "redact.d" / "site.yaml").unlink()
    done, output = collect(site)
    assert done.returncode == 0, done.stderr
    assert "[redacted:github-token]" in "".join(site.members(output).values())


def test_each_bundle_shows_what_became_of_its_canaries(site):
    done, output = collect(site)
    assert done.returncode == 0, done.stderr
    canary = site.members(output)["redaction/canary.txt"]
    assert "Made up for this run" in canary
    assert canary.count("[redacted:") >= 6


def test_a_finished_bundle_is_looked_at_again(site):
    done, output = collect(site)
    assert done.returncode == 0, done.stderr
    assert run(AGENT, "inspect", "--verify", output, env=site.env).returncode == 0
