"""Subscribers that follow docs/live.md: subscribe, then read the open drifts, then apply what arrives."""

import base64
import http.client
import json
import os
import random
import socket
import struct
import time

from .actions import OPEN
from .setting import LAG, stopped

SUBSCRIPTION = """subscription { driftChanged(filter: { status: [OPEN, ACCEPTED, REVERTED, STALE] }) {
  id revision status } }"""
SILENCE = 60  # seconds; a server sends something at least every 20 s


class Stream:
    """What one connection knows about the open drifts."""

    def __init__(self, server, kind, patience):
        self.server, self.kind, self.patience, self.ready = server.name, kind, patience, None
        self.open, self.closed, self.messages = {}, set(), {}
        self.ended, self.why = None, None
        self.complete = False

    def apply(self, message):
        drift = message["id"]
        self.messages.setdefault(drift, []).append((time.time(), message["revision"], message["status"]))
        if message["status"] == "OPEN":
            self.open[drift] = max(message["revision"], self.open.get(drift, 0))
        else:
            self.closed.add(drift)

    def add_page(self, nodes):
        for drift in nodes:
            self.open[drift["id"]] = max(drift["revision"], self.open.get(drift["id"], 0))

    def model(self):
        """The drifts that are open, with their revisions. A closed drift never opens again."""
        return {drift: revision for drift, revision in self.open.items() if drift not in self.closed}


class Subscriber:
    """Follows one server after the other, and keeps what each connection has seen."""

    def __init__(self, client, servers, kind, trouble, outages, patience):
        self.client, self.servers, self.kind, self.trouble = client, servers, kind, trouble
        self.outages, self.patience, self.streams = outages, patience, []

    def follow(self):
        while not stopped.is_set():
            stream = Stream(random.choice(self.servers), self.kind, self.patience * random.uniform(0.3, 1))
            server = next(server for server in self.servers if server.name == stream.server)
            begun = time.time()
            try:
                (self.server_sent_events if self.kind == "SSE" else self.web_socket)(server, stream)
            except (OSError, http.client.HTTPException, struct.error, ValueError) as error:
                stream.why = f"{type(error).__name__}"
            stream.ended = stream.ended or time.time()
            if stream.ready:
                self.streams.append(stream)
                self.trouble.count(f"{self.kind}: connections that ended: {stream.why}")
                known = self.outages.around(stream.ended - LAG, stream.ended, stream.server)
                if stream.why not in ("left", "end") and not known:
                    self.trouble.breach(f"a stream of a running server ended: {stream.why}")
            elif not self.outages.around(begun, stream.ended, stream.server):
                self.trouble.breach(f"a subscription of a running server failed: {stream.why}")
            stopped.wait(0.2)

    def load(self, server, stream):
        """Reads all open drifts, after the subscription has begun."""
        after = None
        while True:
            answer = self.client.graphql("catch up", OPEN, {"filter": {"status": ["OPEN"]}, "first": 200,
                                                            "after": after}, server)
            if answer.code != "OK":
                return
            page = answer.body["drifts"]
            stream.add_page(page["nodes"])
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                stream.complete = True
                return

    def until(self, stream):
        """Returns whether it is time to leave the server, and says why."""
        if stopped.is_set():
            stream.why = "end"
        elif time.time() > stream.ready + stream.patience:
            stream.why = "left"
        if stream.why:
            stream.ended = time.time()
        return stream.why is not None

    def take(self, stream, body):
        """Takes a response of the subscription. Returns false after an error."""
        if body.get("errors"):
            stream.why = body["errors"][0].get("extensions", {}).get("code", "an error without a code")
            return False
        stream.apply(body["data"]["driftChanged"])
        self.trouble.count(f"{self.kind}: messages")
        return True

    def server_sent_events(self, server, stream):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SILENCE)
        try:
            connection.request("POST", "/graphql", json.dumps({"query": SUBSCRIPTION}), {
                "authorization": f"Bearer {self.client.token}", "accept": "text/event-stream",
                "content-type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                stream.why = f"status {response.status}"
                return
            stream.ready = time.time()
            self.load(server, stream)
            while not self.until(stream):
                line = response.readline()
                if not line:
                    stream.why = "closed"
                elif line.startswith(b"event: complete"):
                    stream.why = "complete"
                elif line.startswith(b"data: {") and not self.take(stream, json.loads(line[6:])):
                    return
        finally:
            connection.close()

    def web_socket(self, server, stream):
        wire = Wire(server.port)
        try:
            wire.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.client.token}"}})
            if wire.receive().get("type") != "connection_ack":
                stream.why = "no acknowledgement"
                return
            wire.send({"type": "subscribe", "id": "1", "payload": {"query": SUBSCRIPTION}})
            self.load_on(wire, stream)
            if not stream.ready:
                stream.why = stream.why or "the query after it failed"
                return
            while not self.until(stream):
                if not self.hear(wire.receive(), wire, stream):
                    return
        finally:
            wire.close()

    def load_on(self, wire, stream):
        """Reads all open drifts over the same socket: the queries are read once the subscription is active."""
        after, number = None, 1
        while not stream.why:
            number += 1
            wire.send({"type": "subscribe", "id": str(number), "payload": {"query": OPEN, "variables": {
                "filter": {"status": ["OPEN"]}, "first": 200, "after": after}}})
            while True:
                message = wire.receive()
                if message.get("id") == str(number) and message["type"] in ("next", "error"):
                    break
                if not self.hear(message, wire, stream):
                    return
            if message["type"] == "error" or message["payload"].get("errors"):
                return
            stream.ready = stream.ready or time.time()
            page = message["payload"]["data"]["drifts"]
            stream.add_page(page["nodes"])
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                stream.complete = True
                return

    def hear(self, message, wire, stream):
        kind = message["type"]
        if kind == "ping":
            wire.send({"type": "pong"})
        elif kind == "next" and message["id"] == "1":
            return self.take(stream, message["payload"])
        elif kind == "error" and message["id"] == "1":
            stream.why = message["payload"][0].get("extensions", {}).get("code", "an error without a code")
            return False
        elif kind in ("complete", "close") and message.get("id", "1") == "1":
            stream.why = stream.why or message.get("code", "complete")
            return False
        return True


class Wire:
    """A WebSocket with JSON messages."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), SILENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        status = self.file.readline()
        if b" 101 " not in status:
            raise ValueError(f"no WebSocket: {status!r}")
        while self.file.readline().strip():
            pass

    def frame(self, opcode, content):
        mask = os.urandom(4)
        size = len(content)
        head = bytes([0x80 | opcode]) + (bytes([0x80 | size]) if size < 126 else
                                         bytes([0xFE]) + struct.pack(">H", size))
        self.socket.sendall(head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(content)))

    def send(self, message):
        self.frame(1, json.dumps(message).encode())

    def exactly(self, size):
        found = self.file.read(size)
        if len(found) < size:
            raise ConnectionResetError("the socket ended")
        return found

    def receive(self):
        """Returns the next message; the end of the socket as a message of the type `close`."""
        content = b""
        while True:
            first, second = self.exactly(2)
            size = second & 0x7F
            if size == 126:
                size = struct.unpack(">H", self.exactly(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.exactly(8))[0]
            part = self.exactly(size)
            opcode = first & 0x0F
            if opcode == 8:
                return {"type": "close", "code": str(struct.unpack(">H", part[:2])[0] if len(part) > 1 else "closed")}
            if opcode == 9:
                self.frame(10, part)
            elif opcode in (0, 1):
                content += part
                if first & 0x80:
                    return json.loads(content)

    def close(self):
        self.file.close()
        self.socket.close()
