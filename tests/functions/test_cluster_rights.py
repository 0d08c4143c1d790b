"""Who may do what in the cluster, asked of the cluster itself, for every verb, resource and namespace.

The embedded API server decides by the same Roles and bindings that a real cluster is given.
"""

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.kubectl import kubectl
from tests.counts import count
from tests.functions.cluster_rights import (
    DEPLOYER,
    MAY,
    MODELS,
    NAMESPACES,
    ONBOARDING_ACCOUNT,
    OTHER,
    OWN,
    PIPELINES,
    RESOURCES,
    SERVING_ACCOUNT,
    VERBS,
    Question,
    connection,
    onboard_both,
)
from tests.local.kubernetes_api.running_server import RunningServer

Ask = Callable[[Question], bool]
DEFINITIONS = "apiextensions.k8s.io"
OF_SERVICES = "inferenceservices.serving.kserve.io"


@pytest.fixture(scope="module")
def ask(server: RunningServer) -> Iterator[Ask]:
    """Asks the API server on one connection."""
    onboard_both(server)
    with connection(server) as opened:

        def decided(question: Question) -> bool:
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            headers = {
                "Authorization": f"Bearer {server.token}",
                "Content-Type": "application/json",
            }
            opened.request("POST", path, json.dumps(question.body()), headers)
            answer = opened.getresponse()
            content = json.loads(answer.read())
            assert answer.status == 201, content
            return bool(content["status"]["allowed"])

        yield decided


def test_every_account_may_do_what_it_should_and_nothing_else(ask: Ask) -> None:
    """Verbs by resources by namespaces, for each account of a tenant and both of the platform."""
    counts: dict[tuple[str, bool], int] = {}
    wrong = []
    for account, verb, (group, resource), namespace in itertools.product(
        MAY, VERBS, RESOURCES, NAMESPACES
    ):
        question = Question(account, verb, group, resource, namespace)
        allowed = ask(question)
        key = account.removeprefix("system:serviceaccount:"), allowed
        counts[key] = counts.get(key, 0) + 1
        if allowed != question.expected:
            wrong.append((question, allowed))

    assert wrong == []
    for account in MAY:
        name = account.removeprefix("system:serviceaccount:")
        for allowed, answer in ((True, "yes"), (False, "no")):
            count(f"may {name}? asked of the cluster: {answer}", counts.get((name, allowed), 0))
    # Three kinds in full; eight to read, `services` being Kubernetes' and Knative's; and its own namespace.
    assert counts["tenant-mine:deployer", True] == 3 * 7 + 8 * 2 + 1
    assert ("tenant-mine:models", True) not in counts
    # Three kinds to read, and the Gateway's class, of which it knows no name beforehand.
    assert counts["headrace-system:headrace", True] == len(NAMESPACES) * (3 * 2 + 1)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question(PIPELINES, "get", "", "configmaps", f"tenant-{OWN}-runs", "kfp-launcher"), True),
        (Question(PIPELINES, "get", "", "configmaps", f"tenant-{OWN}-runs", "secret"), False),
        (
            Question(PIPELINES, "get", "", "configmaps", f"tenant-{OTHER}-runs", "kfp-launcher"),
            False,
        ),
        (Question(DEPLOYER, "get", "", "namespaces", f"tenant-{OWN}", f"tenant-{OWN}"), True),
        (Question(DEPLOYER, "get", "", "namespaces", f"tenant-{OTHER}", f"tenant-{OTHER}"), False),
        *(
            (Question(SERVING_ACCOUNT, verb, group, resource, namespace, name), allowed)
            for verb, group, resource, namespace, name, allowed in (
                ("get", "", "configmaps", "kserve", "inferenceservice-config", True),
                ("get", "", "configmaps", "kserve", "any", False),
                ("patch", "", "configmaps", "kserve", "inferenceservice-config", False),
                (
                    "get",
                    "gateway.networking.k8s.io",
                    "gateways",
                    "headrace-system",
                    "headrace",
                    True,
                ),
                ("get", "gateway.networking.k8s.io", "gateways", "headrace-system", "any", False),
                ("get", DEFINITIONS, "customresourcedefinitions", "", OF_SERVICES, True),
                ("get", DEFINITIONS, "customresourcedefinitions", "", "any", False),
                ("patch", DEFINITIONS, "customresourcedefinitions", "", OF_SERVICES, False),
            )
        ),
        *(
            (Question(account, "impersonate", "", "serviceaccounts", namespace, name), allowed)
            for account in (SERVING_ACCOUNT, ONBOARDING_ACCOUNT)
            for namespace, name, allowed in (
                (f"tenant-{OWN}", "deployer", True),
                (f"tenant-{OTHER}", "deployer", True),
                (f"tenant-{OWN}", "models", False),
                (f"tenant-{OWN}-runs", "pipelines", False),
                ("kube-system", "default", False),
                ("headrace-system", "headrace-onboarding", False),
            )
        ),
        *(
            (Question(account, "impersonate", "", resource, "", name), False)
            for account in (SERVING_ACCOUNT, ONBOARDING_ACCOUNT)
            for resource, name in (("users", "kubernetes-admin"), ("groups", "system:masters"))
        ),
        *(
            (Question(ONBOARDING_ACCOUNT, "bind", rbac, "clusterroles", "", name), allowed)
            for rbac in ("rbac.authorization.k8s.io",)
            for name, allowed in (
                ("headrace-deployer", True),
                ("headrace-pipelines", True),
                ("headrace-onboarding", False),
                ("cluster-admin", False),
            )
        ),
    ],
)
def test_rights_to_named_objects(ask: Ask, question: Question, expected: bool) -> None:
    assert ask(question) is expected


