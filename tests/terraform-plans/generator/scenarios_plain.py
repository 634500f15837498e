"""Tags, default tags, JSON text, reordered lists, nested blocks, defaults."""

import json

from world import ACCOUNT, PROVIDER, default, drift, quiet

TRUST = """jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })"""


def tags(w):
    w.write("""
resource "aws_sns_topic" "changed" {
  name = "changed"
  tags = {
    team = "blue"
    cost = "100"
  }
}

resource "aws_cloudwatch_log_group" "added" {
  name = "/app/added"
  tags = {
    team = "blue"
  }
}

resource "aws_ssm_parameter" "removed" {
  name  = "/app/removed"
  type  = "String"
  value = "plain"
  tags = {
    team  = "blue"
    owner = "ann"
  }
}

resource "aws_dynamodb_table" "all_gone" {
  name         = "all-gone"
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

resource "aws_s3_bucket" "emptied" {
  bucket = "corpus-emptied"
  tags = {
    team  = "blue"
    stage = "prod"
  }
}

resource "aws_kms_key" "letter_case" {
  description = "letter case"
  tags = {
    Team = "Blue"
  }
}

resource "aws_iam_role" "untagged" {
  name               = "untagged"
  assume_role_policy = """ + TRUST + """
}

resource "aws_cloudwatch_log_group" "odd" {
  name = "/odd"
  tags = {
    "a.b/c"   = "<x> & 'y' \\"z\\""
    "Größe"   = "weiß"
    "q:=+-@_" = "1.0"
  }
}

resource "aws_secretsmanager_secret" "same" {
  name = "same"
  tags = {
    one = "1"
    two = "2"
  }
}

resource "aws_ecr_repository" "noise" {
  name = "noise"
  tags = {}
}

resource "aws_cloudwatch_event_rule" "swapped" {
  name                = "swapped"
  schedule_expression = "rate(1 day)"
  tags = {
    left  = "a"
    right = "b"
  }
}
""")
    w.apply()
    w.settle()
    topic = w.value("aws_sns_topic.changed", "arn")
    w.change("a tag's value changed", lambda: w.aws("sns").tag_resource(
        ResourceArn=topic, Tags=[{"Key": "team", "Value": "red"}]),
        drift("aws_sns_topic.changed", "tags", {"team": "blue", "cost": "100"}, {"team": "red", "cost": "100"}))
    w.change("a tag added", lambda: w.aws("logs").tag_log_group(
        logGroupName="/app/added", tags={"hand": "made"}),
        drift("aws_cloudwatch_log_group.added", "tags", {"team": "blue"}, {"team": "blue", "hand": "made"}))
    w.change("a tag removed", lambda: w.aws("ssm").remove_tags_from_resource(
        ResourceType="Parameter", ResourceId="/app/removed", TagKeys=["owner"]),
        drift("aws_ssm_parameter.removed", "tags", {"team": "blue", "owner": "ann"}, {"team": "blue"}))
    table = w.value("aws_dynamodb_table.all_gone", "arn")
    w.change("the only tag removed", lambda: w.aws("dynamodb").untag_resource(ResourceArn=table, TagKeys=["team"]),
             drift("aws_dynamodb_table.all_gone", "tags", {"team": "blue"}, {}))
    w.change("a tag's value emptied", lambda: w.aws("s3").put_bucket_tagging(
        Bucket="corpus-emptied", Tagging={"TagSet": [{"Key": "team", "Value": ""}, {"Key": "stage", "Value": "prod"}]}),
        drift("aws_s3_bucket.emptied", "tags", {"team": "blue", "stage": "prod"}, {"team": "", "stage": "prod"}))
    key = w.value("aws_kms_key.letter_case", "key_id")

    def recase():
        w.aws("kms").untag_resource(KeyId=key, TagKeys=["Team"])
        w.aws("kms").tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "Blue"}])
    w.change("a tag's key in other letter case", recase,
             drift("aws_kms_key.letter_case", "tags", {"Team": "Blue"}, {"team": "Blue"}))
    w.change("a tag where none is declared", lambda: w.aws("iam").tag_role(
        RoleName="untagged", Tags=[{"Key": "stray", "Value": "1"}]),
        default("aws_iam_role.untagged", "tags", {}, {"stray": "1"}))
    w.change("a tag with signs in key and value changed", lambda: w.aws("logs").tag_log_group(
        logGroupName="/odd", tags={"a.b/c": "<x> & 'y' \"w\"", "q:=+-@_": "1"}),
        drift("aws_cloudwatch_log_group.odd", "tags",
              {"a.b/c": "<x> & 'y' \"z\"", "Größe": "weiß", "q:=+-@_": "1.0"},
              {"a.b/c": "<x> & 'y' \"w\"", "Größe": "weiß", "q:=+-@_": "1"}))
    same = w.value("aws_secretsmanager_secret.same", "arn")

    def rewrite():
        w.aws("secretsmanager").untag_resource(SecretId=same, TagKeys=["one", "two"])
        w.aws("secretsmanager").tag_resource(
            SecretId=same, Tags=[{"Key": "two", "Value": "2"}, {"Key": "one", "Value": "1"}])
    w.change("the same tags written anew in other order", rewrite,
             quiet("aws_secretsmanager_secret.same", "tags", "reordered"))
    repo = w.value("aws_ecr_repository.noise", "arn")
    w.change("a tag where an empty map is declared", lambda: w.aws("ecr").tag_resource(
        resourceArn=repo, tags=[{"Key": "stray", "Value": "1"}]),
        drift("aws_ecr_repository.noise", "tags", {}, {"stray": "1"}))
    rule = w.value("aws_cloudwatch_event_rule.swapped", "arn")
    w.change("two tags swap their values", lambda: w.aws("events").tag_resource(
        ResourceARN=rule, Tags=[{"Key": "left", "Value": "b"}, {"Key": "right", "Value": "a"}]),
        drift("aws_cloudwatch_event_rule.swapped", "tags", {"left": "a", "right": "b"}, {"left": "b", "right": "a"}))
    w.save(normal=True)


