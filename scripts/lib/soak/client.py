"""Sends requests to the servers and notes what became of each."""

import collections
import http.client
import json
import random
import time

from .setting import lock

# The refusals and errors that a client must expect while others decide about the same drifts.
EXPECTED = {"ALREADY_RESOLVED", "LIVE_VALUE_MOVED", "SPEC_MOVED", "SPEC_VERSION_CONFLICT", "SPEC_OWNED_BY_STATE",
            "NOT_FOUND", "NOT_UNDOABLE", "JOB_ALREADY_RUNNING", "PLAN_REFUSED", "STATE_REFUSED", "BULK_UNDONE"}
# After these, a write is stored or not.
UNCERTAIN = {"INTERNAL_SERVER_ERROR", "REQUEST_TIMEOUT"}
PATIENCE = 150  # seconds

Seen = collections.namedtuple("Seen", "kind server begun ended code text")


class Requests:
    """All requests with their times and codes."""

    def __init__(self):
        self.seen = []

    def add(self, *found):
        with lock:
            self.seen.append(Seen(*found))


class Answer:
    """What became of one request: `code` is OK, a code of the API, or why there was no answer."""

    def __init__(self, code, body=None, sent=True):
        self.code, self.body, self.sent = code, body, sent

    @property
    def state(self):
        """Whether the decision of the request is stored."""
        if self.code == "OK":
            return "confirmed"
        return "unknown" if self.sent and (self.code in UNCERTAIN or self.code.startswith("no answer")) else "refused"


class Client:
    """One user. Each request goes to one of the servers and is not repeated."""

    def __init__(self, servers, token, requests):
        self.servers, self.token, self.requests = servers, token, requests

    def send(self, kind, method, path, body=None, server=None, headers=()):
        """Returns the status, the body as JSON or text, and whether the request may have arrived."""
        server = server or random.choice(self.servers)
        begun, sent = time.time(), False
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        try:
            connection.connect()
            sent = True
            connection.request(method, path, body, {"authorization": f"Bearer {self.token}",
                                                    "content-type": "application/json", **dict(headers)})
            answer = connection.getresponse()
            raw = answer.read()
            try:
                raw = json.loads(raw)
            except ValueError:
                raw = raw.decode(errors="replace")
            return begun, server, answer.status, raw, True
        except (OSError, http.client.HTTPException) as error:
            return begun, server, None, f"no answer: {type(error).__name__}", sent
        finally:
            connection.close()

    def graphql(self, kind, query, variables=None, server=None):
        begun, server, status, body, sent = self.send(
            kind, "POST", "/graphql", json.dumps({"query": query, "variables": variables or {}}), server)
        if status is None:
            answer = Answer(body, sent=sent)
        elif not isinstance(body, dict):
            answer = Answer(f"status {status} without JSON", body)
        elif body.get("errors"):
            codes = [error.get("extensions", {}).get("code") or "error without a code" for error in body["errors"]]
            answer = Answer(codes[0], body)
        else:
            refusals = [made["refusal"] for made in body["data"].values()
                        if isinstance(made, dict) and made.get("refusal")]
            answer = Answer(refusals[0]["code"] if refusals else "OK", body["data"])
        self.note(kind, server, begun, answer)
        return answer

    def rest(self, kind, method, path, body=None, **headers):
        begun, server, status, found, sent = self.send(kind, method, path, body, headers=headers.items())
        if status is None:
            answer = Answer(found, sent=sent)
        elif status == 200:
            answer = Answer("OK", found)
        else:
            word = found.get("error") if isinstance(found, dict) else None
            answer = Answer(word.upper() if isinstance(word, str) else f"status {status}", found)
        self.note(kind, server, begun, answer)
        return answer

    def note(self, kind, server, begun, answer):
        text = "" if answer.code == "OK" or answer.code in EXPECTED else json.dumps(answer.body)[:300]
        self.requests.add(kind, server.name, begun, time.time(), answer.code, text)
