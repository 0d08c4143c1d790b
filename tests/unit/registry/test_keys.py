"""Object keys: what their segments mean, and what can never be below a prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.errors import UploadRejectedError
from controlplane.identifiers import NAME_PATTERN
from controlplane.registry.keys import (
    MAX_PATH_LENGTH,
    UploadKey,
    is_file_path,
    is_within_upload,
    parse_upload_key,
    registry_prefix,
    tenant_of,
    upload_prefix,
)

NAMES = st.from_regex(NAME_PATTERN, fullmatch=True).filter(
    lambda name: len(name) <= 20 and name != "uploads"
)


@given(NAMES, NAMES, NAMES, NAMES)
def test_what_is_uploaded_is_found_again(t: str, p: str, m: str, u: str) -> None:
    assert parse_upload_key(f"models/{t}/{p}/{m}/w.pkl") == UploadKey(t, p, m, file="w.pkl")
    prefix = upload_prefix(t, p, m, u)
    parsed = parse_upload_key(f"{prefix}manifest.json")
    assert parsed == UploadKey(t, p, m, upload=u)
    assert parsed.folder == prefix
    assert tenant_of(prefix) == t


@pytest.mark.parametrize(
    "key",
    [
        "models/acme/vision/digits/",
        "models/acme/vision/digits/w.pkl\n",
        "models/acme/vision/digits\n/w.pkl",
        "models/acme/vision/dig--its/w.pkl",
        "models/acme/vision/-digits/w.pkl",
        "models/acme/vision/digits-/w.pkl",
        "models/acme/vision/1digits/w.pkl",
        f"models/acme/vision/{'d' * 21}/w.pkl",
        f"models/{'a' * 31}/vision/digits/w.pkl",
        f"models/acme/vision/digits/uploads/{'u' * 41}/manifest.json",
        "models//vision/digits/w.pkl",
        "models/acme/../globex/w.pkl",
        "models/acme/vision/digits/uploads/june/deep/manifest.json",
        "registry/tenant-acme/vision/digits/1/w.pkl",
        "",
    ],
)
def test_a_key_that_names_no_model_is_refused(key: str) -> None:
    with pytest.raises(UploadRejectedError) as refused:
        parse_upload_key(key)
    assert refused.value.reason == "BadKey"
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("key", "within"),
    [
        ("models/acme/vision/digits/uploads/june/data/manifest.json", True),
        ("models/acme/vision/digits/uploads/june/a/b/manifest.json", True),
        ("models/acme/vision/digits/uploads/june/manifest.json", False),
        ("models/acme/vision/digits/uploads/manifest.json", False),
        ("models/acme/vision/digits/uploads/june/data/other.json", False),
        ("models/acme/vision/digits/data/manifest.json", False),
        ("registry/acme/vision/digits/uploads/june/data/manifest.json", False),
    ],
)
def test_file_within_an_upload_may_be_called_as_manifests_are(key: str, within: bool) -> None:
    assert is_within_upload(key) is within


def test_names_may_be_as_long_as_they_may_be() -> None:
    key = f"models/{'a' * 30}/{'p' * 20}/{'m' * 20}/uploads/{'u' * 40}/manifest.json"

    assert parse_upload_key(key).upload == "u" * 40


@given(st.text(max_size=30))
def test_no_text_leads_out_of_its_prefix(path: str) -> None:
    if is_file_path(path):
        segments = path.split("/")
        assert all(segment and not segment.startswith(".") for segment in segments)
        assert path.isascii()
        assert path.isprintable()


@pytest.mark.parametrize("path", ["w.pkl", "a/b/c.txt", "_x", "1.bin", "a" * MAX_PATH_LENGTH])
def test_ordinary_paths_are_taken(path: str) -> None:
    assert is_file_path(path)


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "..", "a/../b", ".a", "a b", "a\\b", "a" * 201, "é", "a\n"]
)
def test_dangerous_paths_are_not(path: str) -> None:
    assert not is_file_path(path)


def test_a_registered_version_lies_below_its_tenants_namespace() -> None:
    assert registry_prefix("acme", "vision", "digits", 7) == (
        "registry/tenant-acme/vision/digits/7/"
    )


@pytest.mark.parametrize("key", ["models/Acme/x", "models/", "other/acme/x", "models/a--b/x"])
def test_a_key_in_nobodys_inbox_has_no_tenant(key: str) -> None:
    assert tenant_of(key) is None