def default_tags(w):
    w.write("""
provider "aws" {
  region            = "eu-west-1"
  s3_use_path_style = true
  default_tags {
    tags = {
      managed = "terraform"
      cost    = "100"
    }
  }
}

resource "aws_sns_topic" "none" {
  name = "none"
}

resource "aws_sns_topic" "own" {
  name = "own"
  tags = {
    team = "blue"
  }
}

resource "aws_sns_topic" "over" {
  name = "over"
  tags = {
    cost = "200"
  }
}

resource "aws_cloudwatch_log_group" "both" {
  name = "/both"
  tags = {
    team = "blue"
  }
}

resource "aws_ssm_parameter" "lost" {
  name  = "/lost"
  type  = "String"
  value = "v"
}
""", provider=PROVIDER)
    w.apply()
    w.settle()
    arn = {name: w.value(f"aws_sns_topic.{name}", "arn") for name in ("none", "own", "over")}
    tag = lambda name, key, value: w.aws("sns").tag_resource(
        ResourceArn=arn[name], Tags=[{"Key": key, "Value": value}])
    w.change("a default tag changed, no tags declared", lambda: tag("none", "cost", "999"),
             default("aws_sns_topic.none", "tags", {}, {"cost": "999"}, why="default tag"))
    w.change("a default tag changed, other tags declared", lambda: tag("own", "managed", "hand"),
             drift("aws_sns_topic.own", "tags", {"team": "blue"}, {"team": "blue", "managed": "hand"}))
    w.change("a tag that overrides a default changed", lambda: tag("over", "cost", "300"),
             drift("aws_sns_topic.over", "tags", {"cost": "200"}, {"cost": "300"}))
    w.change("a declared tag changed under default tags", lambda: w.aws("logs").tag_log_group(
        logGroupName="/both", tags={"team": "red"}),
        drift("aws_cloudwatch_log_group.both", "tags", {"team": "blue"}, {"team": "red"}))
    w.change("a default tag removed", lambda: w.aws("ssm").remove_tags_from_resource(
        ResourceType="Parameter", ResourceId="/lost", TagKeys=["managed"]),
        default("aws_ssm_parameter.lost", "tags_all", {"managed": "terraform", "cost": "100"}, {"cost": "100"},
                why="default tag"))
    w.notes.append("a default tag that was removed shows only in tags_all, never in tags")
    w.save(normal=True)


