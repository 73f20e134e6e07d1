"""What `cmake --install` leaves: programs that run from there, man pages, units of that prefix."""
import os
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TOWLINE_BIN_DIR", "build/dev/bin")).resolve().parent
PROGRAMS = {"towline", "towline-agent", "towline-helper", "towline-relay"}
LIBEXEC = {"towline-bundle", "towline-collect", "towline-forward", "towline-health", "towline-intake", "towline-redact", "towline-session"}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("install")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, capture_output=True)
    return prefix


def names(directory):
    return {path.name for path in directory.iterdir()}


def test_programs_stand_in_bin_and_libexec(prefix):
    assert names(prefix / "bin") == PROGRAMS
    assert names(prefix / "libexec" / "towline") == LIBEXEC


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_installed_program_says_its_version(prefix, program):
    version = re.search(r"project\(towline VERSION ([0-9.]+)", (SOURCE / "CMakeLists.txt").read_text())[1]
    result = subprocess.run([prefix / "bin" / program, "--version"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and version in result.stdout, result.stderr


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_every_program_has_its_man_page(prefix, program):
    section = 1 if program == "towline" else 8
    assert (prefix / f"share/man/man{section}/{program}.{section}").is_file()


@pytest.mark.parametrize("name", ["agent.yaml", "policy.yaml", "relay.yaml"])
def test_every_configuration_has_its_man_page_and_sample(prefix, name):
    assert (prefix / f"share/man/man5/{name}.5").is_file()
    assert (prefix / f"share/doc/towline/examples/{name}").is_file()


def test_units_users_and_directories_are_installed(prefix):
    assert names(prefix / "lib/systemd/system") == names(SOURCE / "packaging/systemd")
    assert (prefix / "lib/sysusers.d/towline.conf").is_file()
    assert (prefix / "lib/tmpfiles.d/towline.conf").is_file()
    assert "account" in (prefix / "lib/pam.d/towline").read_text()
