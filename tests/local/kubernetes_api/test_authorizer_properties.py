"""The authorizer against a plain reading of the RBAC rules, over generated policies and their changes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from local.kubernetes_api.authentication import User
from local.kubernetes_api.authorization import Attributes, Authorizer
from local.kubernetes_api.errors import StatusError
from local.kubernetes_api.escalation import check_grants
from local.kubernetes_api.resource_table import ResourceTable
from local.kubernetes_api.storage import Store
from local.kubernetes_api.targets import Target
from tests.local.kubernetes_api.running_server import Json

GROUP = "rbac.authorization.k8s.io"
NAMESPACES = ("a", "b")
NAMES = ("one", "two")
PATHS = ("/api", "/api/v1", "/metrics")
Change = tuple[str, Json | None, str, str]

USERS = [
    User("jane", ("staff",)),
    User("staff", ()),
    User("joe", ("all", "staff")),
    User("system:serviceaccount:a:one", ("all",)),
    User("system:serviceaccount:b:one", ()),
]
# All there is to ask with these few words: nothing is left to luck but the policies.
QUESTIONS = [
    Attributes(*words)
    for words in itertools.product(
        ("get", "list"),
        ("", "apps"),
        ("pods", "roles"),
        ("", "log"),
        ("", *NAMESPACES),
        ("", *NAMES),
    )
] + [Attributes(verb, path=path) for verb in ("get", "post") for path in (*PATHS, "/api/x", "/")]


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


FIELDS: dict[str, st.SearchStrategy[list[str]]] = {
    "verbs": some("get", "list", "*"),
    "apiGroups": some("", "apps", "*"),
    "resources": some("pods", "pods/log", "roles", "roles/log", "*", "*/log"),
    "resourceNames": some(*NAMES) | st.just([]),
}


def resource_rule(**fields: list[str]) -> Json:
    return {name: listed for name, listed in fields.items() if listed or name != "resourceNames"}


resource_rules = st.builds(resource_rule, **FIELDS)
path_rules = st.builds(
    lambda verbs, paths: {"verbs": verbs, "nonResourceURLs": paths},
    some("get", "post", "*"),
    some(*PATHS, "/api*", "/api/*", "*"),
)
rules = st.lists(resource_rules | path_rules, min_size=1, max_size=2)
subjects = st.lists(
    st.one_of(
        st.builds(lambda n: {"kind": "User", "name": n}, st.sampled_from(("jane", "joe"))),
        st.builds(lambda n: {"kind": "Group", "name": n}, st.sampled_from(("staff", "all"))),
        st.builds(
            lambda ns: {
                "kind": "ServiceAccount",
                "name": "one",
                **({"namespace": ns} if ns else {}),
            },
            st.sampled_from((*NAMESPACES, "")),
        ),
        # A user of an account's name is that account.
        st.just({"kind": "User", "name": "system:serviceaccount:a:one"}),
    ),
    max_size=3,
)


def named(plural: str, namespace: str, name: str, **fields: object) -> Change:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return f"{GROUP}/{plural}", {"metadata": metadata, **fields}, namespace, name


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """One write or removal: storage, object (None: remove), namespace and name."""
    scope = draw(st.sampled_from(("", *NAMESPACES)))
    what = draw(st.sampled_from(("roles", "rolebindings", "rolebindings")))
    plural = what if scope else f"cluster{what}"
    name = draw(st.sampled_from(NAMES))
    if draw(st.integers(0, 5)) == 0:
        return f"{GROUP}/{plural}", None, scope, name
    if what == "roles":
        return named(plural, scope, name, rules=draw(rules))
    kind = draw(st.sampled_from(("Role", "ClusterRole"))) if scope else "ClusterRole"
    reference = {"kind": kind, "name": draw(st.sampled_from((*NAMES, "missing")))}
    return named(plural, scope, name, roleRef=reference, subjects=draw(subjects))


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Roles of every scope, then bindings and changes of both."""
    scopes = ("", *NAMESPACES)
    plurals = {scope: "roles" if scope else "clusterroles" for scope in scopes}
    first = [named(plurals[scope], scope, "one", rules=draw(rules)) for scope in scopes]
    return first + draw(st.lists(changes(), min_size=1, max_size=8))


def build(
    history: list[Change], late: int = 0, asked: list[Attributes] | None = None
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
            for user, question in itertools.product(USERS, asked or ()):
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


@settings(max_examples=60)
@given(histories(), st.integers(0, 6))
def test_decisions_are_those_of_a_plain_reading(history: list[Change], late: int) -> None:
    store, authorizer = build(history, late, QUESTIONS)
    for user, namespace in itertools.product(USERS, ("", *NAMESPACES)):
        found = list(reference_rules(store, user, namespace))
        held = authorizer.held(user, namespace).rules
        assert sorted(map(str, held)) == sorted(map(str, found))
        for question in QUESTIONS:
            if question.namespace == namespace:
                expected = any(reference_allows(rule, question) for rule in found)
                assert authorizer.decide(user, question).allowed is expected, (user, question)


@st.composite
def grants(draw: st.DrawFn) -> tuple[list[Json], Json]:
    """Rules that somebody holds, and one like them, or nearly, to be granted."""
    held = draw(rules)
    granted = dict(draw(st.sampled_from(held)))
    if "resources" in granted and draw(st.booleans()):
        field = draw(st.sampled_from(sorted(FIELDS)))
        granted[field] = draw(FIELDS[field])
    elif draw(st.booleans()):
        granted = draw(resource_rules | path_rules)
    return held, granted


def check_role(held: list[Json], granted: Json) -> Authorizer:
    """An authorizer for which jane holds rules everywhere; raises if she may not grant the other."""
    reference = {"kind": "ClusterRole", "name": "held"}
    jane = [{"kind": "User", "name": "jane"}]
    _, authorizer = build(
        [
            named("clusterroles", "", "held", rules=held),
            named("clusterrolebindings", "", "held", roleRef=reference, subjects=jane),
        ]
    )
    resource = ResourceTable().find(GROUP, "v1", "clusterroles")
    assert resource is not None
    obj: Json = {"metadata": {"name": "x"}, "rules": [granted]}
    check_grants(authorizer, USERS[0], Target(resource), None, obj)
    return authorizer


@settings(max_examples=250)
@given(grants())
def test_a_role_that_may_be_written_gives_nothing_new(grant: tuple[list[Json], Json]) -> None:
    held, granted = grant
    if any("*" in rule["verbs"] and "*" in rule.get("resources", ()) for rule in held):
        return  # the right to escalate is among the rights
    try:
        authorizer = check_role(held, granted)
    except StatusError:
        return
    for question in QUESTIONS:
        if reference_allows(granted, question):
            assert authorizer.decide(USERS[0], question).allowed, question


@settings(max_examples=100)
@given(rules, st.data())
def test_a_role_within_ones_rights_may_always_be_written(
    held: list[Json], data: st.DataObject
) -> None:
    granted = dict(data.draw(st.sampled_from(held)))
    narrowed = data.draw(st.sampled_from(("resourceNames", "verbs")))
    if narrowed == "verbs":
        granted["verbs"] = granted["verbs"][:1]
    elif "resources" in granted and "resourceNames" not in granted:
        granted["resourceNames"] = ["one"]
    check_role(held, granted)