@pytest.mark.parametrize(
    ("account", "arguments", "expected"),
    [
        (DEPLOYER, ("create", "inferenceservices.serving.kserve.io", "-n", f"tenant-{OWN}"), True),
        (
            DEPLOYER,
            ("create", "inferenceservices.serving.kserve.io", "-n", f"tenant-{OTHER}"),
            False,
        ),
        (DEPLOYER, ("patch", "httproutes.gateway.networking.k8s.io", "-n", f"tenant-{OWN}"), True),
        (DEPLOYER, ("list", "pods", "-n", f"tenant-{OTHER}"), False),
        (DEPLOYER, ("list", "pods", "--all-namespaces"), False),
        (DEPLOYER, ("get", "secrets", "-n", f"tenant-{OWN}"), False),
        (DEPLOYER, ("delete", f"namespaces/tenant-{OWN}"), False),
        (MODELS, ("get", "pods", "-n", f"tenant-{OWN}"), False),
        (MODELS, ("get", "inferenceservices.serving.kserve.io", "-n", f"tenant-{OWN}"), False),
        (PIPELINES, ("get", "pods", "-n", f"tenant-{OWN}-runs"), True),
        (PIPELINES, ("get", "pods", "-n", f"tenant-{OWN}"), False),
        (PIPELINES, ("get", "pods", "-n", f"tenant-{OTHER}-runs"), False),
        (PIPELINES, ("get", "secrets", "-n", "kube-system"), False),
        (SERVING_ACCOUNT, ("get", "pods", "-n", f"tenant-{OWN}"), False),
        (SERVING_ACCOUNT, ("impersonate", "serviceaccounts/deployer", "-n", f"tenant-{OWN}"), True),
        (ONBOARDING_ACCOUNT, ("create", "namespaces"), True),
        (ONBOARDING_ACCOUNT, ("create", "clusterroles"), False),
    ],
)
def test_kubectl_says_the_same(
    server: RunningServer,
    ask: Ask,
    tmp_path: Path,
    account: str,
    arguments: tuple[str, ...],
    expected: bool,
) -> None:
    done = subprocess.run(
        [str(kubectl()), "auth", "can-i", *arguments, "--as", account],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "KUBECONFIG": str(server.kubeconfig)},
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == ("yes" if expected else "no"), done.stderr
    assert done.returncode == (0 if expected else 1)
