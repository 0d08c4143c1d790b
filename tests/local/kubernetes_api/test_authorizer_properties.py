"""The authorizer against a plain reading of the RBAC rules, over generated policies and their changes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from local.kubernetes_api.authentication import User
from local.kubernetes_api.authorization import Attributes, Authorizer, allows
from local.kubernetes_api.errors import StatusError
from local.kubernetes_api.escalation import check_grants
from local.kubernetes_api.resource_table import ResourceTable
from local.kubernetes_api.storage import Store
from local.kubernetes_api.targets import Target
from tests.local.kubernetes_api.running_server import Json

GROUP = "rbac.authorization.k8s.io"
NAMESPACES = ("a", "b")
NAMES = ("one", "two")
VERBS, GROUPS = ("get", "list", "create", "bind"), ("", "apps", GROUP)
RESOURCES = ("pods", "pods/log", "deployments", "deployments/log", "roles")
PATHS = ("/api", "/api/v1", "/metrics")


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


resource_rules = st.builds(
    lambda verbs, groups, resources, names: {
        "verbs": verbs,
        "apiGroups": groups,
        "resources": resources,
        **({"resourceNames": names} if names else {}),
    },
    some(*VERBS, "*"),
    some(*GROUPS, "*"),
    some(*RESOURCES, "*", "*/log"),
    st.just([]) | some(*NAMES),
)
path_rules = st.builds(
    lambda verbs, paths: {"verbs": verbs, "nonResourceURLs": paths},
    some("get", "list", "*"),
    some(*PATHS, "/api*", "/api/*", "*"),
)
rules = st.lists(resource_rules | path_rules, max_size=3)
subjects = st.lists(
    st.one_of(
        st.builds(lambda n: {"kind": "User", "name": n}, st.sampled_from(("jane", "joe"))),
        st.builds(lambda n: {"kind": "Group", "name": n}, st.sampled_from(("staff", "all"))),
        st.builds(
            lambda n, ns: {
                "kind": "ServiceAccount",
                "name": n,
                **({"namespace": ns} if ns else {}),
            },
            st.sampled_from(NAMES),
            st.sampled_from((*NAMESPACES, "")),
        ),
        # A user of an account's name is that account.
        st.just({"kind": "User", "name": "system:serviceaccount:a:one"}),
    ),
    max_size=3,
)
users = st.builds(
    User,
    st.sampled_from(("jane", "joe", "staff", *(f"system:serviceaccount:a:{n}" for n in NAMES))),
    st.lists(st.sampled_from(("staff", "all", "jane")), max_size=2, unique=True).map(tuple),
)
questions = st.builds(
    Attributes,
    st.sampled_from((*VERBS, "delete")),
    st.sampled_from((*GROUPS, "batch")),
    st.sampled_from(("pods", "deployments", "roles")),
    st.sampled_from(("", "log")),
    st.sampled_from(("", *NAMESPACES)),
    st.sampled_from(("", *NAMES, "three")),
) | st.builds(
    Attributes, st.sampled_from(("get", "post")), path=st.sampled_from((*PATHS, "/api/x", "/"))
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, Json | None, str, str]:
    """One write or removal: storage, object (None: remove), namespace and name."""
    plural = draw(st.sampled_from(("roles", "clusterroles", "rolebindings", "clusterrolebindings")))
    namespace = "" if plural.startswith("cluster") else draw(st.sampled_from(NAMESPACES))
    name = draw(st.sampled_from(NAMES))
    storage = f"{GROUP}/{plural}"
    if draw(st.integers(0, 4)) == 0:
        return storage, None, namespace, name
    obj: Json = {"metadata": {"name": name, **({"namespace": namespace} if namespace else {})}}
    if plural.endswith("roles"):
        obj["rules"] = draw(rules)
    else:
        kinds = ("ClusterRole",) if plural.startswith("cluster") else ("Role", "ClusterRole")
        kind = draw(st.sampled_from(kinds))
        role = draw(st.sampled_from((*NAMES, "missing")))
        obj |= {"roleRef": {"kind": kind, "name": role}, "subjects": draw(subjects)}
    return storage, obj, namespace, name


def build(
    history: list[tuple[str, Json | None, str, str]],
    late: int = 0,
    asked: Iterable[tuple[User, Attributes]] = (),
) -> tuple[Store, Authorizer]:
    """A store after these changes; the authorizer is there and asked from change number `late` on."""
    store = Store(Path(":memory:"), 10)
    authorizer = None
    for number, (storage, obj, namespace, name) in enumerate(history):
        if number == late:
            authorizer = Authorizer(store)
        if obj is not None:
            store.put(storage, obj)
        elif store.get(storage, namespace, name):
            store.remove(storage, namespace, name)
        if authorizer:
            for user, question in asked:
                authorizer.decide(user, question)
    return store, authorizer or Authorizer(store)


def reference_rules(store: Store, user: User, namespace: str) -> Iterator[Json]:
    """Every rule that counts, by looking at every binding there is."""
    for scope in ("clusterrolebindings", "rolebindings"):
        for binding in store.find(f"{GROUP}/{scope}"):
            home = binding["metadata"].get("namespace", "")
            if home not in ("", namespace) or not is_subject(binding, user, home):
                continue
            plural = {"Role": "roles", "ClusterRole": "clusterroles"}[binding["roleRef"]["kind"]]
            where = home if plural == "roles" else ""
            role = store.get(f"{GROUP}/{plural}", where, binding["roleRef"]["name"])
            yield from (role or {}).get("rules", [])


def is_subject(binding: Json, user: User, home: str) -> bool:
    for subject in binding["subjects"]:
        kind, name = subject["kind"], subject["name"]
        account = f"system:serviceaccount:{subject.get('namespace', home)}:{name}"
        if kind == "User" and name == user.username:
            return True
        if kind == "Group" and name in user.groups:
            return True
        if kind == "ServiceAccount" and "::" not in account and account == user.username:
            return True
    return False


def reference_allows(rule: Json, asked: Attributes) -> bool:
    """One rule read word by word, each wildcard spelled out into what it stands for."""
    if not {asked.verb, "*"} & set(rule["verbs"]):
        return False
    if asked.path:
        heads = {asked.path[:end] + "*" for end in range(len(asked.path) + 1)}
        return bool({asked.path, *heads} & set(rule.get("nonResourceURLs", [])))
    wanted = {"*", asked.resource}
    if asked.subresource:
        wanted = {"*", f"*/{asked.subresource}", f"{asked.resource}/{asked.subresource}"}
    if not wanted & set(rule.get("resources", [])):
        return False
    if not {asked.group, "*"} & set(rule["apiGroups"]):
        return False
    return asked.name in rule["resourceNames"] if "resourceNames" in rule else True


@settings(max_examples=200, deadline=None)
@given(
    st.lists(changes(), max_size=14),
    st.integers(0, 14),
    st.lists(st.tuples(users, questions), min_size=1, max_size=12),
)
def test_decisions_are_those_of_a_plain_reading(
    history: list[tuple[str, Json | None, str, str]],
    late: int,
    asked: list[tuple[User, Attributes]],
) -> None:
    store, authorizer = build(history, late, asked)
    for user, question in asked:
        found = list(reference_rules(store, user, question.namespace))
        expected = any(reference_allows(rule, question) for rule in found)
        assert authorizer.decide(user, question).allowed is expected, (user, question, found)
        held = authorizer.held(user, question.namespace).rules
        assert sorted(map(str, held)) == sorted(map(str, found))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(changes(), max_size=10),
    users,
    rules,
    st.sampled_from(NAMESPACES),
    st.lists(questions, min_size=1, max_size=30),
)
def test_a_role_that_may_be_written_gives_nothing_new(
    history: list[tuple[str, Json | None, str, str]],
    user: User,
    granted: list[Json],
    namespace: str,
    asked: list[Attributes],
) -> None:
    _, authorizer = build(history)
    resource = ResourceTable().find(GROUP, "v1", "roles")
    assert resource is not None
    obj: Json = {"metadata": {"name": "x", "namespace": namespace}, "rules": granted}
    # resourceNames of the right to escalate never cover a create, so only whole rights count here.
    escalate = Attributes("escalate", GROUP, "roles", namespace=namespace)
    try:
        check_grants(authorizer, user, Target(resource, namespace), None, obj)
    except StatusError:
        return
    if authorizer.decide(user, escalate).allowed:
        return
    for question in asked:
        if question.namespace == namespace and any(allows(rule, question) for rule in granted):
            assert authorizer.decide(user, question).allowed


@settings(max_examples=100, deadline=None)
@given(st.lists(changes(), max_size=10), users, st.data())
def test_a_role_within_ones_rights_may_always_be_written(
    history: list[tuple[str, Json | None, str, str]], user: User, data: st.DataObject
) -> None:
    _, authorizer = build(history)
    resource = ResourceTable().find(GROUP, "v1", "roles")
    assert resource is not None
    held = authorizer.held(user, "a").rules
    granted = data.draw(st.lists(st.sampled_from(held), max_size=3)) if held else []
    obj: Json = {"metadata": {"name": "x", "namespace": "a"}, "rules": granted}
    check_grants(authorizer, user, Target(resource, "a"), None, obj)
