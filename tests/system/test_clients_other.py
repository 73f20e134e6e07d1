"""SSH clients other than OpenSSH's, in both lanes: those who cannot jump reach the end-to-end lane by a command."""

import os
import shlex

import clients
import pytest
from clients import HOST, LANES, digest

BULK = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def desk():
    with clients.open_desk() as desk:
        desk.run("dropbearconvert", "openssh", "dropbear", desk.key, desk.place / "dropbear")
        desk.run("puttygen", desk.key, "-o", desk.place / "putty.ppk")
        (desk.home / ".ssh").mkdir()
        known = [desk.known_line(lane) for lane in LANES]
        known[0] = "127.0.0.1 " + known[0].split(" ", 1)[1]  # dropbear's client looks for no port
        (desk.home / ".ssh/known_hosts").write_text("".join(line + "\n" for line in known))
        yield desk


def dbclient(desk, lane):
    if lane == "bastion":
        return ["dbclient", "-i", desk.place / "dropbear", "-p", desk.port, "-l", HOST, "127.0.0.1"]
    return ["dbclient", "-i", desk.place / "dropbear", "-l", "any", "-J", desk.jump(), HOST]


@pytest.mark.parametrize("lane", LANES)
def test_dropbears_client(desk, lane):
    data = os.urandom(BULK)
    client = dbclient(desk, lane)
    done = desk.run(*client, "cat; echo err >&2; exit 3", stdin=data)
    assert (done.returncode, digest(done.stdout)) == (3, digest(data)), done.stderr
    assert b"err\n" in done.stderr
    done = desk.run(*client, "-T", stdin=b"echo in; exit 7\n")
    assert (done.returncode, done.stdout) == (7, b"in\n"), done.stderr
    done = desk.run("script", "-qec", shlex.join([str(word) for word in client]) + " -t 'tty; exit 2'", "/dev/null")
    assert done.returncode == 2
    assert b"/dev/pts/" in done.stdout


def putty(desk, lane, program, *argv, **kwargs):
    """`HOST:` and `HOST` in argv stand for the host."""
    options = ["-batch", "-hostkey", desk.fingerprint(lane), "-i", desk.place / "putty.ppk"]
    options += ["-P", desk.port] if lane == "bastion" else ["-P", 22, "-proxycmd", desk.jump()]
    host = f"{HOST}@127.0.0.1" if lane == "bastion" else f"any@{HOST}"
    return desk.run(program, *options, *[str(word).replace("HOST", host) for word in argv], **kwargs)


@pytest.mark.parametrize("lane", LANES)
def test_puttys_clients(desk, lane):
    data = clients.random_file(desk.local / "file", BULK)
    there = desk.remote / f"putty-{lane}"
    there.mkdir()
    done = putty(desk, lane, "plink", "-ssh", "HOST", "cat; exit 3", stdin=data)
    assert (done.returncode, digest(done.stdout)) == (3, digest(data)), done.stderr
    done = putty(desk, lane, "plink", "-ssh", "-t", "HOST", "tty; exit 4")
    assert done.returncode == 4 and b"/dev/pts/" in done.stdout, done.stderr
    (desk.local / "batch").write_text(
        f"put {desk.local}/file {there}/put\nget {there}/put {desk.local}/got\nls {there}\nquit\n")
    done = putty(desk, lane, "psftp", "-b", desk.local / "batch", "HOST")
    assert digest((desk.local / "got").read_bytes()) == digest(data), done.stderr
    for kind in ("-scp", "-sftp"):
        done = putty(desk, lane, "pscp", "-q", kind, desk.local / "file", f"HOST:{there}/{kind}")
        assert digest((there / kind).read_bytes()) == digest(data), done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_lftp(desk, lane):
    data = clients.random_file(desk.local / "file", BULK)
    options, host = desk.options(lane)
    connect = " ".join(["ssh -a -x", *options])
    done = desk.run("lftp", "-c", f"set sftp:connect-program '{connect}'; open sftp://{host}; "
                    f"put {desk.local}/file -o {desk.remote}/lftp-{lane}; cat {desk.remote}/lftp-{lane}")
    assert digest(done.stdout) == digest(data), done.stderr
    assert digest((desk.remote / f"lftp-{lane}").read_bytes()) == digest(data)


ASYNCSSH = """
import asyncio, asyncssh, os, sys
port, key, known, host, lane = sys.argv[1:]
same = dict(client_keys=[key], known_hosts=known, config=None, agent_path=None)

async def main():
    if lane == "bastion":
        client = await asyncssh.connect("127.0.0.1", int(port), username=host, **same)
    else:
        relay = await asyncssh.connect("127.0.0.1", int(port), username="any", **same)
        client = await relay.connect_ssh(host, 22, username="any", **same)
    data = os.urandom(2000000)
    assert (await client.run("cat", input=data, encoding=None)).stdout == data
    ended = await client.run("echo out; echo err >&2; exit 3")
    assert (ended.stdout, ended.stderr, ended.exit_status) == ("out\\n", "err\\n", 3)
    assert (await client.run("kill -TERM $$")).exit_signal[0] == "TERM"
    async with client.start_sftp_client() as files:
        assert "." in await files.listdir("/")
    many = await asyncio.gather(*[client.run(f"echo {n}") for n in range(10)])
    assert [one.stdout for one in many] == [f"{n}\\n" for n in range(10)]
    process = await client.create_process("sleep 60")
    process.send_signal("INT")
    assert (await process.wait()).exit_signal[0] == "INT"
    shell = await client.create_process(term_type="xterm", term_size=(90, 30))
    shell.change_terminal_size(70, 20)
    shell.stdin.write("stty size; exit\\n")
    assert "20 70" in await shell.stdout.read()
    client.close()
    print("fine")

asyncio.run(asyncio.wait_for(main(), 60))
"""


@pytest.mark.parametrize("lane", LANES)
def test_asyncssh(desk, lane):
    known = desk.engineer.directory / "known_hosts"
    done = desk.run("/usr/bin/python3", "-W", "ignore", "-c", ASYNCSSH, desk.port, desk.key, known, HOST, lane)
    assert done.stdout == b"fine\n", done.stderr.decode()
