"""Files that must not be imported as they are: errored, targeted, not refreshed, not a plan."""

import json

from world import drift, gone


BASE = """
resource "aws_cloudwatch_log_group" "g" {
  count             = 3
  name              = "/refuse/${count.index}"
  retention_in_days = 7
}

resource "aws_sns_topic" "t" {
  name = "refuse"
  tags = {
    team = "blue"
  }
}

resource "aws_ssm_parameter" "p" {
  name  = "/refuse"
  type  = "String"
  value = "v"
}
"""


def refused(w):
    w.write(BASE)
    empty = "nothing was ever applied in this folder: often the wrong workspace"
    w.save(name="empty-state", verdict="refuse:EMPTY_STATE", about=empty)
    w.save(name="empty-state-normal", verdict="refuse:NOT_REFRESH_ONLY", text=w.plan(kind=()),
           about="a normal plan of an empty state: everything is to be created")
    w.apply()
    w.settle()
    topic = w.value("aws_sns_topic.t", "arn")
    w.change("retention", lambda: w.aws("logs").put_retention_policy(logGroupName="/refuse/0", retentionInDays=1),
             drift("aws_cloudwatch_log_group.g[0]", "retention_in_days", 7, 1))
    w.change("deleted", lambda: w.aws("logs").delete_log_group(logGroupName="/refuse/2"),
             gone("aws_cloudwatch_log_group.g[2]"))
    w.change("a tag", lambda: w.aws("sns").tag_resource(ResourceArn=topic, Tags=[{"Key": "team", "Value": "red"}]),
             drift("aws_sns_topic.t", "tags", {"team": "blue"}, {"team": "red"}))
    w.save(name="whole", about="the same moment as the files beside it, a proper refresh-only plan", normal=True)
    w.save(name="targeted", verdict="refuse:INCOMPLETE", text=w.plan("-target=aws_cloudwatch_log_group.g[0]"),
           about="-refresh-only -target: the untargeted instances as last stored")
    w.save(name="targeted-two", verdict="refuse:INCOMPLETE",
           text=w.plan("-target=aws_sns_topic.t", "-target=aws_ssm_parameter.p"),
           about="-refresh-only with two targets, one of them without drift")
    w.save(name="not-refreshed", verdict="refuse:NOT_REFRESH_ONLY", text=w.plan(kind=("-refresh=false",)),
           about="a normal plan with -refresh=false")
    w.save(name="normal-only", verdict="refuse:NOT_REFRESH_ONLY", text=w.plan(kind=()), about="a normal plan")
    w.save(name="destroy", verdict="refuse:NOT_REFRESH_ONLY", text=w.plan(kind=("-destroy",)), about="plan -destroy")
    w.save(name="replace", verdict="refuse:NOT_REFRESH_ONLY",
           text=w.plan("-replace=aws_sns_topic.t", kind=()), about="plan -replace")
    w.save(name="shown-state", verdict="refuse:NOT_A_PLAN", text=w.terraform("show", "-json"),
           about="show -json without a plan: the state as last stored")
    w.save(name="raw-state", verdict="refuse:NOT_A_PLAN", text=json.dumps(json.loads(w.terraform("state", "pull"))),
           about="state pull: the raw state, version 4")
    w.save(name="messages", verdict="refuse:NOT_A_PLAN",
           text=w.terraform("plan", "-refresh-only", "-lock=false", "-input=false", "-json").replace(str(w.folder), "."),
           about="plan -json: one message a line")
    w.save(name="cut-off", verdict="refuse:NOT_JSON", text=w.plan()[:4000], about="a plan cut off in the middle")


def errored(w):
    w.aws("ssm").put_parameter(Name="/outside", Value="7", Type="String")
    w.write(BASE + """
data "aws_ssm_parameter" "outside" {
  name = "/outside"
}

output "outside" {
  value     = data.aws_ssm_parameter.outside.value
  sensitive = true
}
""")
    w.apply()
    w.settle()
    topic = w.value("aws_sns_topic.t", "arn")
    w.change("retention", lambda: w.aws("logs").put_retention_policy(logGroupName="/refuse/0", retentionInDays=1),
             drift("aws_cloudwatch_log_group.g[0]", "retention_in_days", 7, 1))
    w.change("a tag", lambda: w.aws("sns").tag_resource(ResourceArn=topic, Tags=[{"Key": "team", "Value": "red"}]),
             drift("aws_sns_topic.t", "tags", {"team": "blue"}, {"team": "red"}))
    w.save(name="errored-part-unreachable", verdict="refuse:ERRORED",
           text=w.plan(ok=(1,), env={"AWS_ENDPOINT_URL_SNS": "http://127.0.0.1:9"}),
           about="one service could not be reached; the others were read")
    w.change("what the data source reads is deleted", lambda: w.aws("ssm").delete_parameter(Name="/outside"))
    w.save(name="errored-data-gone", verdict="refuse:ERRORED", text=w.plan(ok=(1,)),
           about="a data source found nothing")
    w.aws("ssm").put_parameter(Name="/outside", Value="7", Type="String")
    with open(w.folder / "main.tf", "a") as file:
        file.write('\nresource "aws_sns_topic" "impossible" {\n  name         = "impossible"\n'
                   '  display_name = tonumber("x${aws_sns_topic.t.name}")\n}\n')
    w.save(name="errored-code-normal", verdict="refuse:ERRORED", text=w.plan(kind=(), ok=(1,)),
           about="a normal plan whose code cannot be worked out")


def imports(w):
    w.aws("logs").create_log_group(logGroupName="/made-by-hand")
    w.write(BASE)
    w.apply()
    w.settle()
    w.write(BASE + """
import {
  to = aws_cloudwatch_log_group.adopted
  id = "/made-by-hand"
}

resource "aws_cloudwatch_log_group" "adopted" {
  name              = "/made-by-hand"
  retention_in_days = 7
}
""")
    w.change("retention", lambda: w.aws("logs").put_retention_policy(logGroupName="/refuse/1", retentionInDays=1),
             drift("aws_cloudwatch_log_group.g[1]", "retention_in_days", 7, 1))
    w.notes.append("the import block is not applied: aws_cloudwatch_log_group.adopted is not in the state, no row may name it")
    w.save(normal=True)


SCENARIOS = [
    ("refused", "one moment, many files", refused),
    ("errored", "plans that ended with an error", errored),
    ("imports", "an import block not yet applied", imports),
]
