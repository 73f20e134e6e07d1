"""Every command that the README shows is run: here, or by the part of the test run named beside it."""

import shlex
import subprocess

import pytest
from towline import BIN, SOURCE, run, until

# Commands that the test run itself is made of, with what runs them.
RUN_ELSEWHERE = {
    "./packaging/quickstart": "test_quickstart.py",
    "./tests/run": "this run",
    "cmake --preset release": ".ci/run",
    "cmake --build --preset release": ".ci/run",
}


def shown_commands():
    """The lines of the README's indented blocks that are commands."""
    programs = ("./", "cmake ", "towline", "ssh ")
    lines = (SOURCE / "README.md").read_text().splitlines()
    return [line.strip().split("   #")[0].strip() for line in lines
            if line.startswith("    ") and line.strip().startswith(programs)]


def here():
    return [command for command in shown_commands() if command not in RUN_ELSEWHERE]


def test_the_readme_shows_both_main_commands():
    assert set(RUN_ELSEWHERE) <= set(shown_commands())


@pytest.fixture
def desk(relay, engineer, make_endpoint):
    """The README's world: host web-01 with ticket T-1001 and one recorded session."""
    endpoint = make_endpoint("web-01")
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    endpoint.get_help("readme")
    ticket = until(lambda: relay.items("/v1/tickets")[0]["number"], "a ticket is filed")
    until(lambda: relay.get(f"/v1/tickets/{ticket}").json()["bundles"], "its bundle is there")
    engineer.ssh("bastion", "web-01", options=["-tt"], stdin="exit\n")
    session = until(lambda: next(s["id"] for s in relay.items("/v1/sessions") if s["recording"]), "it is recorded")
    return endpoint, ticket, session


def adapt(command, relay, engineer, ticket, session):
    """The README's command with this world's names in the README's places."""
    if command.startswith("ssh "):
        config = engineer.write_ssh_config()
        command = command.replace("ssh ", f"ssh -F {config} ", 1).replace("relay.example:8022", "relay")
        command = command.replace("-p 8022", "").replace("@relay.example", "@relay")
        return command + " true"
    return command.replace("T-1001", ticket).replace("SESSION", session)


def test_every_command_works_as_shown(relay, engineer, desk, place, monkeypatch):
    endpoint, ticket, session = desk
    monkeypatch.chdir(place)
    (place / "app.log").write_text("login with password=correct-horse\n")
    for command in here():
        argv = shlex.split(adapt(command, relay, engineer, ticket, session))
        if argv[0] == "towline":
            engineer.towline(*argv[1:])
        elif argv[0] == "ssh":
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                                  check=False)
            assert done.returncode == 0, (command, done.stderr)
        elif argv[:2] == ["towline-agent", "get-help"]:
            endpoint.get_help(argv[2])
        elif argv[:2] == ["towline-agent", "diff"]:
            assert run(BIN / argv[0], *argv[1:], check=False).returncode in (0, 1), command
        elif argv[0] == "towline-agent":
            assert run(BIN / argv[0], *argv[1:]).stdout, command
        else:
            pytest.fail(f"no test runs this command of the README: {command}")


@pytest.mark.parametrize("program", ["towline", "towline-agent", "towline-helper", "towline-relay"])
def test_every_program_explains_itself(program):
    done = run(BIN / program, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage:") or "usage" in done.stdout.lower()
    assert run(BIN / program, "--version").stdout.strip().startswith(program)
