"""The engineer's generated ssh_config, with stock OpenSSH."""

import subprocess

from towline import until


def write_config(engineer):
    config = engineer.directory / "generated"
    config.write_text(engineer.towline("ssh-config").stdout +
                      f"Host *\n IdentityFile {engineer.key}\n IdentitiesOnly yes\n BatchMode yes\n")
    return config


def test_a_host_is_reached_without_a_question(relay, engineer, endpoint):
    endpoint.get_help("let me in")
    until(lambda: relay.items("/v1/tickets?state=open"), "a ticket is on the desk")
    done = subprocess.run(["ssh", "-F", str(write_config(engineer)), f"{endpoint.name}.towline", "echo in"],
                          text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == "in\n", done.stderr


def test_a_hosts_name_takes_no_other_name(engineer, make_endpoint, relay):
    for name in ["git", "towline-relay", "127.0.0.1"]:
        make_endpoint(name).enrol()
    hosts = [line.split()[1] for line in write_config(engineer).read_text().splitlines() if line.startswith("Host ")]
    assert sorted(hosts) == ["*", "127.0.0.1.towline", "git.towline", "towline-relay", "towline-relay.towline"]
    known = [line.split()[0] for line in engineer.towline("known-hosts").stdout.splitlines()]
    assert sorted(known) == [f"[127.0.0.1]:{relay.ssh_port}", "git", "towline-relay"]
