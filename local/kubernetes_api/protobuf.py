"""The few protobuf bodies that kubectl insists on: ``create token``, ``create namespace`` and their like.

kubectl sends the built-in kinds of its own subcommands as protobuf and does not ask again in JSON; everything
else it sends, and every answer, is JSON. Field numbers are those of the ``generated.proto`` files in the
Kubernetes API; a field that is not listed is passed over.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.kubernetes_api.errors import Json, bad_request, unsupported_media_type

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _text(content: Any) -> str:
    return bytes(content).decode()


def _base64(content: Any) -> str:
    return base64.b64encode(content).decode()


def _quantity(content: Any) -> str:
    return _text(dict(_fields(content)).get(1, b""))


def _texts(content: Any) -> list[str]:
    return [_text(value) for number, value in _fields(content) if number == 1]


class _Message(dict[int, tuple[str, Callable[[Any], Any], bool]]):
    """Field number to name, decoder and whether it repeats."""

    def __call__(self, content: Any) -> Json:
        decoded: Json = {}
        for number, value in _fields(content):
            if number not in self:
                continue
            name, decode, repeats = self[number]
            item = decode(value)
            if isinstance(decode, _Entry):
                decoded.setdefault(name, {}).update(item)
            elif repeats:
                decoded.setdefault(name, []).append(item)
            elif item != "":
                decoded[name] = item
        return decoded


class _Entry:
    """One entry of a map with text keys."""

    def __init__(self, value: Callable[[Any], Any]) -> None:
        self._value = value

    def __call__(self, content: Any) -> Json:
        parts = dict(_fields(content))
        return {_text(parts.get(1, b"")): self._value(parts.get(2, b""))}


def _one(name: str, decode: Callable[[Any], Any] = _text) -> tuple[str, Callable[[Any], Any], bool]:
    return name, decode, False


def _many(
    name: str, decode: Callable[[Any], Any] = _text
) -> tuple[str, Callable[[Any], Any], bool]:
    return name, decode, True


_METADATA = _Message(
    {
        1: _one("name"),
        2: _one("generateName"),
        3: _one("namespace"),
        11: _one("labels", _Entry(_text)),
        12: _one("annotations", _Entry(_text)),
        14: _many("finalizers"),
    }
)
_RULE = _Message(
    {
        1: _many("verbs"),
        2: _many("apiGroups"),
        3: _many("resources"),
        4: _many("resourceNames"),
        5: _many("nonResourceURLs"),
    }
)
_SUBJECT = _Message({1: _one("kind"), 2: _one("apiGroup"), 3: _one("name"), 4: _one("namespace")})
_ROLE_REF = _Message({1: _one("apiGroup"), 2: _one("kind"), 3: _one("name")})
_TOKEN_SPEC = _Message({1: _many("audiences"), 4: _one("expirationSeconds", int)})
_ROLE = _Message({1: _one("metadata", _METADATA), 2: _many("rules", _RULE)})
_BINDING = _Message(
    {
        1: _one("metadata", _METADATA),
        2: _many("subjects", _SUBJECT),
        3: _one("roleRef", _ROLE_REF),
    }
)
_RESOURCE_ATTRIBUTES = _Message(
    {
        1: _one("namespace"),
        2: _one("verb"),
        3: _one("group"),
        4: _one("version"),
        5: _one("resource"),
        6: _one("subresource"),
        7: _one("name"),
    }
)
_ASKED = {
    1: _one("resourceAttributes", _RESOURCE_ATTRIBUTES),
    2: _one("nonResourceAttributes", _Message({1: _one("path"), 2: _one("verb")})),
}
_SUBJECT_SPEC = _Message(
    {
        **_ASKED,
        3: _one("user"),
        4: _many("groups"),
        5: _one("extra", _Entry(_texts)),
        6: _one("uid"),
    }
)
_SUBJECT_REVIEW = _Message({1: _one("metadata", _METADATA), 2: _one("spec", _SUBJECT_SPEC)})
_QUOTA_SPEC = _Message({1: _one("hard", _Entry(_quantity)), 2: _many("scopes")})
_KINDS: Mapping[str, _Message] = {
    "Namespace": _Message({1: _one("metadata", _METADATA)}),
    "ServiceAccount": _Message({1: _one("metadata", _METADATA)}),
    "ConfigMap": _Message(
        {
            1: _one("metadata", _METADATA),
            2: _one("data", _Entry(_text)),
            3: _one("binaryData", _Entry(_base64)),
            4: _one("immutable", bool),
        }
    ),
    "Secret": _Message(
        {
            1: _one("metadata", _METADATA),
            2: _one("data", _Entry(_base64)),
            3: _one("type"),
            4: _one("stringData", _Entry(_text)),
            5: _one("immutable", bool),
        }
    ),
    "Role": _ROLE,
    "ClusterRole": _ROLE,
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "TokenRequest": _Message({1: _one("metadata", _METADATA), 2: _one("spec", _TOKEN_SPEC)}),
    "SelfSubjectAccessReview": _Message(
        {1: _one("metadata", _METADATA), 2: _one("spec", _Message(_ASKED))}
    ),
    "SelfSubjectRulesReview": _Message(
        {1: _one("metadata", _METADATA), 2: _one("spec", _Message({1: _one("namespace")}))}
    ),
    "SubjectAccessReview": _SUBJECT_REVIEW,
    "LocalSubjectAccessReview": _SUBJECT_REVIEW,
    "ResourceQuota": _Message({1: _one("metadata", _METADATA), 2: _one("spec", _QUOTA_SPEC)}),
    "PriorityClass": _Message(
        {
            1: _one("metadata", _METADATA),
            2: _one("value", int),
            3: _one("globalDefault", bool),
            4: _one("description"),
            5: _one("preemptionPolicy"),
        }
    ),
    "SelfSubjectReview": _Message({1: _one("metadata", _METADATA)}),
}
_TYPE = _Message({1: _one("apiVersion"), 2: _one("kind")})


def decode(content: bytes) -> Json:
    """The object of a protobuf body; 415 for a kind that is not listed here, 400 for nonsense."""
    if not content.startswith(_MAGIC):
        raise bad_request("the body is not Kubernetes protobuf")
    try:
        envelope = dict(_fields(content[len(_MAGIC) :]))
        kind: Json = _TYPE(envelope.get(1, b""))
        message = _KINDS.get(kind.get("kind", ""))
        body = message(envelope.get(2, b"")) if message else None
    except (IndexError, UnicodeDecodeError, TypeError) as problem:
        raise bad_request("the body is not Kubernetes protobuf") from problem
    if body is None:
        raise unsupported_media_type(
            f"{kind.get('kind')} is not understood as protobuf here: send JSON, "
            "as `kubectl create -f` and `kubectl apply -f` do"
        )
    return {**kind, **body}


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and raw values; lengths are checked by reading past the end (IndexError)."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(content, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire, len(content) + 1)
        if at + size > len(content):
            raise IndexError("truncated")
        yield number, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
