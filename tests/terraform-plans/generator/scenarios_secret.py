"""Sixty planted secrets, `planted-secret-001` to `-060`: none of them may leave the reader.

marked: Terraform marks the value itself somewhere in the plan (`before_sensitive`, `after_sensitive`, `sensitive_values`);
such a secret can all the same have a twin without a mark. unmarked: no mark anywhere, only the place tells.
"""

import base64

from scenarios_plain import TRUST, empty_zip
from world import PROVIDER, default, drift, secret_row


def marked(w):
    w.write("""
variable "login" {
  default   = "planted-secret-001"
  sensitive = true
}

variable "cidr" {
  default   = "203.0.113.77/32"
  sensitive = true
}

variable "nested" {
  sensitive = true
  default = {
    db    = "planted-secret-002"
    queue = "planted-secret-003"
    list  = ["planted-secret-004", "planted-secret-005"]
  }
}

variable "display" {
  default   = "planted-secret-006"
  sensitive = true
}

variable "name" {
  default   = "planted-secret-007"
  sensitive = true
}

resource "aws_iam_role" "f" {
  name               = "marked"
  description        = "login ${var.login}"
  assume_role_policy = """ + TRUST + """
}

resource "aws_sns_topic" "tags" {
  name         = "tags"
  display_name = var.display
  tags = {
    login = var.login
    plain = "blue"
  }
}

resource "aws_sns_topic" "tag_plain" {
  name = "tag-plain"
  tags = {
    login = var.nested.db
    plain = "blue"
  }
}

resource "aws_ssm_parameter" "by_name" {
  name  = "/${var.name}"
  type  = "String"
  value = "v"
  tags = {
    team = "blue"
  }
}

resource "aws_ssm_parameter" "secure" {
  name  = "/secure"
  type  = "SecureString"
  value = "planted-secret-008"
}

resource "aws_ssm_parameter" "plain_kind" {
  name  = "/plain-kind"
  type  = "String"
  value = "planted-secret-009"
}

resource "aws_ssm_parameter" "insecure" {
  name           = "/insecure"
  type           = "String"
  insecure_value = "planted-secret-010"
}

resource "aws_ssm_parameter" "json" {
  name  = "/json"
  type  = "SecureString"
  value = jsonencode({ user = "app", password = var.nested.queue, more = var.nested.list })
}

resource "aws_lambda_function" "f" {
  function_name = "marked"
  role          = aws_iam_role.f.arn
  handler       = "index.handler"
  runtime       = "python3.12"
  filename      = "fn.zip"
  environment {
    variables = {
      DB    = var.nested.db
      STAGE = "prod"
      URL   = "https://app:${var.login}@db.example/x"
    }
  }
}

resource "aws_secretsmanager_secret" "s" {
  name = "marked"
}

resource "aws_secretsmanager_secret_version" "s" {
  secret_id     = aws_secretsmanager_secret.s.id
  secret_string = jsonencode({ password = "planted-secret-011", user = "planted-secret-012" })
}

resource "aws_security_group" "g" {
  name        = "marked"
  description = "marked"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = [var.cidr]
  }
}

resource "aws_db_instance" "d" {
  identifier          = "marked"
  engine              = "postgres"
  engine_version      = "16.3"
  instance_class      = "db.t3.micro"
  allocated_storage   = 20
  username            = "planted-secret-013"
  password            = "planted-secret-014"
  skip_final_snapshot = true
}

resource "aws_iam_user" "u" {
  name = "marked"
  tags = {
    key = sensitive("planted-secret-023")
  }
}

resource "aws_iam_access_key" "k" {
  user = aws_iam_user.u.name
}

variable "tag_key" {
  default   = "planted-secret-029"
  sensitive = true
}

resource "aws_sns_topic" "by_function" {
  name         = "by-function"
  display_name = sensitive("planted-secret-027")
  tags = {
    (var.tag_key) = "a marked key"
  }
}

resource "aws_route53_zone" "z" {
  name = "marked.example"
}

resource "aws_route53_record" "txt" {
  zone_id = aws_route53_zone.z.zone_id
  name    = "txt.marked.example"
  type    = "TXT"
  ttl     = 60
  records = [sensitive("key=planted-secret-028"), "plain"]
}

output "login" {
  value     = var.login
  sensitive = true
}

output "topic" {
  value     = { name = aws_sns_topic.tags.display_name, more = var.nested.list }
  sensitive = true
}
""")
    empty_zip(w)
    w.apply()
    w.settle()
    for number, where, mark in [
        (1, "variable login; tags.login, twin tags_all.login without a mark; inside a description and a URL; an output", True),
        (2, "variable nested.db; a tag and a variable of a function", True),
        (3, "variable nested.queue; inside a JSON SecureString", True),
        (4, "variable nested.list[0]; inside a JSON SecureString and an output", True),
        (5, "variable nested.list[1]; inside a JSON SecureString and an output", True),
        (6, "variable display; display_name of a topic, before its change", True),
        (7, "variable name; the name of a parameter, twins id and arn without a mark", True),
        (8, "SecureString, before its change; in the configuration as a constant", True),
        (9, "value of a String parameter (marked by the provider)", True),
        (10, "insecure_value of a parameter: no mark (value, marked, is empty then)", False),
        (11, "password in a secret's JSON", True), (12, "user in a secret's JSON", True),
        (13, "username of a database: no mark", False), (14, "password of a database", True),
        (15, "a tag changed from outside: marked by path, its twin in tags_all not", True),
        (16, "a tag added from outside beside a marked one: no mark", False),
        (17, "display name changed from outside", True), (18, "SecureString changed from outside", True),
        (19, "String parameter changed from outside", True), (20, "insecure_value changed from outside: no mark", False),
        (21, "a marked variable of a function changed from outside", True),
        (22, "a variable of a function added from outside: no mark", False),
        (23, "a user's tag by the function sensitive(); twin in tags_all", True),
        (24, "a role's description changed from outside: marked by path", True),
        (25, "a plain variable of a function changed from outside to a secret: no mark", False),
        (27, "display_name by the function sensitive(), configuration {}", True),
        (28, "one of two texts of a record, by sensitive(): marks the whole set", True),
        (29, "variable tag_key: the key of a tag, not its value", True),
        (26, "a tag without a mark changed to a secret: no mark", False),
    ]:
        w.secret(number, where, mark)
    sns, ssm = w.aws("sns"), w.aws("ssm")
    one, two = w.value("aws_sns_topic.tags", "arn"), w.value("aws_sns_topic.tag_plain", "arn")
    w.change("a marked tag changed, another added", lambda: sns.tag_resource(ResourceArn=one, Tags=[
        {"Key": "login", "Value": "planted-secret-015"}, {"Key": "hand", "Value": "planted-secret-016"}]),
        secret_row("aws_sns_topic.tags", "tags"))
    w.change("a marked display name changed", lambda: sns.set_topic_attributes(
        TopicArn=one, AttributeName="DisplayName", AttributeValue="planted-secret-017"),
        secret_row("aws_sns_topic.tags", "display_name"))
    w.change("an unmarked tag beside a marked one changed to a secret", lambda: sns.tag_resource(
        ResourceArn=two, Tags=[{"Key": "plain", "Value": "planted-secret-026"}]),
        secret_row("aws_sns_topic.tag_plain", "tags"))
    w.change("a tag of a parameter whose name is a secret", lambda: ssm.add_tags_to_resource(
        ResourceType="Parameter", ResourceId="/planted-secret-007", Tags=[{"Key": "team", "Value": "red"}]),
        drift("aws_ssm_parameter.by_name", "tags", {"team": "blue"}, {"team": "red"}))

    def put(name, kind, value):
        return lambda: ssm.put_parameter(Name=name, Type=kind, Value=value, Overwrite=True)
    w.change("a SecureString changed", put("/secure", "SecureString", "planted-secret-018"),
             secret_row("aws_ssm_parameter.secure", "value"))
    w.change("a String changed", put("/plain-kind", "String", "planted-secret-019"),
             secret_row("aws_ssm_parameter.plain_kind", "value"))
    w.change("an insecure value changed", put("/insecure", "String", "planted-secret-020"),
             secret_row("aws_ssm_parameter.insecure", "insecure_value"))
    w.change("a function's environment: marked changed, unmarked changed, one added",
             lambda: w.aws("lambda").update_function_configuration(FunctionName="marked", Environment={"Variables": {
                 "DB": "planted-secret-021", "STAGE": "planted-secret-025", "HAND": "planted-secret-022",
                 "URL": "https://app:planted-secret-001@db.example/x"}}),
             secret_row("aws_lambda_function.f", "environment", path="[0].variables"))
    w.change("a role's description, made from a marked value, changed", lambda: w.aws("iam").update_role(
        RoleName="marked", Description="planted-secret-024"),
        secret_row("aws_iam_role.f", "description"))
    group = w.value("aws_security_group.g", "id")
    zone = w.value("aws_route53_zone.z", "zone_id")
    w.change("a text more beside a marked one", lambda: w.aws("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {
            "Name": "txt.marked.example", "Type": "TXT", "TTL": 60, "ResourceRecords": [
                {"Value": '"key=planted-secret-028"'}, {"Value": '"plain"'}, {"Value": '"hand"'}]}}]}),
        secret_row("aws_route53_record.txt", "records"))
    three = w.value("aws_sns_topic.by_function", "arn")
    w.change("the value of a tag with a marked key changed", lambda: sns.tag_resource(
        ResourceArn=three, Tags=[{"Key": "planted-secret-029", "Value": "hand"}]),
        secret_row("aws_sns_topic.by_function", "tags"))
    w.change("a rule more beside a marked address", lambda: w.aws("ec2").authorize_security_group_ingress(
        GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]),
        secret_row("aws_security_group.g", "ingress"))
    w.notes.append("203.0.113.77/32 is marked too (variable cidr), though it has no planted- prefix")
    w.save(hard=["planted-secret-010", "planted-secret-020"],
           hard_is="unmarked, in a drifted, declared field; only the name insecure_value tells")


