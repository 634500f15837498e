"""What the users of the soak do. Each decision has a mark of its own and is never sent twice."""

import json
import random
import time
import uuid

from .account import IMAGES, SIZES, TAGS, lines, plan

OPEN = """query($filter: DriftFilter, $first: Int, $after: String) {
  drifts(first: $first, after: $after, filter: $filter) { totalCount pageInfo { hasNextPage endCursor } nodes {
    id revision field actual expected severity snoozed members { side value }
    resource { id name kind provisioned { specVersion source { name } } } } } }"""
ACCEPT = """mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { replayed drift { id status }
  provisioned { specVersion } } }"""
MEMBERS = """mutation($input: AcceptDriftMembersInput!) { acceptDriftMembers(input: $input) { accepted { id } } }"""
RECORD = "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { specVersion } } }"
UNDO = "mutation($input: UndoAcceptInput!) { undoAccept(input: $input) { replayed openDrift { id } } }"
PREVIEW = "mutation($input: PreviewBulkInput!) { previewBulk(input: $input) { token count } }"
EXECUTE = """mutation($input: ExecuteBulkInput!) { executeBulk(input: $input) { run { id done finishedAt
  items(outcome: DONE) { driftId resourceId } } } }"""
READS = [
    "{ coverage { kind managed } }", "{ driftFacets { fields { value count } } }",
    "{ freshness { vouched sweepOverdue settling } }",
    "{ driftGroups(first: 20) { totalCount nodes { key field count } } }", "{ sources { name state reason } }",
    "{ jobRuns(first: 20) { nodes { id job outcome startedAt } } }", "{ leftoverSummary { leftovers unknown } }",
    "{ ignoreRules(first: 20) { nodes { id hits } } }",
    "{ changes(first: 30) { nodes { type field before after } } }",
    "{ resources(first: 30, filter: { managed: true }) { nodes { id name events(first: 3) { nodes { type } } } } }",
]
FILTERS = [
    {}, {"status": ["ACCEPTED"]}, {"status": ["STALE", "REVERTED"]}, {"field": "size_slug"},
    {"resourceKind": "droplet"}, {"region": "nyc3"}, {"search": "web-1"}, {"source": "net"}, {"snoozed": True},
    {"assigned": False},
    {"where": {"field": {"notIn": ["tags"]}, "region": {"in": ["nyc3", "fra1"]}}}, {"kind": "MISSING"},
]


