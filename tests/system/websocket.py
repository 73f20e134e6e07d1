"""A WebSocket client of few lines (RFC 6455), which may also break the rules; and a browser's terminal on it."""

import base64
import json
import os
import socket
import ssl
import struct
import urllib.parse

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PROTOCOL = "terminal.towline.1"


class Refused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Closed(Exception):
    """The connection ended; code 1006 without a close frame, as browsers say."""

    def __init__(self, code, reason=""):
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


def mask(data):
    """With a key that changes the bytes, in one operation on big integers."""
    key = b"\x5a\xa5\x0f\xf0"
    repeated = (key * (len(data) // 4 + 1))[:len(data)]
    number = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
    return key + number.to_bytes(len(data), "little")


class WebSocket:
    def __init__(self, url, ca, protocols=(PROTOCOL,), headers=(), receive_buffer=None):
        parts = urllib.parse.urlsplit(url)
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(60)
        plain.connect((parts.hostname, parts.port))
        context = ssl.create_default_context(cafile=str(ca))
        self.socket = context.wrap_socket(plain, server_hostname=parts.hostname)
        self.buffer = b""
        lines = [f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
                 f"Sec-WebSocket-Protocol: {', '.join(protocols)}", *headers]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.head = head.decode()
        status = int(self.head.split()[1])
        if status != 101:
            length = int(self.head.lower().partition("content-length:")[2].split()[0])
            raise Refused(status, self.take(length).decode())

    def fill(self):
        try:
            more = self.socket.recv(65536)
        except ConnectionError:
            more = b""
        if not more:
            raise Closed(1006)
        self.buffer += more

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, opcode, data, final=True):
        head = bytes([(0x80 if final else 0) | opcode])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65536:
            head += struct.pack(">BH", 0x80 | 126, len(data))
        else:
            head += struct.pack(">BQ", 0x80 | 127, len(data))
        self.socket.sendall(head + mask(data))

    def receive(self):
        """The next message that is no ping: opcode and bytes."""
        while True:
            first, length = self.take(2)
            if length == 126:
                length, = struct.unpack(">H", self.take(2))
            elif length == 127:
                length, = struct.unpack(">Q", self.take(8))
            data = self.take(length)
            opcode = first & 15
            if opcode == CLOSE:
                code = struct.unpack(">H", data[:2])[0] if data else 1005
                self.socket.close()
                raise Closed(code, data[2:].decode())
            if opcode == PING:
                self.send(PONG, data)
            elif opcode != PONG:
                return opcode, data

    def drop(self):
        """As a network does."""
        self.socket.close()


class Terminal:
    """What a page does with it: remembers what it has seen, and where it is."""

    def __init__(self, relay, session, token="erin", **kwargs):
        self.url = f"{relay.url}/v1/sessions/{session}/terminal"
        headers = kwargs.pop("headers", [f"Authorization: Bearer {relay.tokens.get(token, token)}"])
        self.socket = WebSocket(self.url, relay.ca, headers=headers, **kwargs)
        self.output = b""
        self.messages = []

    def say(self, **message):
        self.socket.send(TEXT, json.dumps(message).encode())

    def attach(self, columns=80, rows=24, **more):
        self.say(type="attach", columns=columns, rows=rows, **more)
        return self.message("attached")

    def type(self, text):
        self.socket.send(BINARY, text if isinstance(text, bytes) else text.encode())

    def step(self):
        opcode, data = self.socket.receive()
        if opcode == TEXT:
            self.messages.append(json.loads(data))
        else:
            self.output += data

    def message(self, kind, **more):
        """Waits for the message of that type which has these members."""
        wanted = {"type": kind, **more}
        while True:
            found = [m for m in self.messages if wanted.items() <= m.items()]
            if found:
                return found[0]
            self.step()

    def until(self, text):
        while text.encode() not in self.output:
            self.step()
        return self

    def closed(self):
        try:
            while True:
                self.step()
        except Closed as end:
            return end
