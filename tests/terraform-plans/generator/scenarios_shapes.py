"""Nested blocks, dynamic blocks, ignore_changes, odd keys, modules, regions, networks, numbers."""

from scenarios_plain import TRUST, empty_zip
from world import PROVIDER, default, drift, gone, ignored, quiet


def nested_blocks(w):
    w.write("""
resource "aws_iam_role" "f" {
  name               = "nested"
  assume_role_policy = """ + TRUST + """
}

resource "aws_lambda_function" "f" {
  function_name = "nested"
  role          = aws_iam_role.f.arn
  handler       = "index.handler"
  runtime       = "python3.12"
  filename      = "fn.zip"
  timeout       = 10
  environment {
    variables = {
      STAGE = "prod"
      LEVEL = "info"
    }
  }
}

resource "aws_db_parameter_group" "bare" {
  name   = "nested"
  family = "postgres16"
}

resource "aws_dynamodb_table" "t" {
  name           = "nested"
  billing_mode   = "PROVISIONED"
  read_capacity  = 5
  write_capacity = 5
  hash_key       = "id"
  attribute {
    name = "id"
    type = "S"
  }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_s3_bucket" "b" {
  bucket = "corpus-nested"
}

resource "aws_s3_bucket_versioning" "b" {
  bucket = aws_s3_bucket.b.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "b" {
  bucket = aws_s3_bucket.b.id
  rule {
    id     = "old"
    status = "Enabled"
    filter {
      prefix = "logs/"
    }
    expiration {
      days = 30
    }
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

resource "aws_s3_bucket_cors_configuration" "b" {
  bucket = aws_s3_bucket.b.id
  cors_rule {
    allowed_methods = ["GET"]
    allowed_origins = ["https://a.example"]
  }
  cors_rule {
    allowed_methods = ["PUT"]
    allowed_origins = ["https://b.example"]
  }
}

resource "aws_ecr_repository" "r" {
  name = "nested"
  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_cognito_user_pool" "p" {
  name = "nested"
  password_policy {
    minimum_length    = 12
    require_lowercase = true
    require_numbers   = true
    require_symbols   = true
    require_uppercase = true
  }
}

resource "aws_security_group" "g" {
  name        = "nested"
  description = "nested"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["192.0.2.0/24"]
  }
  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
    description = "web"
  }
}
""")
    empty_zip(w)
    w.apply()
    w.settle()
    fn = w.aws("lambda")
    w.change("a variable changed, one added, one removed", lambda: fn.update_function_configuration(
        FunctionName="nested", Environment={"Variables": {"STAGE": "test", "DEBUG": "1"}}),
        drift("aws_lambda_function.f", "environment", {"STAGE": "prod", "LEVEL": "info"},
              {"STAGE": "test", "DEBUG": "1"}, path="[0].variables"))
    w.change("a database parameter where no parameter block is declared", lambda: w.aws("rds").modify_db_parameter_group(
        DBParameterGroupName="nested", Parameters=[{"ParameterName": "max_connections", "ParameterValue": "500",
                                                    "ApplyMethod": "pending-reboot"}]),
        default("aws_db_parameter_group.bare", "parameter", 0, 1, path="length", why="undeclared block"))
    db = w.aws("dynamodb")
    w.change("items no longer expire", lambda: db.update_time_to_live(
        TableName="nested", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}),
        drift("aws_dynamodb_table.t", "ttl", True, False, path="[0].enabled"))
    w.change("table reads more", lambda: db.update_table(
        TableName="nested", ProvisionedThroughput={"ReadCapacityUnits": 50, "WriteCapacityUnits": 5}),
        drift("aws_dynamodb_table.t", "read_capacity", 5, 50))
    w.change("no point-in-time recovery", lambda: db.update_continuous_backups(
        TableName="nested", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}),
        drift("aws_dynamodb_table.t", "point_in_time_recovery", True, False, path="[0].enabled"))
    s3 = w.aws("s3")
    w.change("versioning suspended", lambda: s3.put_bucket_versioning(
        Bucket="corpus-nested", VersioningConfiguration={"Status": "Suspended"}),
        drift("aws_s3_bucket_versioning.b", "versioning_configuration", "Enabled", "Suspended", path="[0].status"))
    w.change("logs kept longer", lambda: s3.put_bucket_lifecycle_configuration(
        Bucket="corpus-nested", LifecycleConfiguration={"Rules": [
            {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 300}}]}),
        drift("aws_s3_bucket_lifecycle_configuration.b", "rule", 30, 300, path="[0].expiration[0].days"))
    w.change("bucket key on (undeclared attribute of a declared block)", lambda: s3.put_bucket_encryption(
        Bucket="corpus-nested", ServerSideEncryptionConfiguration={"Rules": [
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]}),
        default("aws_s3_bucket_server_side_encryption_configuration.b", "rule", False, True,
                path="[0].bucket_key_enabled", why="undeclared attribute of a declared block"))
    w.change("one cors rule dropped", lambda: s3.put_bucket_cors(
        Bucket="corpus-nested", CORSConfiguration={"CORSRules": [
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.example"]}]}),
        drift("aws_s3_bucket_cors_configuration.b", "cors_rule", 2, 1, path="length"))
    w.change("no scan on push", lambda: w.aws("ecr").put_image_scanning_configuration(
        repositoryName="nested", imageScanningConfiguration={"scanOnPush": False}),
        drift("aws_ecr_repository.r", "image_scanning_configuration", True, False, path="[0].scan_on_push"))
    pool = w.value("aws_cognito_user_pool.p", "id")
    w.change("shorter passwords", lambda: w.aws("cognito-idp").update_user_pool(
        UserPoolId=pool, DeletionProtection="INACTIVE", Policies={"PasswordPolicy": {
            "MinimumLength": 6, "RequireLowercase": True, "RequireNumbers": True, "RequireSymbols": True,
            "RequireUppercase": True, "TemporaryPasswordValidityDays": 7}}),
        drift("aws_cognito_user_pool.p", "password_policy", 12, 6, path="[0].minimum_length"))
    ec2 = w.aws("ec2")
    group = w.value("aws_security_group.g", "id")
    w.change("a rule added by hand, one address more in another", lambda: ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "198.51.100.7/32"}]}]),
        drift("aws_security_group.g", "ingress", None, "198.51.100.7/32", path="cidr_blocks"))
    w.change("a rule going out (egress is not declared)", lambda: ec2.authorize_security_group_egress(
        GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]),
        quiet("aws_security_group.g", "egress", "computed and undeclared: no plan undoes it"))
    w.save(normal=True)


