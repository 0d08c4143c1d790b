"""Questions that are answered and not kept: who am I, may I, may they, what may I (``kubectl auth``)."""

from collections.abc import Callable
from typing import Any

from local.kubernetes_api.authentication import Authenticator, User, self_subject_review
from local.kubernetes_api.authorization import Attributes, Authorizer
from local.kubernetes_api.errors import Json, bad_request, invalid
from local.kubernetes_api.targets import Target

_GROUP = "authorization.k8s.io"
_FIELDS = ("verb", "group", "resource", "subresource", "namespace", "name")


class Reviews:
    """Answers the review kinds; the caller's right to ask has been checked before."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._answers: dict[str, Callable[[User, Target, Json], Json]] = {
            "TokenReview": lambda _user, _target, body: authenticator.review(body),
            "SelfSubjectReview": lambda user, _target, _body: self_subject_review(user),
            "SubjectAccessReview": self._subject_access,
            "LocalSubjectAccessReview": self._local_access,
            "SelfSubjectAccessReview": self._own_access,
            "SelfSubjectRulesReview": self._own_rules,
        }

    def answer(self, user: User, target: Target, body: Json) -> Json:
        """The review with its status. Raises StatusError (400, 422) where the question is none."""
        spec = body.get("spec") or {}
        if not isinstance(spec, dict):
            raise bad_request("spec must be an object")
        return self._answers[target.resource.kind](user, target, body)

    def _subject_access(self, _: User, target: Target, body: Json) -> Json:
        spec = body.get("spec") or {}
        groups = spec.get("groups") or []
        if not isinstance(groups, list):
            raise bad_request("spec.groups must be a list")
        if not spec.get("user") and not groups:
            raise _invalid(target, "spec.user", "at least one of user or group must be specified")
        subject = User(str(spec.get("user") or ""), tuple(map(str, groups)), spec.get("uid") or "")
        return self._access(target, subject, spec)

    def _local_access(self, user: User, target: Target, body: Json) -> Json:
        asked = (body.get("spec") or {}).get("resourceAttributes") or {}
        if not isinstance(asked, dict) or asked.get("namespace") != target.namespace:
            raise _invalid(
                target,
                "spec.resourceAttributes.namespace",
                "must match metadata.namespace, and resourceAttributes must be given",
            )
        return self._subject_access(user, target, body)

    def _own_access(self, user: User, target: Target, body: Json) -> Json:
        return self._access(target, user, body.get("spec") or {})

    def _access(self, target: Target, subject: User, spec: Json) -> Json:
        decision = self._authorizer.decide(subject, _attributes(target, spec))
        status: Json = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        if decision.error:
            status["evaluationError"] = decision.error
        return _review(target, spec, status)

    def _own_rules(self, user: User, target: Target, body: Json) -> Json:
        spec = body.get("spec") or {}
        namespace = spec.get("namespace")
        if not isinstance(namespace, str) or not namespace:
            raise bad_request("no namespace on request")
        held = self._authorizer.held(user, namespace)
        fields = ("verbs", "apiGroups", "resources", "resourceNames")
        status: Json = {
            "resourceRules": [
                {name: rule[name] for name in fields if rule.get(name)}
                for rule in held.rules
                if rule.get("resources")
            ],
            "nonResourceRules": [
                {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
                for rule in held.rules
                if rule.get("nonResourceURLs")
            ],
            "incomplete": False,
        }
        if held.errors:
            status["evaluationError"] = ", ".join(held.errors)
        return _review(target, spec, status)


def _review(target: Target, spec: Json, status: Json) -> Json:
    resource = target.resource
    metadata = {"namespace": target.namespace} if target.namespace else {}
    head: Json = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return {**head, "spec": spec, "status": status}


def _attributes(target: Target, spec: Json) -> Attributes:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (path is None):
        raise _invalid(
            target,
            "spec.resourceAttributes",
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
    asked: Any = path if resource is None else resource
    if not isinstance(asked, dict) or not all(
        isinstance(asked.get(name, ""), str) for name in (*_FIELDS, "path")
    ):
        raise bad_request("the attributes of a review must be an object of texts")
    if resource is None:
        return Attributes(asked.get("verb", ""), path=asked.get("path") or "/")
    return Attributes(**{name: asked.get(name, "") for name in _FIELDS})


def _invalid(target: Target, field: str, why: str) -> Exception:
    return invalid(target.resource.kind, _GROUP, "", [(field, f"Invalid value: {why}")])