def json_text(w):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]}
    w.write("""
resource "aws_iam_policy" "spaced" {
  name   = "spaced"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Sid = "Read", Effect = "Allow", Action = ["s3:GetObject", "s3:ListBucket"], Resource = "*" }] })
}

resource "aws_iam_policy" "widened" {
  name   = "widened"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Sid = "Read", Effect = "Allow", Action = ["s3:GetObject"], Resource = "*" }] })
}

resource "aws_iam_role" "spaced" {
  name               = "spaced"
  assume_role_policy = """ + TRUST + """
}

resource "aws_iam_role" "other_principal" {
  name               = "other-principal"
  assume_role_policy = """ + TRUST + """
}

resource "aws_iam_role_policy" "inline" {
  name = "inline"
  role = aws_iam_role.spaced.name
  policy = <<-EOT
    {
      "Version": "2012-10-17",
      "Statement": [
        { "Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*" }
      ]
    }
  EOT
}

resource "aws_s3_bucket" "b" {
  bucket = "corpus-json"
}

resource "aws_s3_bucket_policy" "b" {
  bucket = aws_s3_bucket.b.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Sid = "Read", Effect = "Allow", Principal = "*", Action = ["s3:GetObject"], Resource = "${aws_s3_bucket.b.arn}/*" }] })
}

resource "aws_cloudwatch_event_rule" "pattern" {
  name          = "pattern"
  event_pattern = jsonencode({ source = ["aws.ec2"], detail-type = ["one", "two"] })
}

resource "aws_cloudwatch_event_rule" "pattern_changed" {
  name          = "pattern-changed"
  event_pattern = jsonencode({ source = ["aws.ec2"] })
}

resource "aws_sns_topic" "delivery" {
  name            = "delivery"
  delivery_policy = jsonencode({ http = { defaultHealthyRetryPolicy = { minDelayTarget = 20, maxDelayTarget = 20, numRetries = 3 } } })
}

resource "aws_ssm_parameter" "doc" {
  name  = "/doc"
  type  = "String"
  value = jsonencode({ a = 1, b = [1, 2] })
}

resource "aws_sqs_queue" "dead" {
  name = "dead"
}

resource "aws_sqs_queue" "main" {
  name           = "main"
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 5 })
}

resource "aws_sqs_queue" "other" {
  name           = "other"
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 5 })
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  policy    = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = "*", Action = "sqs:SendMessage", Resource = aws_sqs_queue.dead.arn }] })
}

resource "aws_ecr_repository" "app" {
  name = "app"
}

resource "aws_ecr_lifecycle_policy" "app" {
  repository = aws_ecr_repository.app.name
  policy     = jsonencode({ rules = [{ rulePriority = 1, selection = { tagStatus = "untagged", countType = "imageCountMoreThan", countNumber = 5 }, action = { type = "expire" } }] })
}

resource "aws_cloudwatch_dashboard" "d" {
  dashboard_name = "d"
  dashboard_body = jsonencode({ widgets = [{ type = "text", x = 0, y = 0, width = 3, height = 3, properties = { markdown = "hi" } }] })
}
""")
    w.apply()
    w.settle()
    loose = lambda value: json.dumps(value, indent=4)
    spaced = w.value("aws_iam_policy.spaced", "arn")
    turned = {"Statement": [{"Resource": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Effect": "Allow", "Sid": "Read"}],
              "Version": "2012-10-17"}

    def version(arn, document):
        w.aws("iam").create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
    w.change("policy with other spacing and order of keys", lambda: version(spaced, loose(turned)),
             quiet("aws_iam_policy.spaced", "policy", "same JSON"))
    widened = w.value("aws_iam_policy.widened", "arn")
    wide = {"Version": "2012-10-17", "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}
    narrow = '{"Statement":[{"Action":["s3:GetObject"],"Effect":"Allow","Resource":"*","Sid":"Read"}],"Version":"2012-10-17"}'
    w.change("policy allows more", lambda: version(widened, loose(wide)),
             drift("aws_iam_policy.widened", "policy", {"$json": json.loads(narrow)}, {"$json": wide}, path="Statement[0].Action"))
    trust = {"Version": "2012-10-17", "Statement": [{"Principal": {"Service": "lambda.amazonaws.com"},
                                                     "Action": "sts:AssumeRole", "Effect": "Allow"}]}
    w.change("role's trust with other spacing", lambda: w.aws("iam").update_assume_role_policy(
        RoleName="spaced", PolicyDocument=loose(trust)),
        quiet("aws_iam_role.spaced", "assume_role_policy", "same JSON"))
    other = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                     "Principal": {"Service": "ec2.amazonaws.com"}}]}
    w.change("role trusts another service", lambda: w.aws("iam").update_assume_role_policy(
        RoleName="other-principal", PolicyDocument=json.dumps(other)),
        drift("aws_iam_role.other_principal", "assume_role_policy", {"$json": trust}, {"$json": other},
              path="Statement[0].Principal.Service"))
    inline = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}]}
    w.change("inline policy packed tight", lambda: w.aws("iam").put_role_policy(
        RoleName="spaced", PolicyName="inline", PolicyDocument=json.dumps(inline, separators=(",", ":"))),
        quiet("aws_iam_role_policy.inline", "policy", "same JSON"))
    bucket = {"Version": "2012-10-17", "Statement": [{"Sid": "Read", "Effect": "Allow", "Principal": "*",
              "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::corpus-json/*"}]}
    bucket_wide = json.loads(json.dumps(bucket))
    bucket_wide["Statement"].append({"Sid": "Write", "Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject"],
                                     "Resource": "arn:aws:s3:::corpus-json/*"})
    w.change("bucket policy with a second statement", lambda: w.aws("s3").put_bucket_policy(
        Bucket="corpus-json", Policy=json.dumps(bucket_wide)),
        drift("aws_s3_bucket_policy.b", "policy", {"$json": bucket}, {"$json": bucket_wide}, path="Statement[1]"))
    w.change("event pattern with other spacing", lambda: w.aws("events").put_rule(
        Name="pattern", EventPattern=loose({"detail-type": ["one", "two"], "source": ["aws.ec2"]})),
        quiet("aws_cloudwatch_event_rule.pattern", "event_pattern", "same JSON"))
    w.change("event pattern changed", lambda: w.aws("events").put_rule(
        Name="pattern-changed", EventPattern='{"source": ["aws.ec2", "aws.s3"]}'),
        drift("aws_cloudwatch_event_rule.pattern_changed", "event_pattern",
              {"$json": {"source": ["aws.ec2"]}}, {"$json": {"source": ["aws.ec2", "aws.s3"]}}, path="source[1]"))
    topic = w.value("aws_sns_topic.delivery", "arn")
    delivery = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 3, "maxDelayTarget": 20, "minDelayTarget": 20}}}
    w.change("delivery policy with other order of keys", lambda: w.aws("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=loose(delivery)),
        quiet("aws_sns_topic.delivery", "delivery_policy", "same JSON"))
    w.change("parameter holds the same JSON with other spacing", lambda: w.aws("ssm").put_parameter(
        Name="/doc", Value='{ "b": [1, 2], "a": 1 }', Type="String", Overwrite=True),
        default("aws_ssm_parameter.doc", "value", {"$json": {"a": 1, "b": [1, 2]}}, {"$json": {"a": 1, "b": [1, 2]}},
                why="same JSON in a field that is plain text for the provider: a normal plan would undo it", path="spacing")
        | {"with_normal": "default"})
    sqs = w.aws("sqs")
    dead = w.value("aws_sqs_queue.dead", "arn")
    w.change("redrive policy with other spacing", lambda: sqs.set_queue_attributes(
        QueueUrl=w.value("aws_sqs_queue.main", "id"),
        Attributes={"RedrivePolicy": loose({"maxReceiveCount": 5, "deadLetterTargetArn": dead})}),
        quiet("aws_sqs_queue.main", "redrive_policy", "same JSON", normal_plan_would_undo=True))
    dead_policy = {"Statement": [{"Resource": dead, "Principal": "*", "Effect": "Allow", "Action": "sqs:*"}],
                   "Version": "2012-10-17"}
    dead_before = json.loads(json.dumps(dead_policy))
    dead_before["Statement"][0]["Action"] = "sqs:SendMessage"
    w.change("queue's policy allows more", lambda: sqs.set_queue_attributes(
        QueueUrl=w.value("aws_sqs_queue.dead", "id"), Attributes={"Policy": loose(dead_policy)}),
        drift("aws_sqs_queue_policy.dead", "policy", {"$json": dead_before}, {"$json": dead_policy},
              path="Statement[0].Action"),
        quiet("aws_sqs_queue.dead", "policy", "mirror of aws_sqs_queue_policy.dead"))
    w.change("redrive policy: another count", lambda: sqs.set_queue_attributes(
        QueueUrl=w.value("aws_sqs_queue.other", "id"),
        Attributes={"RedrivePolicy": json.dumps({"maxReceiveCount": 6, "deadLetterTargetArn": dead})}),
        drift("aws_sqs_queue.other", "redrive_policy", {"$json": {"deadLetterTargetArn": dead, "maxReceiveCount": 5}},
              {"$json": {"deadLetterTargetArn": dead, "maxReceiveCount": 6}}, path="maxReceiveCount"))
    life = {"rules": [{"action": {"type": "expire"}, "rulePriority": 1, "selection": {
        "countType": "imageCountMoreThan", "countNumber": 50, "tagStatus": "untagged"}}]}
    before = json.loads(json.dumps(life))
    before["rules"][0]["selection"]["countNumber"] = 5
    w.change("images are kept longer", lambda: w.aws("ecr").put_lifecycle_policy(
        repositoryName="app", lifecyclePolicyText=json.dumps(life)),
        drift("aws_ecr_lifecycle_policy.app", "policy", {"$json": before}, {"$json": life},
              path="rules[0].selection.countNumber"))
    board = {"widgets": [{"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": "hi"}}]}
    board_before = json.loads(json.dumps(board))
    board_before["widgets"][0]["width"] = 3
    w.change("dashboard's widget made wider", lambda: w.aws("cloudwatch").put_dashboard(
        DashboardName="d", DashboardBody=json.dumps(board)),
        drift("aws_cloudwatch_dashboard.d", "dashboard_body", {"$json": board_before}, {"$json": board},
              path="widgets[0].width"))
    w.notes.append('"$json": the field is JSON text; its spacing and order of keys are not part of the truth')
    w.save(normal=True)