def dynamic_blocks(w):
    w.write("""
variable "rules" {
  default = [
    { port = 80, cidr = "192.0.2.0/24" },
    { port = 443, cidr = "198.51.100.0/24" },
  ]
}

variable "cors" {
  default = { GET = "https://a.example", PUT = "https://b.example" }
}

resource "aws_security_group" "all_dynamic" {
  name        = "all-dynamic"
  description = "d"
  dynamic "ingress" {
    for_each = var.rules
    content {
      from_port   = ingress.value.port
      to_port     = ingress.value.port
      protocol    = "tcp"
      cidr_blocks = [ingress.value.cidr]
    }
  }
}

resource "aws_security_group" "half_dynamic" {
  name        = "half-dynamic"
  description = "d"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["192.0.2.1/32"]
  }
  dynamic "ingress" {
    for_each = var.rules
    content {
      from_port   = ingress.value.port
      to_port     = ingress.value.port
      protocol    = "tcp"
      cidr_blocks = [ingress.value.cidr]
    }
  }
}

resource "aws_s3_bucket" "b" {
  bucket = "corpus-dynamic"
}

resource "aws_s3_bucket_cors_configuration" "b" {
  bucket = aws_s3_bucket.b.id
  dynamic "cors_rule" {
    for_each = var.cors
    content {
      allowed_methods = [cors_rule.key]
      allowed_origins = [cors_rule.value]
    }
  }
}

resource "aws_dynamodb_table" "t" {
  name         = "dynamic"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
  dynamic "ttl" {
    for_each = ["expires"]
    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }
}

resource "aws_dynamodb_table" "none" {
  name         = "dynamic-none"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
  dynamic "point_in_time_recovery" {
    for_each = []
    content {
      enabled = true
    }
  }
}

resource "aws_autoscaling_group" "g" {
  name                 = "dynamic"
  availability_zones   = ["eu-west-1a"]
  min_size             = 0
  max_size             = 1
  desired_capacity     = 0
  launch_template {
    id      = aws_launch_template.t.id
    version = "$Latest"
  }
  dynamic "tag" {
    for_each = { one = "1", two = "2" }
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }
}

resource "aws_launch_template" "t" {
  name          = "dynamic"
  image_id      = "ami-12c6146b"
  instance_type = "t3.micro"
  dynamic "tag_specifications" {
    for_each = ["instance"]
    content {
      resource_type = tag_specifications.value
      tags = {
        made = "by template"
      }
    }
  }
}
""")
    w.apply()
    w.settle()
    ec2 = w.aws("ec2")
    extra = [{"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    one, two = (w.value(f"aws_security_group.{name}", "id") for name in ("all_dynamic", "half_dynamic"))
    w.change("a rule more where all rules are dynamic", lambda: ec2.authorize_security_group_ingress(
        GroupId=one, IpPermissions=extra),
        default("aws_security_group.all_dynamic", "ingress", 2, 3, path="length", why="dynamic block"))
    w.change("a rule more where some rules are dynamic", lambda: ec2.authorize_security_group_ingress(
        GroupId=two, IpPermissions=extra),
        default("aws_security_group.half_dynamic", "ingress", 3, 4, path="length", why="dynamic block beside a static one"))
    w.change("a dynamic cors rule's origin changed", lambda: w.aws("s3").put_bucket_cors(
        Bucket="corpus-dynamic", CORSConfiguration={"CORSRules": [
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]},
            {"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://b.example"]}]}),
        default("aws_s3_bucket_cors_configuration.b", "cors_rule", "https://a.example", "*",
                path="allowed_origins[0]", why="dynamic block"))
    db = w.aws("dynamodb")
    w.change("items no longer expire (dynamic ttl)", lambda: db.update_time_to_live(
        TableName="dynamic", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}),
        default("aws_dynamodb_table.t", "ttl", True, False, path="[0].enabled", why="dynamic block"))
    w.change("recovery on where the dynamic block has no member", lambda: db.update_continuous_backups(
        TableName="dynamic-none", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}),
        quiet("aws_dynamodb_table.none", "point_in_time_recovery", "computed and undeclared: no plan undoes it"))
    w.change("a dynamic tag's value changed", lambda: w.aws("autoscaling").create_or_update_tags(Tags=[
        {"ResourceId": "dynamic", "ResourceType": "auto-scaling-group", "Key": "two", "Value": "22",
         "PropagateAtLaunch": True}]),
        default("aws_autoscaling_group.g", "tag", "2", "22", path="value", why="dynamic block"))
    w.change("declared size changed beside dynamic tags", lambda: w.aws("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="dynamic", MaxSize=9),
        drift("aws_autoscaling_group.g", "max_size", 1, 9))
    w.notes.append("class default, why dynamic block: it is declared, but the plan's configuration does not say so; "
                   "with the normal plan beside it, it has to be reported")
    w.save(normal=True)


def ignore_changes(w):
    w.write("""
resource "aws_sns_topic" "attribute" {
  name         = "attribute"
  display_name = "code"
  tags = {
    team = "blue"
  }
  lifecycle {
    ignore_changes = [display_name]
  }
}

resource "aws_sns_topic" "tag_key" {
  name = "tag-key"
  tags = {
    team    = "blue"
    version = "1"
  }
  lifecycle {
    ignore_changes = [tags["version"]]
  }
}

resource "aws_sns_topic" "tag_key_and_other" {
  name = "tag-key-and-other"
  tags = {
    team    = "blue"
    version = "1"
  }
  lifecycle {
    ignore_changes = [tags["version"]]
  }
}

resource "aws_dynamodb_table" "block" {
  name           = "block"
  billing_mode   = "PROVISIONED"
  read_capacity  = 5
  write_capacity = 5
  hash_key       = "id"
  attribute {
    name = "id"
    type = "S"
  }
  lifecycle {
    ignore_changes = [read_capacity, ttl]
  }
}

resource "aws_cloudwatch_log_group" "everything" {
  name              = "/everything"
  retention_in_days = 7
  tags = {
    team = "blue"
  }
  lifecycle {
    ignore_changes = all
  }
}

resource "aws_iam_role" "f" {
  name               = "ignoring"
  assume_role_policy = """ + TRUST + """
  lifecycle {
    ignore_changes = [description, max_session_duration]
  }
}

resource "aws_lambda_function" "inner" {
  function_name = "inner"
  role          = aws_iam_role.f.arn
  handler       = "index.handler"
  runtime       = "python3.12"
  filename      = "fn.zip"
  memory_size   = 128
  environment {
    variables = {
      STAGE = "prod"
      BUILD = "1"
    }
  }
  lifecycle {
    ignore_changes = [environment[0].variables["BUILD"]]
  }
}

resource "aws_ssm_parameter" "value" {
  name  = "/ignored"
  type  = "String"
  value = "first"
  lifecycle {
    ignore_changes = [value]
  }
}
""")
    empty_zip(w)
    w.apply()
    w.settle()
    sns = w.aws("sns")
    arn = {name: w.value(f"aws_sns_topic.{name}", "arn") for name in ("attribute", "tag_key", "tag_key_and_other")}
    w.change("an ignored attribute changed", lambda: sns.set_topic_attributes(
        TopicArn=arn["attribute"], AttributeName="DisplayName", AttributeValue="hand"),
        ignored("aws_sns_topic.attribute", "display_name", "code", "hand"))
    w.change("another attribute beside an ignored one changed", lambda: sns.tag_resource(
        ResourceArn=arn["attribute"], Tags=[{"Key": "team", "Value": "red"}]),
        drift("aws_sns_topic.attribute", "tags", {"team": "blue"}, {"team": "red"}))
    w.change("an ignored tag changed", lambda: sns.tag_resource(
        ResourceArn=arn["tag_key"], Tags=[{"Key": "version", "Value": "2"}]),
        ignored("aws_sns_topic.tag_key", "tags", {"team": "blue", "version": "1"}, {"team": "blue", "version": "2"}))
    w.change("an ignored tag and another changed", lambda: sns.tag_resource(
        ResourceArn=arn["tag_key_and_other"], Tags=[{"Key": "version", "Value": "2"}, {"Key": "team", "Value": "red"}]),
        drift("aws_sns_topic.tag_key_and_other", "tags", {"team": "blue", "version": "1"}, {"team": "red", "version": "2"}))
    db = w.aws("dynamodb")
    w.change("ignored and heeded capacity changed", lambda: db.update_table(
        TableName="block", ProvisionedThroughput={"ReadCapacityUnits": 50, "WriteCapacityUnits": 6}),
        ignored("aws_dynamodb_table.block", "read_capacity", 5, 50),
        drift("aws_dynamodb_table.block", "write_capacity", 5, 6))
    w.change("an ignored, undeclared block", lambda: db.update_time_to_live(
        TableName="block", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}),
        quiet("aws_dynamodb_table.block", "ttl", "undeclared, and ignore_changes"))
    logs = w.aws("logs")
    w.change("everything is ignored: retention", lambda: logs.put_retention_policy(
        logGroupName="/everything", retentionInDays=30),
        ignored("aws_cloudwatch_log_group.everything", "retention_in_days", 7, 30))
    w.change("everything is ignored: tags", lambda: logs.tag_log_group(logGroupName="/everything", tags={"team": "red"}),
             ignored("aws_cloudwatch_log_group.everything", "tags", {"team": "blue"}, {"team": "red"}))
    w.change("undeclared and ignored: a longer session", lambda: w.aws("iam").update_role(
        RoleName="ignoring", Description="", MaxSessionDuration=7200),
        quiet("aws_iam_role.f", "max_session_duration", "undeclared, and ignore_changes", 3600, 7200))
    fn = w.aws("lambda")
    w.change("an ignored variable of a block, and heeded memory", lambda: fn.update_function_configuration(
        FunctionName="inner", MemorySize=512, Environment={"Variables": {"STAGE": "prod", "BUILD": "2"}}),
        ignored("aws_lambda_function.inner", "environment", "1", "2", path='[0].variables["BUILD"]'),
        drift("aws_lambda_function.inner", "memory_size", 128, 512))
    w.change("an ignored value", lambda: w.aws("ssm").put_parameter(
        Name="/ignored", Value="second", Type="String", Overwrite=True),
        ignored("aws_ssm_parameter.value", "value", "first", "second"))
    w.notes.append("why ignore_changes: declared and ignored. The refresh-only plan cannot tell, so a row is neither right nor "
                   "wrong; with the normal plan beside it, it must not be reported")
    w.save(normal=True)


