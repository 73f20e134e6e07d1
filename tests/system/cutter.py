"""A TCP proxy that breaks: between agent and relay it stands for the network."""

import contextlib
import pathlib
import os
import socket
import threading

PIECE = 65536


def sockets_of(pid):
    """Local TCP ports of a process's connections."""
    rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = {row[9]: int(row[1].split(":")[1], 16) for row in rows}
    links = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(os.readlink(entry))
    return {ports[link[8:-1]] for link in links if link.startswith("socket:[") and link[8:-1] in ports}


class Link:
    """One connection through the cutter."""

    def __init__(self, cutter, client, server):
        self.cutter = cutter
        self.client, self.server = client, server
        self.port = client.getpeername()[1]
        self.to_client = 0  # bytes
        self.frozen = threading.Event()
        if cutter.silent:
            self.frozen.set()
        self.cut_at = cutter.take_cut()
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    def carry(self, source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if self.frozen.is_set():
                    return  # the other side waits for ever: neither FIN nor RST
                if sink is self.client:
                    if self.cut_at is not None and self.to_client + len(piece) >= self.cut_at:
                        sink.sendall(piece[:self.cut_at - self.to_client])
                        self.cutter.cuts += 1
                        break
                    self.to_client += len(piece)
                sink.sendall(piece)
        if not self.frozen.is_set():
            self.cut()

    def cut(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.cutter.forget(self)


class Cutter:
    def __init__(self, port=0):
        self.target = None
        self.links, self.lock = [], threading.Lock()
        self.cuts = 0
        self.silent = False  # connections to come are taken, and nothing passes
        self.armed = []  # for connections to come: after how many bytes to the client each is cut
        self.port = port
        self.listener = None
        self.open()

    def open(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target()), 5)
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.settimeout(None)
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.lock:
                    self.links.append(Link(self, client, server))

    def take_cut(self):
        return self.armed.pop(0) if self.armed else None

    def forget(self, link):
        with self.lock:
            if link in self.links:
                self.links.remove(link)

    def of(self, pid):
        """The connections of a process, oldest first."""
        ports = sockets_of(pid)
        with self.lock:
            return [link for link in self.links if link.port in ports]

    def cut(self):
        """Everything breaks at once, as when the network changes."""
        with self.lock:
            links = list(self.links)
        for link in links:
            link.cut()

    def shut(self):
        """Nobody gets through any more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def close(self):
        self.shut()