class User:
    """A user with a list of what they saw last."""

    def __init__(self, client, account, ledger, trouble):
        self.client, self.account, self.ledger, self.trouble = client, account, ledger, trouble
        self.drifts, self.accepted, self.rules, self.bulks = [], [], [], []

    def decide(self, kind, query, mark, **given):
        """Sends a decision with its mark, and notes what is known about it."""
        answer = self.client.graphql(kind, query, {"input": given})
        state = answer.state
        if answer.code == "OK" and any((made or {}).get("replayed") for made in answer.body.values()):
            # The same user had decided the same before, in a bulk or by a request without an answer. The first note
            # stays.
            state = "refused"
        self.ledger.add(kind, mark, state, given=given, answer=answer.body)
        return answer

    def look(self):
        """Reads open drifts, from any of the first pages."""
        answer = self.client.graphql("page", OPEN, {"filter": {"status": ["OPEN"]}, "first": 60})
        if answer.code == "OK":
            self.drifts = answer.body["drifts"]["nodes"]
            random.shuffle(self.drifts)

    def one(self):
        """Takes a drift out of what was read last."""
        if not self.drifts:
            self.look()
        return self.drifts.pop() if self.drifts else None

    def read(self):
        if random.random() < 0.5:
            self.client.graphql("list", OPEN, {"filter": random.choice(FILTERS), "first": random.choice([10, 50])})
        else:
            self.client.graphql("read", random.choice(READS))

    def history(self):
        drift = self.one()
        if drift:
            self.client.graphql("history", """query($id: ID!, $field: String!) { resource(id: $id) {
              specVersions(first: 20) { nodes { specVersion reason } } events(first: 50) { nodes { type actor } } }
              explain(resourceId: $id, field: $field) { verdict } }""",
                                {"id": drift["resource"]["id"], "field": drift["field"]})

    def measure(self):
        self.client.graphql("measures", """query($from: DateTime!, $to: DateTime!) { measures(from: $from, to: $to) {
          truncated groupCount } }""", {
            "from": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime()),
            "to": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})

    def rest_list(self):
        self.client.rest("REST list", "GET", "/api/v1/drift?field=size_slug&resource_kind=droplet")

    def export(self):
        self.client.rest("export", "GET", "/export/drifts.csv?status=open")

    def accept(self):
        drift = self.one()
        if not drift:
            return
        mark = self.ledger.mark()
        answer = self.decide("accept", ACCEPT, mark, driftId=drift["id"], revision=drift["revision"], note=mark)
        if answer.state == "confirmed":
            self.accepted.append(drift["id"])
        elif answer.state == "unknown" and random.random() < 0.7:
            self.repeat(drift)

    def repeat(self, drift):
        """Sends an accept again whose answer was lost, as the documentation advises."""
        mark = self.ledger.mark()
        answer = self.decide("accept again", ACCEPT, mark, driftId=drift["id"], revision=drift["revision"], note=mark)
        if answer.code == "OK" and answer.body["acceptDrift"]["replayed"]:
            self.trouble.count("accepts that were stored although their answer was lost")

    def accept_by_rest(self):
        drift = self.one()
        if drift:
            answer = self.client.rest("REST accept", "POST",
                                      f"/api/v1/drift/{drift['id']}/accept?revision={drift['revision']}", "")
            self.ledger.add("REST accept", drift["id"], answer.state)

    def accept_members(self):
        drift = next((d for d in self.drifts if d["members"]), None)
        if drift:
            self.drifts.remove(drift)
            mark = self.ledger.mark()
            self.decide("accept members", MEMBERS, mark, driftId=drift["id"], revision=drift["revision"], note=mark,
                        members=[random.choice(drift["members"])["value"]])

    def record(self):
        drift = self.one()
        if not drift:
            return
        mark = self.ledger.mark()
        version = (drift["resource"]["provisioned"] or {}).get("specVersion", 0)
        spec = {"size_slug": random.choice(SIZES), "region": "nyc3", "tags": random.sample(TAGS, 2),
                "image": random.choice(IMAGES), "written": "w-" + uuid.uuid4().hex}
        answer = self.decide("record", RECORD, mark, resourceId=drift["resource"]["id"], expectedSpecVersion=version,
                             spec=spec, reason=mark)
        made = answer.body["recordSpec"]["provisioned"]["specVersion"] if answer.code == "OK" else version + 1
        if made != version + 1:
            self.trouble.breach(f"a record on version {version} answered version {made}")

    def undo(self):
        if self.accepted:
            mark = self.ledger.mark()
            self.decide("undo", UNDO, mark, driftId=self.accepted.pop(random.randrange(len(self.accepted))),
                        reason=mark)

    def snooze(self):
        drift = self.one()
        if drift:
            mark = self.ledger.mark()
            self.decide("snooze", "mutation($input: SnoozeDriftInput!) { snoozeDrift(input: $input) { drift { id } } }",
                        mark, driftId=drift["id"], revision=drift["revision"], untilChange=True, reason=mark)

    def comment(self):
        drift = self.one()
        if drift:
            mark = self.ledger.mark()
            self.decide("comment", """mutation($input: AddCommentInput!) { addComment(input: $input) {
              comment { id } } }""", mark, driftId=drift["id"], body=mark)

    def assign(self):
        drift = self.one()
        if drift:
            mark = self.ledger.mark()
            self.decide("assign", "mutation($input: AssignDriftInput!) { assignDrift(input: $input) { drift { id } } }",
                        mark, driftId=drift["id"], assignee=mark)

    def mark_reverting(self):
        drift = self.one()
        if drift:
            mark = self.ledger.mark()
            self.decide("mark reverting", """mutation($input: MarkRevertingInput!) { markReverting(input: $input) {
              replayed } }""", mark, driftId=drift["id"], note=mark)

    def bulk(self):
        """Previews a decision about some drifts, and executes it."""
        ids = [drift["id"] for drift in self.drifts[:random.randint(2, 12)]]
        if not ids:
            return
        mark = self.ledger.mark()
        action = random.choice(["ACCEPT", "ACCEPT", "SNOOZE", "ASSIGN"])
        more = {"SNOOZE": {"untilChange": True}, "ASSIGN": {"assignee": "team"}}.get(action, {})
        preview = self.client.graphql("preview", PREVIEW, {"input": {"driftIds": ids, "action": action, **more}})
        if preview.code != "OK" or preview.body["previewBulk"]["count"] == 0:
            return
        token = preview.body["previewBulk"]["token"]
        answer = self.decide(f"bulk {action.lower()}", EXECUTE, mark, token=token, note=mark)
        if answer.code == "OK":
            self.bulks.append(token)

    def undo_bulk(self):
        if self.bulks:
            mark = self.ledger.mark()
            self.decide("undo bulk", """mutation($input: UndoBulkInput!) { undoBulk(input: $input) { undone
              refused { driftId code } } }""", mark, bulkId=self.bulks.pop(), reason=mark)

    def rule(self):
        """Makes an ignore rule for one resource, or ends one."""
        if self.rules and (len(self.rules) > 3 or random.random() < 0.4):
            mark = self.ledger.mark()
            self.decide("end rule", """mutation($input: EndIgnoreRuleInput!) { endIgnoreRule(input: $input) {
              __typename } }""", mark, ruleId=self.rules.pop(0), reason=mark)
            return
        drift = self.one()
        if not drift or drift["field"] == "*":
            return
        mark = self.ledger.mark()
        answer = self.decide("ignore rule", """mutation($input: CreateIgnoreRuleInput!) {
          createIgnoreRule(input: $input) { rule { id } } }""", mark, name=mark, reason="soak",
                             definition={"field": drift["field"], "resourceId": drift["resource"]["id"]})
        if answer.code == "OK":
            self.rules.append(answer.body["createIgnoreRule"]["rule"]["id"])

    def sync(self):
        self.client.graphql("sync", 'mutation { syncInventory(input: { source: "cloud" }) { run { id outcome } } }')

    def sweep(self):
        given = {}
        if random.random() < 0.6 and self.drifts:
            given = {"resourceIds": list({drift["resource"]["id"] for drift in self.drifts[:20]})}
        self.client.graphql("sweep", """mutation($input: DetectDriftInput!) { detectDrift(input: $input) {
          run { outcome } } }""", {"input": given})

    def baseline(self):
        self.client.graphql("baseline", """mutation { recordBaseline(input: { filter: { kind: "server" } }) {
          more } }""")

    def send_lines(self):
        self.client.rest("lines", "POST", "/api/v1/inventory/lab?every=1h", lines())

    def send_plan(self):
        self.client.rest("plan", "POST", "/api/v1/plans/net?every=1h", json.dumps(plan()))

    def send_state(self):
        serial, state = self.account.state()
        answer = self.client.graphql("state", """mutation($input: ImportTerraformStateInput!) {
          importTerraformState(input: $input) { summary { recorded changed } refusal { code } } }""",
                                     {"input": {"state": state, "takeOver": True}})
        self.ledger.add("state", str(serial), answer.state)


# What a user does, and how often.
WEIGHTS = {
    "read": 30, "look": 6, "history": 4, "measure": 1, "rest_list": 4, "export": 0.5, "accept": 22, "accept_by_rest": 4,
    "accept_members": 4, "record": 9, "undo": 6, "snooze": 3, "comment": 4, "assign": 2, "mark_reverting": 2, "bulk": 3,
    "undo_bulk": 0.6, "rule": 1, "sync": 0.7, "sweep": 0.7, "baseline": 0.2, "send_lines": 0.7, "send_plan": 0.7,
    "send_state": 0.5,
}


def act(user, weights, stopped, pause):
    """Does one thing after the other until the end."""
    names = list(weights)
    while not stopped.is_set():
        getattr(user, random.choices(names, weights.values())[0])()
        time.sleep(random.uniform(0, 2 * pause))