ODD = ['a.b', 'quo"te', '${x}', '%{y}', '7', '[0]', 'x/y z', 'grüße', 'back\\slash', 'module.a["b"]', "it's", '']


def odd_keys(w):
    def hcl(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{") + '"'
    keys = ", ".join(hcl(key) for key in ODD)
    w.write("""
locals {
  keys = [""" + keys + """]
}

resource "aws_ssm_parameter" "each" {
  for_each  = toset(local.keys)
  name      = "/each/${md5(each.key)}"
  type      = "String"
  value     = "v"
  data_type = "text"
  tags = {
    team = "blue"
  }
}

resource "aws_cloudwatch_log_group" "seven" {
  count             = 9
  name              = "/counted/${count.index}"
  retention_in_days = 7
}

resource "aws_cloudwatch_log_group" "named" {
  for_each          = { "7" = 7, "8" = 14 }
  name              = "/named/${each.key}"
  retention_in_days = each.value
}
""")
    w.apply()
    w.settle()
    ssm, logs = w.aws("ssm"), w.aws("logs")
    import hashlib
    from world import quoted
    for key in ODD:
        name = "/each/" + hashlib.md5(key.encode()).hexdigest()
        address = f"aws_ssm_parameter.each{quoted(key)}"
        if key in ("x/y z", "[0]"):
            w.change(f"deleted: key {key!r}", lambda: ssm.delete_parameter(Name=name), gone(address))
        else:
            tag = {"team": f"red {key}"}
            w.change(f"tag changed: key {key!r}", lambda: ssm.add_tags_to_resource(
                ResourceType="Parameter", ResourceId=name, Tags=[{"Key": "team", "Value": tag["team"]}]),
                drift(address, "tags", {"team": "blue"}, tag))
    w.change("retention: count index 7", lambda: logs.put_retention_policy(logGroupName="/counted/7", retentionInDays=1),
             drift("aws_cloudwatch_log_group.seven[7]", "retention_in_days", 7, 1))
    w.change("deleted: count index 8", lambda: logs.delete_log_group(logGroupName="/counted/8"),
             gone("aws_cloudwatch_log_group.seven[8]"))
    w.change('retention: key "7"', lambda: logs.put_retention_policy(logGroupName="/named/7", retentionInDays=1),
             drift('aws_cloudwatch_log_group.named["7"]', "retention_in_days", 7, 1))
    w.save()


def modules(w):
    w.write("""
variable "team" {}
variable "retention" { default = 7 }

resource "aws_cloudwatch_log_group" "g" {
  name              = "/leaf/${var.team}"
  retention_in_days = var.retention
}

resource "aws_sns_topic" "t" {
  count        = 2
  name         = "leaf-${replace(var.team, "/[^a-z0-9]/", "-")}-${count.index}"
  display_name = "fixed"
}
""", file="leaf/main.tf", provider="")
    w.write("""
terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.far]
    }
  }
}

variable "name" {}

module "leaf" {
  source   = "../leaf"
  for_each = toset(["a.b", "c[0]"])
  team     = "${var.name}/${md5(each.key)}"
}

module "far" {
  source    = "../leaf"
  team      = "${var.name}/far"
  retention = 30
  providers = {
    aws = aws.far
  }
}

resource "aws_ssm_parameter" "p" {
  name  = "/branch/${var.name}"
  type  = "String"
  value = "v"
  tags = {
    branch = var.name
  }
}
""", file="branch/main.tf", provider="")
    # `declared_in` follows "./folder" sources; a nested module names its neighbour, so both are given from the root.
    w.write("""
provider "aws" {
  region = "eu-west-1"
}

provider "aws" {
  alias  = "us"
  region = "us-east-1"
}

module "one" {
  source = "./leaf"
  team   = "one"
}

module "branch" {
  source = "./branch"
  count  = 2
  name   = "b${count.index}"
  providers = {
    aws     = aws
    aws.far = aws.us
  }
}

module "keyed" {
  source   = "./leaf"
  for_each = { "eu.west" = 3, "quo\\"te" = 5 }
  team     = "keyed/${each.value}"
}
""", provider=PROVIDER)
    w.apply()
    w.settle()
    import hashlib
    logs, us = w.aws("logs"), w.aws("logs", "us-east-1")
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()

    def keep(client, name, days):
        return lambda: client.put_retention_policy(logGroupName=name, retentionInDays=days)

    def rename(address, region="eu-west-1"):
        arn = w.value(address, "arn")
        return lambda: w.aws("sns", region).set_topic_attributes(
            TopicArn=arn, AttributeName="DisplayName", AttributeValue="hand")
    w.change("plain module", keep(logs, "/leaf/one", 1),
             drift("module.one.aws_cloudwatch_log_group.g", "retention_in_days", 7, 1))
    w.change("count inside a module", rename("module.one.aws_sns_topic.t[1]"),
             drift("module.one.aws_sns_topic.t[1]", "display_name", "fixed", "hand"))
    at = 'module.branch[0].module.leaf["a.b"]'
    w.change("nested, for_each in count", keep(logs, f"/leaf/b0/{md5('a.b')}", 3),
             drift(f"{at}.aws_cloudwatch_log_group.g", "retention_in_days", 7, 3))
    at = 'module.branch[1].module.leaf["c[0]"]'
    w.change("nested, a key with brackets", rename(f"{at}.aws_sns_topic.t[0]"),
             drift(f"{at}.aws_sns_topic.t[0]", "display_name", "fixed", "hand"))
    w.change("nested, second region handed down", keep(us, "/leaf/b1/far", 60),
             drift("module.branch[1].module.far.aws_cloudwatch_log_group.g", "retention_in_days", 30, 60, region="us-east-1"))
    at = "module.branch[0].module.far.aws_sns_topic.t[1]"
    w.change("nested, second region, a topic", rename(at, "us-east-1"),
             drift(at, "display_name", "fixed", "hand", region="us-east-1"))
    arn = w.value('module.keyed["quo\\"te"].aws_sns_topic.t[0]', "arn")
    w.change("gone in a module with a quote in its key", lambda: w.aws("sns").delete_topic(TopicArn=arn),
             gone('module.keyed["quo\\"te"].aws_sns_topic.t[0]'))
    w.change("tag in a counted module", lambda: w.aws("ssm").add_tags_to_resource(
        ResourceType="Parameter", ResourceId="/branch/b1", Tags=[{"Key": "branch", "Value": "x"}]),
        drift("module.branch[1].aws_ssm_parameter.p", "tags", {"branch": "b1"}, {"branch": "x"}))
    w.save()


def two_regions(w):
    w.write("""
variable "third" {
  default = "eu-central-1"
}

provider "aws" {
  region = "eu-west-1"
}

provider "aws" {
  alias  = "us"
  region = "us-east-1"
}

provider "aws" {
  alias  = "third"
  region = var.third
}

resource "aws_cloudwatch_log_group" "eu" {
  name              = "/same/name"
  retention_in_days = 7
}

resource "aws_cloudwatch_log_group" "us" {
  provider          = aws.us
  name              = "/same/name"
  retention_in_days = 7
}

resource "aws_cloudwatch_log_group" "third" {
  provider          = aws.third
  name              = "/same/name"
  retention_in_days = 7
}

resource "aws_ssm_parameter" "eu" {
  name  = "/same"
  type  = "String"
  value = "v"
  tags = {
    team = "blue"
  }
}

resource "aws_ssm_parameter" "us" {
  provider = aws.us
  name     = "/same"
  type     = "String"
  value    = "v"
  tags = {
    team = "blue"
  }
}

resource "aws_dynamodb_table" "us" {
  provider     = aws.us
  name         = "same"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_dynamodb_table" "eu" {
  name                        = "same"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  deletion_protection_enabled = false
  attribute {
    name = "id"
    type = "S"
  }
}
""", provider=PROVIDER)
    w.apply()
    w.settle()
    w.change("log group in the second region only", lambda: w.aws("logs", "us-east-1").put_retention_policy(
        logGroupName="/same/name", retentionInDays=1),
        drift("aws_cloudwatch_log_group.us", "retention_in_days", 7, 1, region="us-east-1"))
    w.change("log group in the region that a variable names", lambda: w.aws("logs", "eu-central-1").put_retention_policy(
        logGroupName="/same/name", retentionInDays=3),
        drift("aws_cloudwatch_log_group.third", "retention_in_days", 7, 3, region="eu-central-1"))
    w.change("parameter deleted in the first region, alive in the second", lambda: w.aws("ssm").delete_parameter(Name="/same"),
             gone("aws_ssm_parameter.eu", region="eu-west-1"))
    w.change("table in the first region protected", lambda: w.aws("dynamodb").update_table(
        TableName="same", DeletionProtectionEnabled=True),
        drift("aws_dynamodb_table.eu", "deletion_protection_enabled", False, True, region="eu-west-1"))
    w.save()


def network(w):
    w.write("""
resource "aws_vpc" "main" {
  cidr_block           = "10.2.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_subnet" "s" {
  count                   = 2
  vpc_id                  = aws_vpc.main.id
  cidr_block              = "10.2.${count.index}.0/24"
  availability_zone       = ["eu-west-1a", "eu-west-1b"][count.index]
  map_public_ip_on_launch = false
}

resource "aws_internet_gateway" "gw" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table" "r" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.gw.id
  }
}

resource "aws_route_table" "bare" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.bare.id
  destination_cidr_block = "192.0.2.0/24"
  gateway_id             = aws_internet_gateway.gw.id
}

resource "aws_security_group" "rules_apart" {
  name        = "rules-apart"
  description = "rules apart"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  security_group_id = aws_security_group.rules_apart.id
  cidr_ipv4         = "10.0.0.0/8"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  description       = "inside"
}

resource "aws_security_group_rule" "old" {
  type              = "ingress"
  security_group_id = aws_security_group.rules_apart.id
  protocol          = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_blocks       = ["10.0.0.0/8"]
}

resource "aws_security_group" "as_attribute" {
  name        = "as-attribute"
  description = "ingress as a list of objects"
  vpc_id      = aws_vpc.main.id
  ingress = [{
    from_port        = 8080
    to_port          = 8080
    protocol         = "tcp"
    cidr_blocks      = ["10.0.0.0/8"]
    ipv6_cidr_blocks = []
    prefix_list_ids  = []
    security_groups  = []
    self             = false
    description      = ""
  }]
}

resource "aws_security_group" "none_wanted" {
  name        = "none-wanted"
  description = "no rule wanted"
  vpc_id      = aws_vpc.main.id
  ingress     = []
}

resource "aws_instance" "web" {
  ami           = "ami-12c6146b"
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.s[0].id
  monitoring    = false
  tags = {
    Name = "web"
  }
}

resource "aws_ebs_volume" "v" {
  availability_zone = "eu-west-1a"
  size              = 10
  type              = "gp3"
}

resource "aws_eip" "ip" {
  domain = "vpc"
}

resource "aws_lb_target_group" "t" {
  name     = "net"
  port     = 80
  protocol = "HTTP"
  vpc_id   = aws_vpc.main.id
  health_check {
    path    = "/up"
    matcher = "200"
  }
}

resource "aws_key_pair" "k" {
  key_name   = "net"
  public_key = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC8g0VdIf1zFQDiSyLHqJcSfDJSmNsDrEwCdQXzZF4DgJSKRgvwbiKMD3yJEuQUcuAuxD7bhqLIyWjVXv7gEZmrV4tDuKLPwlnp1SuPBVU7CbrWYLDYyyLZvY1Ni0HBeuTnOo4kqEHkPhXYdtM9fXZTuhzmZFKcE6cNuHk6Xw8mXw== corpus"
}
""")
    w.apply()
    w.settle()
    ec2 = w.aws("ec2")
    ids = {a: i["attributes"].get("id") for a, i in w.instances_in_state().items()}
    w.change("dns names off", lambda: ec2.modify_vpc_attribute(
        VpcId=ids["aws_vpc.main"], EnableDnsHostnames={"Value": False}),
        drift("aws_vpc.main", "enable_dns_hostnames", True, False))
    w.change("public addresses in one of two subnets", lambda: ec2.modify_subnet_attribute(
        SubnetId=ids["aws_subnet.s[1]"], MapPublicIpOnLaunch={"Value": True}),
        drift("aws_subnet.s[1]", "map_public_ip_on_launch", False, True))
    w.change("a route by hand", lambda: ec2.create_route(
        RouteTableId=ids["aws_route_table.r"], DestinationCidrBlock="198.51.100.0/24",
        GatewayId=ids["aws_internet_gateway.gw"]),
        drift("aws_route_table.r", "route", 1, 2, path="length"))
    w.change("a route of its own deleted", lambda: ec2.delete_route(
        RouteTableId=ids["aws_route_table.bare"], DestinationCidrBlock="192.0.2.0/24"),
        gone("aws_route.out"),
        quiet("aws_route_table.bare", "route", "mirror of aws_route.out"))
    group = ids["aws_security_group.rules_apart"]
    w.change("a rule of the old kind revoked", lambda: ec2.revoke_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
                                       "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]),
        gone("aws_security_group_rule.old"),
        quiet("aws_security_group.rules_apart", "ingress", "mirror of the rule"))
    rule = ids["aws_vpc_security_group_ingress_rule.http"]
    w.change("a rule of the new kind opened", lambda: ec2.modify_security_group_rules(
        GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": {
            "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv4": "0.0.0.0/0", "Description": "inside"}}]),
        drift("aws_vpc_security_group_ingress_rule.http", "cidr_ipv4", "10.0.0.0/8", "0.0.0.0/0"))
    w.change("a rule more, ingress as attribute", lambda: ec2.authorize_security_group_ingress(
        GroupId=ids["aws_security_group.as_attribute"], IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]),
        drift("aws_security_group.as_attribute", "ingress", 1, 2, path="length"))
    w.change("a rule where ingress = [] is declared", lambda: ec2.authorize_security_group_ingress(
        GroupId=ids["aws_security_group.none_wanted"], IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]),
        drift("aws_security_group.none_wanted", "ingress", 0, 1, path="length"))
    web = ids["aws_instance.web"]

    def resize():
        ec2.stop_instances(InstanceIds=[web])
        ec2.modify_instance_attribute(InstanceId=web, InstanceType={"Value": "t3.xlarge"})
        ec2.start_instances(InstanceIds=[web])
    w.change("instance made larger", resize, drift("aws_instance.web", "instance_type", "t3.micro", "t3.xlarge"))
    w.change("volume grown", lambda: ec2.modify_volume(VolumeId=ids["aws_ebs_volume.v"], Size=20),
             drift("aws_ebs_volume.v", "size", 10, 20))
    w.change("address moved onto the instance", lambda: ec2.associate_address(
        AllocationId=ids["aws_eip.ip"], InstanceId=web),
        quiet("aws_eip.ip", "instance", "computed and undeclared: no plan undoes it", "", web),
        # The normal plan changes instance_type, and with it calls these two unknown: that is no undoing.
        quiet("aws_instance.web", "public_ip", "computed and undeclared, unknown in the normal plan"),
        quiet("aws_instance.web", "public_dns", "computed and undeclared, unknown in the normal plan"))
    target = w.value("aws_lb_target_group.t", "arn")
    w.change("health check asks elsewhere", lambda: w.aws("elbv2").modify_target_group(
        TargetGroupArn=target, HealthCheckPath="/", Matcher={"HttpCode": "200-399"}),
        drift("aws_lb_target_group.t", "health_check", {"path": "/up", "matcher": "200"},
              {"path": "/", "matcher": "200-399"}, path="[0]"))
    w.change("key pair deleted", lambda: ec2.delete_key_pair(KeyName="net"), gone("aws_key_pair.k"))
    w.save(normal=True)