def reordered(w):
    w.write("""
resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_security_group" "wide" {
  name   = "wide"
  vpc_id = aws_vpc.main.id
  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["203.0.113.0/24", "192.0.2.0/24", "198.51.100.0/24"]
  }
  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["192.0.2.0/24"]
  }
}

resource "aws_network_acl" "n" {
  vpc_id = aws_vpc.main.id
  ingress {
    rule_no    = 100
    protocol   = "tcp"
    action     = "allow"
    cidr_block = "10.0.0.0/8"
    from_port  = 80
    to_port    = 80
  }
  ingress {
    rule_no    = 200
    protocol   = "tcp"
    action     = "allow"
    cidr_block = "10.0.0.0/8"
    from_port  = 443
    to_port    = 443
  }
}

resource "aws_s3_bucket" "b" {
  bucket = "corpus-order"
}

resource "aws_s3_bucket_cors_configuration" "b" {
  bucket = aws_s3_bucket.b.id
  cors_rule {
    allowed_methods = ["GET", "PUT", "HEAD"]
    allowed_origins = ["https://a.example", "https://b.example"]
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "b" {
  bucket = aws_s3_bucket.b.id
  rule {
    id     = "first"
    status = "Enabled"
    filter {
      prefix = "a/"
    }
    expiration {
      days = 10
    }
  }
  rule {
    id     = "second"
    status = "Enabled"
    filter {
      prefix = "b/"
    }
    expiration {
      days = 20
    }
  }
}

resource "aws_launch_template" "asg" {
  name          = "order"
  image_id      = "ami-12c6146b"
  instance_type = "t3.micro"
}

resource "aws_autoscaling_group" "asg" {
  name                 = "order"
  availability_zones   = ["eu-west-1a", "eu-west-1b"]
  min_size             = 0
  max_size             = 2
  desired_capacity     = 0
  launch_template {
    id      = aws_launch_template.asg.id
    version = "1"
  }
  tag {
    key                 = "one"
    value               = "1"
    propagate_at_launch = true
  }
  tag {
    key                 = "two"
    value               = "2"
    propagate_at_launch = false
  }
}

resource "aws_route53_zone" "z" {
  name = "order.example"
}

resource "aws_route53_record" "many" {
  zone_id = aws_route53_zone.z.zone_id
  name    = "many.order.example"
  type    = "A"
  ttl     = 60
  records = ["192.0.2.3", "192.0.2.1", "192.0.2.2"]
}

resource "aws_iam_user" "u" {
  for_each = toset(["ann", "bob", "cy"])
  name     = each.key
}

resource "aws_iam_group" "g" {
  name = "g"
}

resource "aws_iam_group_membership" "g" {
  name  = "g"
  group = aws_iam_group.g.name
  users = ["cy", "ann", "bob"]
  depends_on = [aws_iam_user.u]
}

resource "aws_dynamodb_table" "t" {
  name         = "order"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "at"
    type = "N"
  }
  global_secondary_index {
    name            = "by_at"
    hash_key        = "at"
    projection_type = "ALL"
  }
}

resource "aws_cloudwatch_metric_alarm" "a" {
  alarm_name          = "order"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  metric_name         = "Errors"
  namespace           = "AWS/Lambda"
  period              = 60
  statistic           = "Sum"
  threshold           = 0.1
  alarm_actions       = ["arn:aws:sns:eu-west-1:123456789012:x", "arn:aws:sns:eu-west-1:123456789012:y"]
  dimensions = {
    FunctionName = "f"
    Resource     = "r"
  }
}
""")
    w.apply()
    w.settle()
    ec2 = w.aws("ec2")
    group = w.value("aws_security_group.wide", "id")
    web = lambda *cidrs: [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
                           "IpRanges": [{"CidrIp": cidr} for cidr in cidrs]}]

    def again():
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=web("203.0.113.0/24", "192.0.2.0/24", "198.51.100.0/24"))
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=web("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24"))
    w.change("the same addresses allowed again, in other order", again,
             quiet("aws_security_group.wide", "ingress", "reordered"))
    acl = w.value("aws_network_acl.n", "id")

    def entries():
        for number, port in ((200, 443), (100, 80)):
            ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=False)
            ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=False, Protocol="6", RuleAction="allow",
                                         CidrBlock="10.0.0.0/8", PortRange={"From": port, "To": port})
    w.change("network rules made again, in other order", entries, quiet("aws_network_acl.n", "ingress", "reordered"))
    w.change("cors methods and origins in other order", lambda: w.aws("s3").put_bucket_cors(
        Bucket="corpus-order", CORSConfiguration={"CORSRules": [{
            "AllowedMethods": ["HEAD", "PUT", "GET"], "AllowedOrigins": ["https://b.example", "https://a.example"]}]}),
        quiet("aws_s3_bucket_cors_configuration.b", "cors_rule", "reordered"))
    w.change("lifecycle rules in other order", lambda: w.aws("s3").put_bucket_lifecycle_configuration(
        Bucket="corpus-order", LifecycleConfiguration={"Rules": [
            {"ID": "second", "Status": "Enabled", "Filter": {"Prefix": "b/"}, "Expiration": {"Days": 20}},
            {"ID": "first", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 10}}]}),
        quiet("aws_s3_bucket_lifecycle_configuration.b", "rule", "reordered", normal_plan_would_undo=True))
    w.change("the group's tags deleted and made again in other order", lambda: w.aws("autoscaling").create_or_update_tags(Tags=[
        {"ResourceId": "order", "ResourceType": "auto-scaling-group", "Key": "two", "Value": "2", "PropagateAtLaunch": False},
        {"ResourceId": "order", "ResourceType": "auto-scaling-group", "Key": "one", "Value": "1", "PropagateAtLaunch": True}]),
        quiet("aws_autoscaling_group.asg", "tag", "reordered"))
    zone = w.value("aws_route53_zone.z", "zone_id")
    w.change("record's addresses in other order", lambda: w.aws("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {
            "Name": "many.order.example", "Type": "A", "TTL": 60,
            "ResourceRecords": [{"Value": f"192.0.2.{n}"} for n in (2, 3, 1)]}}]}),
        quiet("aws_route53_record.many", "records", "reordered"))

    def members():
        for name in ("ann", "cy", "bob"):
            w.aws("iam").remove_user_from_group(GroupName="g", UserName=name)
        for name in ("bob", "ann", "cy"):
            w.aws("iam").add_user_to_group(GroupName="g", UserName=name)
    w.change("members left and came back in other order", members,
             quiet("aws_iam_group_membership.g", "users", "reordered"))
    w.change("alarm with its actions in other order, and another threshold", lambda: w.aws("cloudwatch").put_metric_alarm(
        AlarmName="order", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, MetricName="Errors",
        Namespace="AWS/Lambda", Period=60, Statistic="Sum", Threshold=0.25,
        AlarmActions=["arn:aws:sns:eu-west-1:123456789012:y", "arn:aws:sns:eu-west-1:123456789012:x"],
        Dimensions=[{"Name": "Resource", "Value": "r"}, {"Name": "FunctionName", "Value": "f"}]),
        drift("aws_cloudwatch_metric_alarm.a", "threshold", 0.1, 0.25),
        quiet("aws_cloudwatch_metric_alarm.a", "alarm_actions", "reordered"),
        quiet("aws_cloudwatch_metric_alarm.a", "dimensions", "reordered"))
    w.save(normal=True)


