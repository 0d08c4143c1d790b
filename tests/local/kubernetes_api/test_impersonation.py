"""Acting as another: who may, as whom, and whose rights count then."""

import pytest

from tests.local.kubernetes_api.access import Account, make_account, rule
from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import Answer, Json, RunningServer

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def whoami(robot: Account, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return robot.call("POST", WHO, {}, headers=named)


def info(answer: Answer) -> Json:
    assert answer.code == 201, answer.body
    found: Json = answer.body["status"]["userInfo"]
    return found


def test_it_is_refused_by_default(robot: Account) -> None:
    for headers, message in (
        ({"Impersonate_User": "jane"}, 'users "jane" is forbidden'),
        (
            {"Impersonate_User": "system:serviceaccount:default:default"},
            'serviceaccounts "default" is forbidden',
        ),
        ({"impersonate_user": "system:admin"}, 'users "system:admin" is forbidden'),
    ):
        refused = whoami(robot, **headers)
        assert refused.code == 403
        assert refused.body["message"].startswith(f'{message}: User "{robot.username}" cannot')
    message = refused.body["message"]
    assert 'cannot impersonate resource "users" in API group "" at the cluster scope' in message


def test_users_are_named_one_by_one(robot: Account) -> None:
    robot.allow_everywhere(rule("impersonate", "users", "", "jane"))
    assert info(whoami(robot, Impersonate_User="jane")) == {
        "username": "jane",
        "groups": ["system:authenticated"],
    }
    assert whoami(robot, Impersonate_User="joe").code == 403
    assert whoami(robot, Impersonate_User="jane", Impersonate_Group="system:masters").code == 403


def test_groups_uid_and_extra_each_need_their_own_right(robot: Account) -> None:
    headers = {
        "Impersonate_User": "jane",
        "Impersonate_Group": "staff",
        "Impersonate_Uid": "42",
        "Impersonate_Extra_Scopes": "view",
    }
    authentication = "authentication.k8s.io"
    rules = [
        rule("impersonate", "users", "", "jane"),
        rule("impersonate", "groups", "", "staff"),
        rule("impersonate", "uids", authentication, "42"),
        rule("impersonate", "userextras/scopes", authentication, "view"),
    ]
    for missing in range(len(rules)):
        robot.allow_everywhere(*(one for at, one in enumerate(rules) if at != missing))
        assert whoami(robot, **headers).code == 403
    robot.allow_everywhere(*rules)
    assert info(whoami(robot, **headers)) == {
        "username": "jane",
        "groups": ["staff", "system:authenticated"],
        "uid": "42",
        "extra": {"scopes": ["view"]},
    }


def test_nobody_is_not_a_user(robot: Account) -> None:
    robot.allow_everywhere(rule("impersonate", "*", "*"))
    for header in ("Impersonate_Group", "Impersonate_Uid", "Impersonate_Extra_Scopes"):
        refused = whoami(robot, **{header: "x"})
        assert refused.code == 400
        assert "Impersonate-User" in refused.body["message"]


def test_an_account_is_impersonated_in_its_namespace(
    server: RunningServer, robot: Account, config_maps: str
) -> None:
    """The way of Headrace's functions: one account that may be every tenant's deployer, and nothing else."""
    deployer = make_account(server, robot.namespace, "deployer")
    deployer.allow(rule("list", "configmaps"))
    other = make_account(server, robot.namespace, "other")
    robot.allow_everywhere(rule("impersonate", "serviceaccounts", "", "deployer"))
    assert robot.call("GET", config_maps).code == 403
    assert robot.call("GET", config_maps, act_as=deployer.username).code == 200
    assert robot.call("POST", config_maps, {}, act_as=deployer.username).code == 403
    assert robot.call("GET", config_maps, act_as=other.username).code == 403
    assert robot.call("GET", "/api/v1/configmaps", act_as=deployer.username).code == 403
    groups = info(whoami(robot, Impersonate_User=deployer.username))["groups"]
    assert groups == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{robot.namespace}",
        "system:authenticated",
    ]


def test_a_namespaced_right_to_impersonate(server: RunningServer, robot: Account) -> None:
    make_account(server, robot.namespace, "deployer")
    robot.allow(rule("impersonate", "serviceaccounts users"))
    here, there = (f"system:serviceaccount:{n}:deployer" for n in (robot.namespace, "default"))
    assert whoami(robot, Impersonate_User=here).code == 201
    assert whoami(robot, Impersonate_User=there).code == 403
    assert whoami(robot, Impersonate_User="jane").code == 403


@pytest.mark.parametrize(
    "name", ["system:serviceaccount:a", "system:serviceaccount:a:", "system:serviceaccount:a:b:c"]
)
def test_what_is_almost_an_account_is_a_user(robot: Account, name: str) -> None:
    robot.allow_everywhere(rule("impersonate", "serviceaccounts"))
    refused = whoami(robot, Impersonate_User=name)
    assert refused.code == 403
    assert refused.body["message"].startswith(f'users "{name}"')


def test_the_impersonated_rights_count_not_the_callers(
    server: RunningServer, robot: Account, config_maps: str
) -> None:
    assert server.call("GET", config_maps).code == 200
    assert server.call("GET", config_maps, act_as="jane").code == 403
    assert server.call("GET", config_maps, act_as=robot.username).code == 403
    robot.allow_everywhere(rule("impersonate", "users groups"), rule("list", "configmaps"))
    assert robot.call("GET", config_maps).code == 200
    assert robot.call("GET", config_maps, act_as="jane").code == 403
    masters = {"Impersonate-User": "jane", "Impersonate-Group": "system:masters"}
    assert robot.call("GET", "/api/v1/secrets", headers=masters).code == 200


def test_kubectl_acts_as_others(
    server: RunningServer, robot: Account, kubectl: Kubectl, config_maps: str
) -> None:
    robot.allow(rule("list", "configmaps"))
    assert "No resources" in kubectl("get", "configmaps", "--as", robot.username)
    refused = kubectl("get", "secrets", "--as", robot.username, code=1)
    assert f'User "{robot.username}" cannot list resource "secrets"' in refused
    assert "cannot list" in kubectl("get", "configmaps", "--as", "jane", code=1)
    group = f"system:serviceaccounts:{robot.namespace}"
    said = kubectl("auth", "whoami", "--as", "jane", "--as-group", group, "--as-group", "staff")
    assert f"[{group} staff system:authenticated]" in said
    anonymous = kubectl("auth", "can-i", "get", "/healthz", "--as", "system:anonymous", code=1)
    assert "selfsubjectaccessreviews" in anonymous  # the unknown may not even ask


def test_reads_for_all_stay_open(robot: Account) -> None:
    assert robot.call("GET", "/healthz", headers={"Impersonate-User": "jane"}).code == 200