def unmarked(w):
    w.write("""
variable "token" {
  default = "planted-secret-030"
}

variable "tokens" {
  default = {
    one = "planted-secret-031"
    two = ["planted-secret-032"]
  }
}

resource "aws_iam_role" "f" {
  name               = "unmarked"
  assume_role_policy = """ + TRUST + """
}

resource "aws_lambda_function" "f" {
  function_name = "unmarked"
  role          = aws_iam_role.f.arn
  handler       = "index.handler"
  runtime       = "python3.12"
  filename      = "fn.zip"
  environment {
    variables = {
      TOKEN    = var.token
      ONE      = var.tokens.one
      CONSTANT = "planted-secret-033"
      STAGE    = "prod"
    }
  }
}

resource "aws_ecs_task_definition" "t" {
  family = "unmarked"
  container_definitions = jsonencode([{
    name        = "app"
    image       = "app:1"
    memory      = 128
    environment = [{ name = "PASSWORD", value = "planted-secret-034" }]
  }])
}

resource "aws_instance" "i" {
  ami           = "ami-12c6146b"
  instance_type = "t3.micro"
  user_data     = <<-EOT
    #!/bin/sh
    export PASSWORD=planted-secret-035
  EOT
  tags = {
    Name = "i"
  }
}

resource "aws_launch_template" "l" {
  name      = "unmarked"
  image_id  = "ami-12c6146b"
  user_data = base64encode("export PASSWORD=planted-secret-036")
}

resource "aws_cloudwatch_event_rule" "r" {
  name                = "unmarked"
  schedule_expression = "rate(1 day)"
}

resource "aws_cloudwatch_event_target" "t" {
  rule  = aws_cloudwatch_event_rule.r.name
  arn   = aws_lambda_function.f.arn
  input = jsonencode({ token = "planted-secret-037" })
}

resource "aws_sns_topic" "t" {
  name = "unmarked"
  tags = {
    note = "planted-secret-038"
  }
}

resource "aws_sns_topic_subscription" "s" {
  topic_arn              = aws_sns_topic.t.arn
  protocol               = "https"
  endpoint               = "https://user:planted-secret-039@hook.example/"
  endpoint_auto_confirms = true
}

resource "aws_secretsmanager_secret" "wo" {
  name = "write-only"
}

resource "aws_secretsmanager_secret_version" "wo" {
  secret_id                = aws_secretsmanager_secret.wo.id
  secret_string_wo         = "planted-secret-040"
  secret_string_wo_version = 1
}

resource "aws_s3_bucket" "b" {
  bucket = "corpus-unmarked"
}

resource "aws_s3_object" "o" {
  bucket  = aws_s3_bucket.b.id
  key     = "config.ini"
  content = "password=planted-secret-041"
}

resource "aws_batch_job_definition" "j" {
  name = "unmarked"
  type = "container"
  container_properties = jsonencode({
    image       = "app:1"
    vcpus       = 1
    memory      = 128
    command     = ["run", "--password", "planted-secret-042"]
    environment = [{ name = "KEY", value = "planted-secret-043" }]
  })
}

resource "terraform_data" "d" {
  input = { key = "planted-secret-044" }
}

output "token" {
  value = "planted-secret-045"
}
""")
    empty_zip(w)
    w.apply()
    w.settle()
    for number, where in [
        (30, "variable token, not marked; a variable of a function, before its change"),
        (31, "variable tokens.one, not marked; a variable of a function"),
        (32, "variable tokens.two[0], not marked; used nowhere"),
        (33, "a constant in a function's environment"),
        (34, "container_definitions, JSON text"),
        (35, "user_data: plain text in the configuration, a SHA-1 in the state"),
        (37, "input of an event target, JSON text, before its change"),
        (38, "a tag"), (39, "an endpoint with a password in its address"),
        (40, "a write-only secret: in the configuration only"),
        (41, "content of an object"), (42, "a command's argument, JSON text"), (43, "environment, JSON text"),
        (44, "input of terraform_data, another provider"), (45, "an output, not marked"),
        (46, "a variable of a function changed from outside"), (47, "a variable of a function added from outside"),
        (48, "input of an event target changed from outside"), (49, "a tag changed from outside"),
        (50, "a tag added from outside where none is declared"), (51, "an instance's tag changed from outside"),
        (52, "a role's description set from outside, undeclared"),
    ]:
        w.secret(number, where, False)
    w.secret(36, "user_data of a launch template: only as base64", False,
             encoded=base64.b64encode(b"export PASSWORD=planted-secret-036").decode())

    w.change("a function's environment: one changed, one added", lambda: w.aws("lambda").update_function_configuration(
        FunctionName="unmarked", Environment={"Variables": {
            "TOKEN": "planted-secret-046", "ONE": "planted-secret-031", "CONSTANT": "planted-secret-033",
            "STAGE": "prod", "HAND": "planted-secret-047"}}),
        secret_row("aws_lambda_function.f", "environment", path="[0].variables"))
    arn = w.value("aws_lambda_function.f", "arn")
    target = w.value("aws_cloudwatch_event_target.t", "target_id")
    w.change("an event target's input changed", lambda: w.aws("events").put_targets(Rule="unmarked", Targets=[
        {"Id": target, "Arn": arn, "Input": '{"token": "planted-secret-048"}'}]),
        secret_row("aws_cloudwatch_event_target.t", "input"))
    topic = w.value("aws_sns_topic.t", "arn")
    w.change("a tag changed to a secret", lambda: w.aws("sns").tag_resource(
        ResourceArn=topic, Tags=[{"Key": "note", "Value": "planted-secret-049"}]),
        secret_row("aws_sns_topic.t", "tags"))
    bus = w.value("aws_cloudwatch_event_rule.r", "arn")
    w.change("a tag added where none is declared", lambda: w.aws("events").tag_resource(
        ResourceARN=bus, Tags=[{"Key": "hand", "Value": "planted-secret-050"}]),
        default("aws_cloudwatch_event_rule.r", "tags", {"$secret": "not comparable"}, {"$secret": "not comparable"}))
    instance = w.value("aws_instance.i", "id")
    w.change("an instance's tag changed to a secret", lambda: w.aws("ec2").create_tags(
        Resources=[instance], Tags=[{"Key": "Name", "Value": "planted-secret-051"}]),
        secret_row("aws_instance.i", "tags"))
    w.change("a role gets a description", lambda: w.aws("iam").update_role(
        RoleName="unmarked", Description="planted-secret-052"),
        default("aws_iam_role.f", "description", {"$secret": "not comparable"}, {"$secret": "not comparable"}))
    w.notes.append("tags, inputs and endpoints without a mark hold secrets here on purpose: no rule by path catches all of them. "
                   "What a reader can be asked for: nothing of environment variables, user data, variables, outputs, provider "
                   "blocks and configuration leaves it; a tag that somebody filled with a password is shown as a tag")
    w.save(hard=["planted-secret-037", "planted-secret-038", "planted-secret-048", "planted-secret-049", "planted-secret-051"],
           hard_is="unmarked, in a drifted, declared field of an ordinary name (a tag, an event's input)")


