"""The service units are as closed as systemd can make them, and name what is installed."""
import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(os.environ.get("TOWLINE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
UNITS = SOURCE / "packaging" / "systemd"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")


def settings(unit):
    """Every "Key=value" of a unit, in order."""
    lines = (UNITS / unit).read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


@needs_systemd
@pytest.mark.parametrize("unit", ["towline-agent.service", "towline-relay.service"])
def test_exposure_is_at_most_two(unit):
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", UNITS / unit],
        capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("unit", ["towline-agent.service", "towline-relay.service"])
def test_service_is_unprivileged_and_reports_readiness(unit):
    facts = dict(settings(unit))
    assert facts["Type"] == "notify"
    assert facts["User"] == unit.removesuffix(".service")
    assert facts["CapabilityBoundingSet"] == ""
    assert facts["NoNewPrivileges"] == "yes"


def test_every_user_of_a_unit_is_created_by_sysusers():
    created = (SOURCE / "packaging/sysusers.d/towline.conf").read_text()
    for unit in UNITS.glob("*.service"):
        user = dict(settings(unit.name)).get("User", "root")
        assert user == "root" or f"u {user} " in created, unit.name


def test_helper_confines_no_session():
    """Sessions are the helper's children: what confines the unit would confine them."""
    facts = dict(settings("towline-helper.service"))
    confining = ("NoNewPrivileges", "SystemCallFilter", "RestrictAddressFamilies", "ProtectSystem",
                 "ProtectHome", "PrivateTmp", "CapabilityBoundingSet", "IPAddressDeny")
    assert not [key for key in confining if key in facts]


def test_run_directory_keeps_each_socket_its_owners():
    line = [line.split() for line in (SOURCE / "packaging/tmpfiles.d/towline.conf").read_text().splitlines()
            if " /run/towline " in line]
    assert line == [["d", "/run/towline", "1775", "root", "towline-agent", "-"]]
