"""The peer: django-maker-checker behind Django REST framework, in the plainest way, as a program of its own.

    DATABASE=postgresql://… CHECKERS=2 AWS=kept AWS_ENDPOINT=http://… gunicorn peer_app:application

`main` makes the tables, the people and the policy, and prints the people's tokens as JSON.

The peer has hardly any middleware, keeps its connections to the database, and writes no file: that favours it.
"""

import json
import os
from urllib.parse import urlsplit

import django  # of another environment: see peer.py
from aws_calls import Aws
from django.conf import settings

_DATABASE = urlsplit(os.environ["DATABASE"])
_CHECKERS = int(os.environ["CHECKERS"])
_AWS = Aws(os.environ["AWS"], os.environ["AWS_ENDPOINT"])

settings.configure(
    SECRET_KEY="of a benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="peer_app",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # says how long an answer is
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework.authtoken",
        "django_maker_checker",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _DATABASE.hostname,
            "PORT": _DATABASE.port,
            "USER": _DATABASE.username,
            "NAME": _DATABASE.path.removeprefix("/"),
            "CONN_MAX_AGE": None,
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    REST_FRAMEWORK={
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
    USE_TZ=True,
    DEBUG_PROPAGATE_EXCEPTIONS=True,  # gunicorn logs them
)
django.setup()

# What needs the settings.
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from django_maker_checker import policies, services  # noqa: E402
from django_maker_checker.actions import approval_action  # noqa: E402
from django_maker_checker.constants import WorkflowType  # noqa: E402
from django_maker_checker.models import ApprovalDecision, ApprovalRequest, Tenant  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.authentication import TokenAuthentication  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.decorators import api_view, authentication_classes  # noqa: E402
from rest_framework.response import Response  # noqa: E402

_ACTION = "create_access_key"


class Bearer(TokenAuthentication):
    keyword = "Bearer"


@approval_action(
    _ACTION,
    label="Create a root access key",
    category="Root",
    lock_key=lambda payload: payload["account_id"],
    target_label=lambda payload: payload["account_id"],
    snapshot_before=lambda _tenant, payload: _AWS.look(payload["account_id"]) or {},
)
def create_access_key(*, tenant, maker, context, account_id):
    del tenant, maker, context
    return {"access_key_id": _AWS.create(account_id)}


class Filing(serializers.Serializer):
    account_id = serializers.RegexField(r"^[0-9]{12}$")
    justification = serializers.CharField(min_length=10, max_length=2000)


class NewDecision(serializers.Serializer):
    decision = serializers.ChoiceField(choices=["approve", "reject"])
    comment = serializers.CharField(required=False, default="")


class DecisionOut(serializers.ModelSerializer):
    class Meta:
        model = ApprovalDecision
        fields = ("id", "actor", "decision", "comment")


class RequestOut(serializers.ModelSerializer):
    decisions = DecisionOut(many=True, read_only=True)

    class Meta:
        model = ApprovalRequest
        fields = (
            *("id", "reference", "action_type", "target_label", "payload", "before_snapshot", "result"),
            *("justification", "risk_level", "maker", "status", "submitted_at", "decided_at", "executed_at"),
            "decisions",
        )


@api_view(["POST"])
@authentication_classes([Bearer])
def file(request):
    wanted = Filing(data=request.data)
    wanted.is_valid(raise_exception=True)
    outcome = create_access_key(
        tenant=Tenant.default(),
        maker=request.user,
        justification=wanted.validated_data["justification"],
        account_id=wanted.validated_data["account_id"],
    )
    return Response(RequestOut(outcome.approval_request).data, status=201)


@api_view(["POST"])
@authentication_classes([Bearer])
def decide(request, number):
    made = NewDecision(data=request.data)
    made.is_valid(raise_exception=True)
    decided = services.decide(number, request.user, made.validated_data["decision"], made.validated_data["comment"])
    return Response(RequestOut(decided).data)


urlpatterns = [path("v1/requests", file), path("v1/requests/<int:number>/decisions", decide)]
application = get_wsgi_application()


def main() -> None:
    call_command("migrate", verbosity=0)
    group = Group.objects.create(name="approvers")
    group.permissions.add(Permission.objects.get(codename=f"approve_{_ACTION}"))
    people = {name: User.objects.create_user(name) for name in ("alice", "bob", "carol", "dave")}
    for name in ("bob", "carol", "dave"):
        people[name].groups.add(group)
    spec = policies.PolicySpec(approvers=[f"r:{group.pk}"])
    if _CHECKERS > 1:
        approvers = [f"u:{people[name].pk}" for name in ("bob", "carol", "dave")]
        spec = policies.PolicySpec(WorkflowType.MULTI, approvers, required_approvals=_CHECKERS)
    policies.save_policy(policies.policy_for(Tenant.default(), _ACTION), spec, by=people["alice"])
    print(json.dumps({name: Token.objects.create(user=user).key for name, user in people.items()}))