def numbers(w):
    w.write("""
locals {
  wanted = "7200"
}

resource "aws_cloudwatch_metric_alarm" "small" {
  alarm_name          = "small"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  metric_name         = "Errors"
  namespace           = "Own"
  period              = 60
  statistic           = "Sum"
  threshold           = 0.1
}

resource "aws_cloudwatch_metric_alarm" "large" {
  alarm_name          = "large"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = "1"
  metric_name         = "Bytes"
  namespace           = "Own"
  period              = "60"
  statistic           = "Sum"
  threshold           = 9007199254740993
}

resource "aws_iam_role" "text" {
  name                  = "text"
  max_session_duration  = local.wanted
  force_detach_policies = "false"
  assume_role_policy    = """ + TRUST + """
}

resource "aws_cloudwatch_log_group" "never" {
  name              = "/never"
  retention_in_days = 0
}

resource "aws_ssm_parameter" "number" {
  name  = "/number"
  type  = "String"
  value = 7
}
""")
    w.apply()
    w.settle()

    def alarm(name, metric, threshold):
        return lambda: w.aws("cloudwatch").put_metric_alarm(
            AlarmName=name, ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, MetricName=metric,
            Namespace="Own", Period=60, Statistic="Sum", Threshold=threshold)
    w.change("a threshold a little higher", alarm("small", "Errors", 0.1000001),
             drift("aws_cloudwatch_metric_alarm.small", "threshold", 0.1, 0.1000001))
    w.change("a huge threshold", alarm("large", "Bytes", 1e21),
             drift("aws_cloudwatch_metric_alarm.large", "threshold", 9007199254740992, 1e21))
    w.change("a number written as text in the code", lambda: w.aws("iam").update_role(
        RoleName="text", Description="", MaxSessionDuration=3600),
        drift("aws_iam_role.text", "max_session_duration", 7200, 3600))
    w.change("never (0) becomes a day", lambda: w.aws("logs").put_retention_policy(
        logGroupName="/never", retentionInDays=1),
        drift("aws_cloudwatch_log_group.never", "retention_in_days", 0, 1))
    w.change("a text that looks like a number gets a dot", lambda: w.aws("ssm").put_parameter(
        Name="/number", Value="7.0", Type="String", Overwrite=True),
        drift("aws_ssm_parameter.number", "value", "7", "7.0"))
    w.save(normal=True)


SCENARIOS = [
    ("nested-blocks", "declared blocks with declared and undeclared inner attributes, undeclared blocks", nested_blocks),
    ("dynamic-blocks", "dynamic blocks, alone and beside static ones", dynamic_blocks),
    ("ignore-changes", "ignore_changes: attribute, tag key, block, variable of a block, all", ignore_changes),
    ("odd-keys", "count and for_each with odd keys", odd_keys),
    ("modules", "nested modules with count and for_each, a second region handed down", modules),
    ("two-regions", "same type and id in three regions, one region from a variable", two_regions),
    ("network", "network things: rules in three spellings, mirrors on the parent, children deleted", network),
    ("numbers", "numbers, texts that look like numbers, zero", numbers),
]
