"""Each program's man page names every command and option that its --help knows, and is well-formed."""
import os
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TOWLINE_BIN_DIR", "build/dev/bin")).resolve()
MADE = BIN.parent / "docs" / "man"
PAGES = {"towline": SOURCE / "docs" / "man" / "towline.1", "towline-agent": MADE / "towline-agent.8",
         "towline-helper": MADE / "towline-helper.8", "towline-relay": MADE / "towline-relay.8"}


def help_of(program, *command):
    result = subprocess.run([BIN / program, *command, "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def section(text, title):
    """The lines below "Title:" up to the next heading."""
    match = re.search(rf"^{title}:\n((?: .*\n|\n)*)", text, re.MULTILINE)
    return match[1].splitlines() if match else []


def commands(program):
    """Names stand at column 2 and end at two blanks, or with the line."""
    lines = section(help_of(program), "Commands")
    return [re.match(r"  ((?:[a-z][\w-]*)(?: [\w-]+)*)(?:  |$)", line)[1]
            for line in lines if re.match(r"  [a-z]", line)]


def options(text):
    return re.findall(r"^  (?:-\w, )?--([\w-]+)", "\n".join(section(text, "Options")), re.MULTILINE)


def page_words(program):
    """The page as a reader sees it, on one line, without overstriking."""
    shown = subprocess.run(["mandoc", "-Tutf8", "-O", "width=1000", PAGES[program]], capture_output=True, check=True).stdout
    return " ".join(re.sub(".\b", "", shown.decode()).split())


@pytest.mark.parametrize("program", sorted(PAGES))
def test_every_command_is_in_the_man_page(program):
    page = page_words(program)
    known = commands(program)
    assert known, f"{program} --help shows no commands"
    assert [name for name in known if f" {name} " not in f"{page} "] == []


@pytest.mark.parametrize("program", sorted(PAGES))
def test_every_option_is_in_the_man_page(program):
    page = page_words(program)
    wanted = set(options(help_of(program)))
    for name in commands(program):
        wanted |= set(options(help_of(program, *name.split())))
    missing = [name for name in sorted(wanted - {"help", "version"}) if not re.search(rf"--{name}\b", page)]
    assert missing == []


@pytest.mark.parametrize("program", sorted(PAGES))
def test_every_command_has_help_worth_reading(program):
    for name in commands(program):
        text = help_of(program, *name.split())
        assert text.startswith("Usage:") and len(text.splitlines()) >= 3, name


def test_generated_pages_are_well_formed():
    pages = sorted(MADE.glob("*.[1-8]"))
    assert [page.name for page in pages] == ["agent.yaml.5", "health.yaml.5", "policy.yaml.5", "relay.yaml.5", "towline-agent.8",
                                             "towline-helper.8", "towline-relay.8"]
    subprocess.run(["mandoc", "-Tlint", "-W", "warning", *pages], check=True)
