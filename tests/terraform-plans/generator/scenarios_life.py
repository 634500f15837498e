"""What happens to resources over time: moved, deleted, removed from the code, pending, caught up, swallowed, tainted."""

from scenarios_plain import TRUST
from world import default, drift, gone, quiet


def group(name, label, days, extra=""):
    return f"""
resource "aws_cloudwatch_log_group" "{label}" {{
  name              = "{name}"
  retention_in_days = {days}
{extra}}}
"""


def keep(w, name, days):
    return lambda: w.aws("logs").put_retention_policy(logGroupName=name, retentionInDays=days)


def moved(w):
    leaf = """
resource "aws_sns_topic" "inner" {
  name         = "inner"
  display_name = "code"
}
"""
    w.write(leaf, file="leaf/main.tf", provider="")
    w.write(group("/moved/only", "old_only", 7) + group("/moved/drift", "old_drift", 7)
            + group("/moved/gone", "old_gone", 7) + group("/moved/single", "single", 7)
            + group("/moved/still", "still", 7) + """
module "before" {
  source = "./leaf"
}
""")
    w.apply()
    w.settle()
    w.write(group("/moved/only", "new_only", 7) + group("/moved/drift", "new_drift", 7)
            + group("/moved/gone", "new_gone", 7)
            + group("/moved/single", "single", 7, "  for_each = toset([\"a.b\"])\n")
            + group("/moved/still", "still", 7) + """
module "after" {
  source = "./leaf"
}

moved {
  from = aws_cloudwatch_log_group.old_only
  to   = aws_cloudwatch_log_group.new_only
}

moved {
  from = aws_cloudwatch_log_group.old_drift
  to   = aws_cloudwatch_log_group.new_drift
}

moved {
  from = aws_cloudwatch_log_group.old_gone
  to   = aws_cloudwatch_log_group.new_gone
}

moved {
  from = aws_cloudwatch_log_group.single
  to   = aws_cloudwatch_log_group.single["a.b"]
}

moved {
  from = module.before
  to   = module.after
}
""")
    w.terraform("get")
    topic = w.value("module.before.aws_sns_topic.inner", "arn")
    w.change("changed and about to move", keep(w, "/moved/drift", 1),
             drift("aws_cloudwatch_log_group.new_drift", "retention_in_days", 7, 1, why="moved",
                   previous_address="aws_cloudwatch_log_group.old_drift"))
    w.change("deleted and about to move", lambda: w.aws("logs").delete_log_group(logGroupName="/moved/gone"),
             gone("aws_cloudwatch_log_group.new_gone", why="moved",
                  previous_address="aws_cloudwatch_log_group.old_gone"))
    w.change("changed and about to move under a key", keep(w, "/moved/single", 3),
             drift('aws_cloudwatch_log_group.single["a.b"]', "retention_in_days", 7, 3, why="moved",
                   previous_address="aws_cloudwatch_log_group.single"))
    w.change("changed and about to move with its module", lambda: w.aws("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="DisplayName", AttributeValue="hand"),
        drift("module.after.aws_sns_topic.inner", "display_name", "code", "hand", why="moved",
              previous_address="module.before.aws_sns_topic.inner"))
    w.change("not moved, changed", keep(w, "/moved/still", 5),
             drift("aws_cloudwatch_log_group.still", "retention_in_days", 7, 5))
    w.rows.append(quiet("aws_cloudwatch_log_group.new_only", "*", "moved",
                        previous_address="aws_cloudwatch_log_group.old_only"))
    w.state = "the moved blocks are not applied: the state (and `instances` here) has the old addresses"
    w.save()


def deleted(w):
    w.write("""
resource "aws_iam_role" "parent" {
  name               = "parent"
  assume_role_policy = """ + TRUST + """
}

resource "aws_iam_role_policy" "child" {
  name   = "child"
  role   = aws_iam_role.parent.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:*", Resource = "*" }] })
}

resource "aws_s3_bucket" "b" {
  bucket = "corpus-deleted"
}

resource "aws_s3_bucket_versioning" "b" {
  bucket = aws_s3_bucket.b.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_object" "o" {
  bucket  = aws_s3_bucket.b.id
  key     = "a/b.txt"
  content = "text"
}

resource "aws_ssm_parameter" "p" {
  for_each = toset(["stays", "goes"])
  name     = "/deleted/${each.key}"
  type     = "String"
  value    = "v"
}

resource "aws_dynamodb_table" "again" {
  name         = "again"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
  tags = {
    team = "blue"
  }
}

resource "aws_ebs_volume" "other_id" {
  availability_zone = "eu-west-1a"
  size              = 10
}

resource "aws_sns_topic" "t" {
  name = "deleted"
}

resource "aws_sns_topic_subscription" "s" {
  topic_arn = aws_sns_topic.t.arn
  protocol  = "sqs"
  endpoint  = "arn:aws:sqs:eu-west-1:123456789012:deleted"
}
""")
    w.apply()
    w.settle()
    iam, s3 = w.aws("iam"), w.aws("s3")

    def role():
        iam.delete_role_policy(RoleName="parent", PolicyName="child")
        iam.delete_role(RoleName="parent")
    w.change("a role deleted with its policy", role, gone("aws_iam_role.parent"), gone("aws_iam_role_policy.child"))

    def bucket():
        for version in s3.list_object_versions(Bucket="corpus-deleted").get("Versions", []):
            s3.delete_object(Bucket="corpus-deleted", Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket="corpus-deleted")
    w.change("a bucket deleted with its object and setting", bucket,
             gone("aws_s3_bucket.b"), gone("aws_s3_bucket_versioning.b"), gone("aws_s3_object.o"))
    w.change("one of two parameters deleted", lambda: w.aws("ssm").delete_parameter(Name="/deleted/goes"),
             gone('aws_ssm_parameter.p["goes"]'))
    db = w.aws("dynamodb")

    def table():
        db.delete_table(TableName="again")
        db.create_table(TableName="again", BillingMode="PAY_PER_REQUEST",
                        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    w.change("a table deleted and made again under the same name, without tags", table,
             drift("aws_dynamodb_table.again", "tags", {"team": "blue"}, {}))
    volume = w.value("aws_ebs_volume.other_id", "id")

    def remake():
        w.aws("ec2").delete_volume(VolumeId=volume)
        w.aws("ec2").create_volume(AvailabilityZone="eu-west-1a", Size=10)
    w.change("a volume deleted and made again under another id", remake, gone("aws_ebs_volume.other_id"))
    subscription = w.value("aws_sns_topic_subscription.s", "arn")
    w.change("a subscription ended", lambda: w.aws("sns").unsubscribe(SubscriptionArn=subscription),
             gone("aws_sns_topic_subscription.s"))
    w.save()


def removed_from_code(w):
    w.write(group("/removed/whole", "whole", 7) + group("/removed/block", "block", 7)
            + group("/removed/kept", "kept", 7)
            + """
resource "aws_ssm_parameter" "counted" {
  count = 3
  name  = "/removed/${count.index}"
  type  = "String"
  value = "v"
  tags = {
    n = count.index
  }
}

resource "aws_ssm_parameter" "each" {
  for_each = toset(["stays", "leaves"])
  name     = "/removed/${each.key}"
  type     = "String"
  value    = "v"
  tags = {
    team = "blue"
  }
}
""")
    w.apply()
    w.settle()
    w.write(group("/removed/kept", "kept", 7) + """
removed {
  from = aws_cloudwatch_log_group.block
  lifecycle {
    destroy = false
  }
}

resource "aws_ssm_parameter" "counted" {
  count = 1
  name  = "/removed/${count.index}"
  type  = "String"
  value = "v"
  tags = {
    n = count.index
  }
}

resource "aws_ssm_parameter" "each" {
  for_each = toset(["stays"])
  name     = "/removed/${each.key}"
  type     = "String"
  value    = "v"
  tags = {
    team = "blue"
  }
}
""")

    def tag(name, key, value):
        return lambda: w.aws("ssm").add_tags_to_resource(
            ResourceType="Parameter", ResourceId=name, Tags=[{"Key": key, "Value": value}])
    undone = dict(normal_plan_would_undo=True)
    w.change("changed, but no longer in the code", keep(w, "/removed/whole", 1),
             quiet("aws_cloudwatch_log_group.whole", "retention_in_days", "removed from the code", 7, 1) | undone)
    w.change("changed, and let go by a removed block", keep(w, "/removed/block", 1),
             quiet("aws_cloudwatch_log_group.block", "retention_in_days", "removed block", 7, 1))
    w.change("changed, index beyond the constant count", tag("/removed/2", "n", "x"),
             quiet("aws_ssm_parameter.counted[2]", "tags", "index beyond the count", {"n": "2"}, {"n": "x"}) | undone)
    w.change("deleted, index beyond the constant count",
             lambda: w.aws("ssm").delete_parameter(Name="/removed/1"),
             quiet("aws_ssm_parameter.counted[1]", "*", "index beyond the count"))
    w.change("changed, key no longer in for_each (not constant in the plan)", tag("/removed/leaves", "team", "red"),
             default('aws_ssm_parameter.each["leaves"]', "tags", {"team": "blue"}, {"team": "red"},
                     why="key no longer in for_each: the refresh-only plan does not say so") | {"with_normal": "not_reported"})
    w.change("changed, still in the code", keep(w, "/removed/kept", 1),
             drift("aws_cloudwatch_log_group.kept", "retention_in_days", 7, 1))
    w.change("changed, index within the count", tag("/removed/0", "n", "x"),
             drift("aws_ssm_parameter.counted[0]", "tags", {"n": "0"}, {"n": "x"}))
    w.notes.append("what left the code: the normal plan deletes the instance; the code has no value for the field")
    w.save(normal=True)


def pending(w):
    names = ("pending", "both", "live", "caught", "pending_tags")
    tags = "  tags = {\n    team = \"blue\"\n  }\n"
    w.write("".join(group(f"/{name}", name, 7, tags) for name in names) + """
resource "aws_sns_topic" "other_field" {
  name         = "other-field"
  display_name = "code"
  tags = {
    team = "blue"
  }
}

variable "days" {
  default = 7
}

resource "aws_cloudwatch_log_group" "caught_by_variable" {
  name              = "/caught-by-variable"
  retention_in_days = var.days
}
""")
    w.apply()
    w.settle()
    # The code moves on and is not applied.
    w.write(group("/pending", "pending", 30, tags) + group("/both", "both", 30, tags) + group("/live", "live", 7, tags)
            + group("/caught", "caught", 14, tags)
            + group("/pending_tags", "pending_tags", 7, "  tags = {\n    team = \"green\"\n  }\n") + """
resource "aws_cloudwatch_log_group" "new" {
  name              = "/new"
  retention_in_days = 1
}

resource "aws_sns_topic" "other_field" {
  name         = "other-field"
  display_name = "new code"
  tags = {
    team = "blue"
  }
}

variable "days" {
  default = 14
}

resource "aws_cloudwatch_log_group" "caught_by_variable" {
  name              = "/caught-by-variable"
  retention_in_days = var.days
}
""")
    topic = w.value("aws_sns_topic.other_field", "arn")
    w.rows.append(quiet("aws_cloudwatch_log_group.pending", "retention_in_days", "pending") | {"normal_plan_would_undo": True})
    w.rows.append(quiet("aws_cloudwatch_log_group.pending_tags", "tags", "pending") | {"normal_plan_would_undo": True})
    w.change("live changed to one thing, code to another", keep(w, "/both", 3),
             drift("aws_cloudwatch_log_group.both", "retention_in_days", 7, 3, desired=30))
    w.change("live changed, code as it was", keep(w, "/live", 3),
             drift("aws_cloudwatch_log_group.live", "retention_in_days", 7, 3))
    w.change("live changed to what the code says now", keep(w, "/caught", 14),
             quiet("aws_cloudwatch_log_group.caught", "retention_in_days", "caught up", 7, 14))
    w.change("live changed to what a variable says now", keep(w, "/caught-by-variable", 14),
             default("aws_cloudwatch_log_group.caught_by_variable", "retention_in_days", 7, 14,
                     why="caught up by a variable: the refresh-only plan cannot tell", normal_plan_would_undo=False)
             | {"with_normal": "not_reported"})
    w.change("pending on one field, changed outside on another", lambda: w.aws("sns").tag_resource(
        ResourceArn=topic, Tags=[{"Key": "team", "Value": "red"}]),
        drift("aws_sns_topic.other_field", "tags", {"team": "blue"}, {"team": "red"}))
    w.rows.append(quiet("aws_sns_topic.other_field", "display_name", "pending") | {"normal_plan_would_undo": True})
    w.notes.append("why pending: only the code has changed; the normal plan has an update, but it is no drift")
    w.save(normal=True)


def swallowed(w):
    w.state = "a sequence of plans of one state"
    names = ("open", "gone", "fixed", "later", "calm")
    w.write("".join(group(f"/seq/{name}", name, 7) for name in names) + """
variable "days" {
  default = 7
}

resource "aws_cloudwatch_log_group" "by_variable" {
  name              = "/seq/by-variable"
  retention_in_days = var.days
}

resource "aws_sns_topic" "tags" {
  name = "seq"
  tags = {
    team = "blue"
  }
}
""")
    w.apply()
    w.settle()
    topic = w.value("aws_sns_topic.tags", "arn")
    w.save("1", about="nothing has happened yet")
    w.change("retention", keep(w, "/seq/open", 1), drift("aws_cloudwatch_log_group.open", "retention_in_days", 7, 1))
    w.change("deleted", lambda: w.aws("logs").delete_log_group(logGroupName="/seq/gone"), gone("aws_cloudwatch_log_group.gone"))
    w.change("retention, to be put right by hand", keep(w, "/seq/fixed", 1),
             drift("aws_cloudwatch_log_group.fixed", "retention_in_days", 7, 1))
    w.change("retention from a variable", keep(w, "/seq/by-variable", 1),
             drift("aws_cloudwatch_log_group.by_variable", "retention_in_days", 7, 1))
    w.change("a tag", lambda: w.aws("sns").tag_resource(ResourceArn=topic, Tags=[{"Key": "team", "Value": "red"}]),
             drift("aws_sns_topic.tags", "tags", {"team": "blue"}, {"team": "red"}))
    w.save("2", about="five changes, all open")
    keep(w, "/seq/fixed", 7)()
    w.rows = [row for row in w.rows if row["address"] != "aws_cloudwatch_log_group.fixed"]
    w.save("3", about="one of the five put right by hand: that row may close, the others stay",
           closed=["aws_cloudwatch_log_group.fixed"])
    w.settle()
    old = {row["address"]: row for row in w.rows}
    w.rows = [
        quiet("aws_cloudwatch_log_group.open", "retention_in_days", "swallowed", 7, 1, constant=7) | {"normal_plan_would_undo": True},
        quiet("aws_cloudwatch_log_group.by_variable", "retention_in_days", "swallowed", 7, 1) | {"normal_plan_would_undo": True},
        quiet("aws_sns_topic.tags", "tags", "swallowed", {"team": "blue"}, {"team": "red"},
              constant={"team": "blue"}) | {"normal_plan_would_undo": True},
    ]
    w.change("after the swallowing: a new change", keep(w, "/seq/later", 3),
             drift("aws_cloudwatch_log_group.later", "retention_in_days", 7, 3))
    w.save("4", about="somebody ran apply -refresh-only: the four open changes left resource_drift and are not fixed",
           must_not_close_as_fixed=sorted(old), swallowed_deleted=["aws_cloudwatch_log_group.gone"])
    w.apply()
    w.rows = []
    w.save("5", about="somebody ran a real apply: everything is as the code says",
           closed=sorted(set(old) | {"aws_cloudwatch_log_group.later"}))


def tainted_deposed(w):
    def bucket(name, days):
        return f"""
resource "aws_s3_bucket" "b" {{
  bucket = "{name}"
  tags = {{
    team = "blue"
  }}
  lifecycle {{
    create_before_destroy = true
  }}
}}
""" + group("/taint/a", "a", days) + group("/taint/b", "b", days)
    w.write(bucket("corpus-first", 7))
    w.apply()
    w.settle()
    w.aws("s3").put_object(Bucket="corpus-first", Key="in-the-way", Body=b"x")
    # The new bucket is made, the old one is not empty and cannot be deleted: it stays as a deposed object.
    w.write(bucket("corpus-second", 7))
    w.apply(ok=(1,))
    w.settle()
    w.terraform("taint", "aws_cloudwatch_log_group.a")
    w.change("a deposed bucket's tag changed", lambda: w.aws("s3").put_bucket_tagging(
        Bucket="corpus-first", Tagging={"TagSet": [{"Key": "team", "Value": "deposed"}]}),
        quiet("aws_s3_bucket.b", "tags", "deposed object", {"team": "blue"}, {"team": "deposed"}, deposed=True)
        | {"with_normal": "not_reported"})
    w.change("a tainted group changed", keep(w, "/taint/a", 1),
             drift("aws_cloudwatch_log_group.a", "retention_in_days", 7, 1, tainted=True))
    w.change("an ordinary group changed", keep(w, "/taint/b", 1),
             drift("aws_cloudwatch_log_group.b", "retention_in_days", 7, 1))
    w.save(normal=True)


def data_sources(w):
    w.aws("ssm").put_parameter(Name="/outside/days", Value="7", Type="String")
    w.aws("ssm").put_parameter(Name="/outside/text", Value="one", Type="String")
    w.write("""
data "aws_ssm_parameter" "days" {
  name = "/outside/days"
}

data "aws_ssm_parameter" "text" {
  name = "/outside/text"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_caller_identity" "me" {}

resource "aws_iam_role" "r" {
  name               = "from-data"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_cloudwatch_log_group" "from_data" {
  name              = "/from-data"
  retention_in_days = nonsensitive(data.aws_ssm_parameter.days.value)
}

resource "aws_sns_topic" "both" {
  name         = "from-data"
  display_name = nonsensitive(data.aws_ssm_parameter.text.value)
  tags = {
    account = data.aws_caller_identity.me.account_id
  }
}

output "days" {
  value = nonsensitive(data.aws_ssm_parameter.days.value)
}

output "topic_name" {
  value = aws_sns_topic.both.display_name
}

check "text_is_one" {
  assert {
    condition     = nonsensitive(data.aws_ssm_parameter.text.value) == "one"
    error_message = "the outside text has changed"
  }
}
""")
    w.apply()
    w.settle()
    ssm = w.aws("ssm")
    topic = w.value("aws_sns_topic.both", "arn")
    w.change("what a data source reads has changed", lambda: ssm.put_parameter(
        Name="/outside/days", Value="14", Type="String", Overwrite=True),
        quiet("data.aws_ssm_parameter.days", "value", "data source", data=True),
        quiet("aws_cloudwatch_log_group.from_data", "retention_in_days", "pending") | {"normal_plan_would_undo": True})
    w.change("what another data source reads has changed, a check fails", lambda: ssm.put_parameter(
        Name="/outside/text", Value="two", Type="String", Overwrite=True),
        quiet("data.aws_ssm_parameter.text", "value", "data source", data=True))
    w.change("a name that came from a data source changed", lambda: w.aws("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="DisplayName", AttributeValue="hand"),
        drift("aws_sns_topic.both", "display_name", "one", "hand"))
    w.change("a tag", lambda: w.aws("sns").tag_resource(
        ResourceArn=topic, Tags=[{"Key": "account", "Value": "000000000000"}]),
        drift("aws_sns_topic.both", "tags", {"account": "123456789012"}, {"account": "000000000000"}))
    w.notes.append("the plan also has output_changes, checks (one failed) and relevant_attributes")
    w.save(normal=True)


def first_apply(w):
    w.state = "right after the first apply"
    w.write("""
resource "aws_vpc" "main" {
  cidr_block = "10.3.0.0/16"
}

resource "aws_security_group" "g" {
  name        = "noise"
  description = "noise"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "r" {
  security_group_id = aws_security_group.g.id
  cidr_ipv4         = "10.0.0.0/8"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_dynamodb_table" "t" {
  name         = "noise"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_s3_bucket" "b" {
  bucket = "corpus-noise"
}

resource "aws_s3_bucket_versioning" "b" {
  bucket = aws_s3_bucket.b.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "b" {
  bucket = aws_s3_bucket.b.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "b" {
  bucket              = aws_s3_bucket.b.id
  block_public_acls   = true
  block_public_policy = true
}

resource "aws_iam_user" "u" {
  name = "noise"
}

resource "aws_iam_group" "g" {
  name = "noise"
}

resource "aws_ecs_cluster" "c" {
  name = "noise"
}

resource "aws_kms_key" "k" {
  description = "noise"
}

resource "aws_kms_alias" "k" {
  name          = "alias/noise"
  target_key_id = aws_kms_key.k.key_id
}

resource "aws_route53_zone" "z" {
  name    = "noise.example"
  comment = "code"
}
""")
    w.apply()
    w.change("public policies allowed", lambda: w.aws("s3").put_public_access_block(
        Bucket="corpus-noise", PublicAccessBlockConfiguration={
            "BlockPublicAcls": True, "BlockPublicPolicy": False, "IgnorePublicAcls": False, "RestrictPublicBuckets": False}),
        drift("aws_s3_bucket_public_access_block.b", "block_public_policy", True, False))
    w.change("user's path changed", lambda: w.aws("iam").update_user(UserName="noise", NewPath="/hand/"),
             default("aws_iam_user.u", "path", "/", "/hand/"))
    key = w.value("aws_kms_key.k", "key_id")
    w.change("key's description", lambda: w.aws("kms").update_key_description(KeyId=key, Description="hand"),
             drift("aws_kms_key.k", "description", "noise", "hand"))
    zone = w.value("aws_route53_zone.z", "zone_id")
    w.change("zone's comment", lambda: w.aws("route53").update_hosted_zone_comment(Id=zone, Comment="hand"),
             drift("aws_route53_zone.z", "comment", "code", "hand"))
    w.save()


def calm(w):
    w.write(group("/calm", "g", 7) + """
resource "aws_sns_topic" "t" {
  name = "calm"
  tags = {
    team = "blue"
  }
}
""")
    w.apply()
    w.settle()
    w.save(about="nothing has changed")


SCENARIOS = [
    ("moved", "moved blocks not yet applied, with and without changes", moved),
    ("deleted", "deleted outside: with children, a member, made again", deleted),
    ("removed-from-code", "removed from the code and not applied", removed_from_code),
    ("pending", "the code has changed and is not applied; the code has caught up", pending),
    ("swallowed", "swallowed by apply -refresh-only", swallowed),
    ("tainted-deposed", "a tainted instance and a deposed object", tainted_deposed),
    ("data-sources", "data sources, outputs, a check", data_sources),
    ("first-apply", "the noise of a first apply with true changes", first_apply),
    ("calm", "nothing has changed", calm),
]
