"""A real browser, headless, by the Chrome DevTools Protocol on a pair of pipes."""

import json
import os
import select
import subprocess
import time


class Browser:
    def __init__(self, directory, program):
        to_read, self.to = os.pipe()
        self.origin, from_write = os.pipe()
        argv = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--ignore-certificate-errors", f"--user-data-dir={directory}",
                "--remote-debugging-pipe", "about:blank"]
        with open(f"{directory}.log", "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{from_write}', "bash", *argv], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, pass_fds=(to_read, from_write))
        os.close(to_read)
        os.close(from_write)
        self.buffer = b""
        self.last = 0
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.setBypassCSP", enabled=True)

    def read(self, deadline):
        """One message: they end with a NUL."""
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0, "the browser did not answer"
            if select.select([self.origin], [], [], left)[0]:
                more = os.read(self.origin, 65536)
                assert more, "the browser has ended"
                self.buffer += more
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.last += 1
        request = {"id": self.last, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            message = self.read(deadline)
            if message.get("id") == self.last:
                assert "error" not in message, message["error"]
                return message["result"]

    def visit(self, url):
        assert "errorText" not in self.call("Page.navigate", url=url)

    def run(self, script):
        """The value of a JavaScript expression; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        os.close(self.to)
        os.close(self.origin)