def defaults(w):
    w.write("""
resource "aws_vpc" "main" {
  cidr_block = "10.1.0.0/16"
}

resource "aws_kms_key" "k" {
  description = "defaults"
}

resource "aws_cloudwatch_metric_alarm" "a" {
  alarm_name          = "defaults"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  metric_name         = "Errors"
  namespace           = "AWS/Lambda"
  period              = 60
  statistic           = "Sum"
  threshold           = 1
}

resource "aws_ecr_repository" "r" {
  name = "defaults"
}

resource "aws_iam_role" "r" {
  name               = "defaults"
  assume_role_policy = """ + TRUST + """
}

resource "aws_lambda_function" "f" {
  function_name = "defaults"
  role          = aws_iam_role.r.arn
  handler       = "index.handler"
  runtime       = "python3.12"
  filename      = "fn.zip"
}

resource "aws_cloudwatch_log_group" "g" {
  name              = "/defaults"
  retention_in_days = null
}

resource "aws_kinesis_stream" "s" {
  name        = "defaults"
  shard_count = 1
}

resource "aws_sns_topic" "t" {
  name = "defaults"
}
""")
    empty_zip(w)
    w.apply()
    w.settle()
    vpc = w.value("aws_vpc.main", "id")
    w.change("dns names of the network on", lambda: w.aws("ec2").modify_vpc_attribute(
        VpcId=vpc, EnableDnsHostnames={"Value": True}),
        quiet("aws_vpc.main", "enable_dns_hostnames", "computed and undeclared: no plan undoes it", False, True))
    w.change("dns support of the network off", lambda: w.aws("ec2").modify_vpc_attribute(
        VpcId=vpc, EnableDnsSupport={"Value": False}),
        default("aws_vpc.main", "enable_dns_support", True, False))
    key = w.value("aws_kms_key.k", "key_id")
    w.change("key disabled", lambda: w.aws("kms").disable_key(KeyId=key),
             default("aws_kms_key.k", "is_enabled", True, False))
    w.change("alarm's actions off", lambda: w.aws("cloudwatch").put_metric_alarm(
        AlarmName="defaults", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, MetricName="Errors",
        Namespace="AWS/Lambda", Period=60, Statistic="Sum", Threshold=1, ActionsEnabled=False),
             default("aws_cloudwatch_metric_alarm.a", "actions_enabled", True, False))
    w.change("image tags made fixed", lambda: w.aws("ecr").put_image_tag_mutability(
        repositoryName="defaults", imageTagMutability="IMMUTABLE"),
        default("aws_ecr_repository.r", "image_tag_mutability", "MUTABLE", "IMMUTABLE"))
    w.change("role's sessions longer", lambda: w.aws("iam").update_role(
        RoleName="defaults", Description="", MaxSessionDuration=7200),
        default("aws_iam_role.r", "max_session_duration", 3600, 7200))
    w.change("function gets time, memory and a description", lambda: w.aws("lambda").update_function_configuration(
        FunctionName="defaults", Timeout=60, MemorySize=256, Description="by hand"),
        default("aws_lambda_function.f", "timeout", 3, 60),
        default("aws_lambda_function.f", "memory_size", 128, 256),
        default("aws_lambda_function.f", "description", "", "by hand"))
    w.change("logs kept a week where null is declared", lambda: w.aws("logs").put_retention_policy(
        logGroupName="/defaults", retentionInDays=7),
        default("aws_cloudwatch_log_group.g", "retention_in_days", 0, 7))
    w.change("stream keeps two days", lambda: w.aws("kinesis").increase_stream_retention_period(
        StreamName="defaults", RetentionPeriodHours=48),
        default("aws_kinesis_stream.s", "retention_period", 24, 48))
    w.change("topic gets a display name", lambda: w.aws("sns").set_topic_attributes(
        TopicArn=w.value("aws_sns_topic.t", "arn"), AttributeName="DisplayName", AttributeValue="by hand"),
        default("aws_sns_topic.t", "display_name", "", "by hand"))
    w.save(normal=True)


def empty_zip(w):
    import zipfile
    with zipfile.ZipFile(w.folder / "fn.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py", (2020, 1, 1, 0, 0, 0)), "def handler(e, c): return 1\n")


SCENARIOS = [
    ("tags", "tags changed, added, removed, emptied; letter case; signs; same tags in other order", tags),
    ("default-tags", "tags under the provider's default_tags", default_tags),
    ("json-text", "policies and other JSON text: other spacing and order of keys, and true changes", json_text),
    ("reordered", "the same members in other order (no drift), one true change", reordered),
    ("defaults", "undeclared attributes that a normal plan would undo, and one that no plan undoes", defaults),
]
