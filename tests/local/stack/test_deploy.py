"""Parts of the deployment that need no cloud."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from local.deploy.assembly import AssemblyError, read_stacks
from local.deploy.assets import write_zip
from local.deploy.clients import EmbeddedCloud
from local.deploy.synthesis import inputs_digest


def test_clients_ignore_the_users_own_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text(
        "[profile work]\nregion = eu-west-1\nendpoint_url = https://real.example\n"
        "[default]\nregion = eu-west-1\n"
    )
    credentials.write_text("[work]\naws_access_key_id = REAL\naws_secret_access_key = REAL\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "REAL")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://real.example")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:1")
    client = EmbeddedCloud("http://127.0.0.1:1").client("s3")

    assert client.meta.endpoint_url == "http://127.0.0.1:1"
    assert client.meta.region_name == "us-east-1"
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert url.startswith("http://127.0.0.1:1/b/k?")
    assert "REAL" not in url
    assert client.meta.config.proxies == {}


def test_stacks_come_after_those_that_they_depend_on(tmp_path: Path) -> None:
    def stack(name: str, *dependencies: str) -> dict[str, object]:
        return {
            "type": "aws:cloudformation:stack",
            "dependencies": list(dependencies),
            "properties": {
                "templateFile": f"{name}.template.json",
                "stackTemplateAssetObjectUrl": f"s3://assets/{name}.json",
            },
        }

    manifest = {"artifacts": {"Api": stack("Api", "Data"), "Data": stack("Data")}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    assert [found.name for found in read_stacks(tmp_path)] == ["Data", "Api"]


def test_docker_images_are_refused(tmp_path: Path) -> None:
    manifest = {
        "artifacts": {
            "Data.assets": {
                "type": "cdk:asset-manifest",
                "properties": {"file": "Data.assets.json"},
            },
            "Data": {
                "type": "aws:cloudformation:stack",
                "dependencies": ["Data.assets"],
                "properties": {"templateFile": "t", "stackTemplateAssetObjectUrl": "s3://a/b"},
            },
        }
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "Data.assets.json").write_text('{"files": {}, "dockerImages": {"x": {}}}')

    with pytest.raises(AssemblyError, match="Docker"):
        read_stacks(tmp_path)


def test_equal_folders_make_equal_archives(tmp_path: Path) -> None:
    archives = []
    for name, order in (("one", "ab"), ("two", "ba")):
        for file in order:
            path = tmp_path / name / "package" / f"{file}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)
        archive = io.BytesIO()
        write_zip(tmp_path / name, archive)
        archives.append(archive.getvalue())

    assert archives[0] == archives[1]
    with zipfile.ZipFile(io.BytesIO(archives[0])) as archive_file:
        assert archive_file.namelist() == ["package/a.py", "package/b.py"]


def test_the_digest_follows_content_and_context_but_not_bytecode(tmp_path: Path) -> None:
    function = tmp_path / "functions" / "registry" / "api.py"
    function.parent.mkdir(parents=True)
    function.write_text("first")
    first = inputs_digest(tmp_path, {"headrace:target": "embedded"})

    bytecode = function.parent / "__pycache__" / "api.pyc"
    bytecode.parent.mkdir()
    bytecode.write_bytes(b"x")
    function.touch()
    assert inputs_digest(tmp_path, {"headrace:target": "embedded"}) == first
    assert inputs_digest(tmp_path, {"headrace:target": "aws"}) != first
    function.write_text("later")
    assert inputs_digest(tmp_path, {"headrace:target": "embedded"}) != first
