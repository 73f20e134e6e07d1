"""The engineer's generated ssh_config, with stock OpenSSH."""

import subprocess


def write_config(engineer, *options):
    config = engineer.directory / "generated"
    config.write_text(engineer.towline("ssh-config", *options).stdout +
                      f"Host *\n IdentityFile {engineer.key}\n IdentitiesOnly yes\n BatchMode yes\n")
    return config


def test_a_host_is_reached_without_a_question(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    done = subprocess.run(["ssh", "-F", str(write_config(engineer)), f"{endpoint.name}.towline", "echo in"],
                          text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == "in\n", done.stderr


def ssh(engineer, host, *options):
    return subprocess.run(["ssh", "-F", str(write_config(engineer, *options)), host, "echo in"], text=True,
                          capture_output=True, timeout=60, check=False)


def test_short_names_are_for_those_who_ask(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    assert ssh(engineer, endpoint.name).returncode == 255
    done = ssh(engineer, endpoint.name, "--short")
    assert done.stdout == "in\n", done.stderr


def test_a_tickets_number_is_its_host(relay, engineer, endpoint):
    done = ssh(engineer, relay.open_ticket(endpoint.name))
    assert done.stdout == "in\n", done.stderr


def test_a_short_name_is_never_the_relays_own(engineer, make_endpoint, relay):
    for name in ["towline-relay", "127.0.0.1", "plain"]:
        make_endpoint(name).enrol()
    text = write_config(engineer, "--short").read_text()
    hosts = [line.split()[1:] for line in text.splitlines() if line.startswith("Host ")]
    assert ["plain", "plain.towline"] in hosts and ["127.0.0.1.towline"] in hosts
    assert ["towline-relay.towline"] in hosts


def test_host_keys_are_told_one_by_one(engineer, endpoint, relay):
    door = f"[127.0.0.1]:{relay.ssh_port}"
    assert [line.split()[0] for line in engineer.towline("known-hosts", door).stdout.splitlines()] == [door]
    assert [line.split()[0] for line in engineer.towline("known-hosts", endpoint.name).stdout.splitlines()] == [endpoint.name]
    assert engineer.towline("known-hosts", "nobody").stdout == ""


def test_a_hosts_name_takes_no_other_name(engineer, make_endpoint, relay):
    for name in ["git", "towline-relay", "127.0.0.1"]:
        make_endpoint(name).enrol()
    hosts = [line.split()[1] for line in write_config(engineer).read_text().splitlines() if line.startswith("Host ")]
    assert sorted(hosts) == ["*", "127.0.0.1.towline", "T-*", "git.towline", "towline-relay", "towline-relay.towline"]
    known = [line.split()[0] for line in engineer.towline("known-hosts").stdout.splitlines()]
    assert sorted(known) == [f"[127.0.0.1]:{relay.ssh_port}", "git", "towline-relay"]