def provider_blocks(w):
    w.write("""
variable "session" {
  default   = "planted-secret-055"
  sensitive = true
}

provider "aws" {
  region            = "eu-west-1"
  s3_use_path_style = true
  access_key        = "planted-secret-053"
  secret_key        = "planted-secret-054"
  token             = var.session
  default_tags {
    tags = {
      note = "planted-secret-056"
    }
  }
}

provider "aws" {
  alias      = "us"
  region     = "us-east-1"
  access_key = "test"
  secret_key = "planted-secret-057"
}

resource "aws_cloudwatch_log_group" "g" {
  name              = "/provider"
  retention_in_days = 7
}

resource "aws_cloudwatch_log_group" "us" {
  provider          = aws.us
  name              = "/provider"
  retention_in_days = 7
}

module "m" {
  source = "./m"
  key    = "planted-secret-058"
}
""", provider=PROVIDER)
    w.write("""
variable "key" {
  sensitive = true
}

locals {
  text = "key=${var.key}"
}

resource "aws_ssm_parameter" "p" {
  name  = "/m"
  type  = "SecureString"
  value = local.text
}

resource "aws_dynamodb_table" "t" {
  name         = "m"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
  tags = {
    key = var.key
  }
}

output "key" {
  value     = var.key
  sensitive = true
}
""", file="m/main.tf", provider="")
    w.apply()
    w.settle()
    for number, where, mark in [
        (53, "access_key of a provider block", False), (54, "secret_key of a provider block", False),
        (55, "variable session, a provider's token", False), (56, "a default tag", False),
        (57, "secret_key of a second provider block", False),
        (58, "argument of a module call; a parameter and a tag in the module", True),
        (59, "a parameter in a module changed from outside", True),
        (60, "a marked tag in a module changed from outside; twin in tags_all", True),
    ]:
        w.secret(number, where, mark)
    w.change("retention in the second region", lambda: w.aws("logs", "us-east-1").put_retention_policy(
        logGroupName="/provider", retentionInDays=1),
        drift("aws_cloudwatch_log_group.us", "retention_in_days", 7, 1, region="us-east-1"))
    w.change("a secure parameter of a module changed", lambda: w.aws("ssm").put_parameter(
        Name="/m", Type="SecureString", Value="planted-secret-059", Overwrite=True),
        secret_row("module.m.aws_ssm_parameter.p", "value"))
    table = w.value("module.m.aws_dynamodb_table.t", "arn")
    w.change("a marked tag of a module changed", lambda: w.aws("dynamodb").tag_resource(
        ResourceArn=table, Tags=[{"Key": "key", "Value": "planted-secret-060"}]),
        secret_row("module.m.aws_dynamodb_table.t", "tags"))
    w.save()


SCENARIOS = [
    ("secrets-marked", "marked variables and attributes, with twins that have no mark", marked),
    ("secrets-unmarked", "secrets that nothing marks", unmarked),
    ("secrets-provider", "secrets in provider blocks, module calls and default tags", provider_blocks),
]
