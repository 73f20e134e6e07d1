"""What unusual SSH clients send: single messages of the protocol, by paramiko, in both lanes."""

import io
import os
import threading

import clients
import paramiko
import pytest
from clients import HOST, LANES
from paramiko.common import cMSG_CHANNEL_DATA, cMSG_CHANNEL_REQUEST, cMSG_IGNORE

WAIT_S = 30


@pytest.fixture(scope="module")
def desk():
    with clients.open_desk() as desk:
        yield desk


@pytest.fixture(params=LANES)
def client(desk, request):
    known = str(desk.engineer.directory / "known_hosts")
    hops = []

    def connect(host, port, user, sock=None):
        hop = paramiko.SSHClient()
        hop.load_host_keys(known)
        hop.connect(host, port, user, sock=sock, key_filename=str(desk.key), look_for_keys=False, allow_agent=False,
                    timeout=WAIT_S)
        hops.append(hop)
        return hop

    if request.param == "bastion":
        yield connect("127.0.0.1", desk.port, HOST)
    else:
        relay = connect("127.0.0.1", desk.port, "any")
        through = relay.get_transport().open_channel("direct-tcpip", (HOST, 22), ("127.0.0.1", 0))
        yield connect(HOST, 22, "any", through)
    for hop in reversed(hops):
        hop.close()


def ask(channel, name, want_reply, *fields):
    """A channel request as its bytes. Of those that want a reply the answer: did it succeed?"""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string(name)
    message.add_boolean(want_reply)
    for field in fields:
        message.add(field)
    answered = threading.Event()
    succeeded = []

    def note(success):
        succeeded.append(success)
        answered.set()

    channel._request_success = lambda _message: note(True)
    channel._request_failed = lambda _message: note(False)
    channel._handlers = {}
    transport = channel.get_transport()
    handlers = dict(transport._channel_handler_table)
    handlers[99] = lambda chan, message: chan._request_success(message)
    handlers[100] = lambda chan, message: chan._request_failed(message)
    transport._channel_handler_table = handlers
    transport._send_user_message(message)
    if not want_reply:
        return None
    assert answered.wait(WAIT_S), f"no answer to {name}"
    return succeeded[0]


def output(channel):
    data = b""
    while block := channel.recv(65536):
        data += block
    return data, channel.recv_exit_status()


def test_ciphers_without_authentication_come_with_an_encrypt_then_mac(client):
    transport = client.get_transport()
    assert transport.remote_cipher.endswith("-ctr")
    assert "etm" in transport.remote_mac


def test_requests_that_nobody_knows_are_refused_and_do_no_harm(client):
    channel = client.get_transport().open_session()
    ask(channel, "simple@putty.projects.tartarus.org", False)
    for name in ("winadj@putty.projects.tartarus.org", "keepalive@openssh.com", "xon-xoff", "of@nobody.example"):
        assert ask(channel, name, True) is False
    assert ask(channel, "exec", True, "cat; exit 3") is True
    ask(channel, "eow@openssh.com", False)  # not from this client
    ask(channel, "break", False, 500)
    for name in ("winadj@putty.projects.tartarus.org", "break", "window-change", "shell"):
        assert ask(channel, name, True, *([0] * 4 if name == "window-change" else [])) is False, name
    assert ask(channel, "auth-agent-req@openssh.com", True) is True  # libssh's own answer; nothing follows from it
    channel.sendall(b"still here")
    channel.shutdown_write()
    assert output(channel) == (b"still here", 3)


def test_global_requests_that_nobody_knows_are_refused_and_do_no_harm(client):
    transport = client.get_transport()
    for name in ("hostkeys-00@openssh.com", "hostkeys-prove-00@openssh.com", "of@nobody.example"):
        assert transport.global_request(name, wait=True) is None, name
    transport.global_request("no-more-sessions@openssh.com", wait=False)
    assert transport.is_active()
    _, out, _ = client.exec_command("echo on", timeout=WAIT_S)
    assert out.read() == b"on\n"


def test_a_program_may_be_asked_for_without_a_reply_and_fed_at_once(client):
    channel = client.get_transport().open_session()
    ask(channel, "exec", False, "cat; exit 5")
    channel.sendall(b"early ")
    channel.sendall(b"bytes")
    channel.shutdown_write()
    assert output(channel) == (b"early bytes", 5)


def test_bytes_before_the_program_reach_it(client):
    channel = client.get_transport().open_session()
    channel.sendall(b"first ")
    ask(channel, "exec", True, "cat")
    channel.sendall(b"second")
    channel.shutdown_write()
    assert output(channel) == (b"first second", 0)


def test_bytes_for_a_channel_that_is_closed_end_nothing(client):
    transport = client.get_transport()
    channel = transport.open_session()
    number = channel.remote_chanid
    channel.close()
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_DATA)
    message.add_int(number)
    message.add_string(b"late")
    transport._send_user_message(message)
    ignored = paramiko.Message()
    ignored.add_byte(cMSG_IGNORE)
    ignored.add_string(os.urandom(1000))
    transport._send_user_message(ignored)
    _, out, _ = client.exec_command("echo on", timeout=WAIT_S)
    assert out.read() == b"on\n"


def test_small_windows_and_packets_carry_everything(client):
    transport = client.get_transport()
    channel = transport.open_channel("session", window_size=4096, max_packet_size=4096)
    channel.exec_command("head -c 1000000 /dev/zero; echo err >&2; exit 6")
    assert output(channel) == (bytes(1_000_000), 6)
    assert channel.recv_stderr(100) == b"err\n"


def test_keys_change_in_the_middle(client):
    transport = client.get_transport()
    channel = transport.open_session()
    channel.exec_command("cat")
    for number in range(5):
        channel.sendall(b"%d" % number * 50_000)
        transport.renegotiate_keys()
    channel.shutdown_write()
    assert output(channel) == (b"".join(b"%d" % number * 50_000 for number in range(5)), 0)


def test_a_terminal_and_a_file_go_beside_each_other(client, desk):
    data = os.urandom(500_000)
    shell = client.invoke_shell(width=90, height=30)
    with client.open_sftp() as files:
        files.putfo(io.BytesIO(data), str(desk.remote / "paramiko"))
        with files.open(str(desk.remote / "paramiko")) as file:
            file.prefetch()
            assert file.read() == data
    shell.resize_pty(100, 50)
    shell.sendall(b"stty size; exit 4\n")
    text, status = output(shell)
    assert b"50 100" in text
    assert status == 4


def test_other_kinds_of_channel_are_refused(client):
    for kind in ("x11", "auth-agent@openssh.com", "tun@openssh.com", "of@nobody.example"):
        with pytest.raises(paramiko.ChannelException):
            client.get_transport().open_channel(kind, src_addr=("127.0.0.1", 1), timeout=WAIT_S)
    _, out, _ = client.exec_command("echo on", timeout=WAIT_S)
    assert out.read() == b"on\n"
