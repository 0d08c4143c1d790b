"""Functions in processes of their own: what they load, what they refuse, and that they end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk.paths import Sources
from local.bench.cpu import measure_imports, measure_warm_requests
from local.bench.errors import BenchError
from local.bench.functions import running_function
from local.bench.items import Cloud, create_cloud
from local.bench.operations import cases
from local.bench.packages import HostCode
from tests.local.bench.conftest import APIS, replace

PROJECTS = next(function for function in APIS if function.entry == "projects/api")


@pytest.fixture
def cloud(endpoint: str) -> Iterator[Cloud]:
    """Removed at once: each transaction of moto copies all that there is, and becomes slow."""
    created = create_cloud(endpoint, 10)
    yield created
    created.remove()


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_function_sees_its_own_layers_and_ends_with_the_block(
    cloud: Cloud, sources: Sources, tmp_path: Path
) -> None:
    code = HostCode(tmp_path / "code", sources)
    lookup = next(case for case in cases() if case.name == "GET /projects/{project}")

    with running_function(code, PROJECTS, cloud.settings()) as function:
        process = function.process_id
        answered = function.call([lookup.event(0)])
        assert answered.body["name"] == "vision"
        assert 0 < function.imported.cpu_total <= answered.cpu_total
        assert "pytest" not in answered.modules
        assert is_alive(process)

    assert not is_alive(process)


def test_refused_request_is_no_figure(cloud: Cloud, sources: Sources, tmp_path: Path) -> None:
    code = HostCode(tmp_path / "code", sources)
    delete = next(case for case in cases() if case.name == "DELETE /projects/{project}")

    with running_function(code, PROJECTS, cloud.settings()) as function:
        process = function.process_id
        with pytest.raises(BenchError, match=r"refused DELETE .*404"):
            function.call([delete.event(99)])

    assert not is_alive(process)


def test_function_that_cannot_be_imported_says_why(sources: Sources, tmp_path: Path) -> None:
    (sources.functions / "projects" / "api.py").write_text("import nowhere_to_be_found\n")
    code = HostCode(tmp_path / "code", sources)

    with (
        pytest.raises(BenchError, match="nowhere_to_be_found"),
        running_function(code, PROJECTS, {}),
    ):
        pytest.fail("it runs")


def test_function_that_loads_the_cluster_client_fails_the_run(
    cloud: Cloud,
    sources: Sources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loaded late, by the first request: the import alone would not show it."""
    monkeypatch.setattr("local.bench.cpu.IMPORTS", 1)
    folder = sources.functions / "projects"
    (folder / "kubernetes.py").touch()
    caller = "    caller = permitted_caller(api)\n    found ="
    replace(folder / "api.py", caller, f"    import kubernetes\n{caller}")

    findings = measure_imports(HostCode(tmp_path / "code", sources), [PROJECTS, REGISTRY], cloud)

    [loading] = [row for row in findings.rows if row.fails]
    assert loading.measured == "projects/api: kubernetes"


def test_cold_and_warm_requests_are_measured(
    cloud: Cloud, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.bench.cpu.ROUNDS", 1)
    monkeypatch.setattr("local.bench.cpu.CALLS", 2)
    monkeypatch.setattr("local.bench.cpu.FEW_CALLS", 2)
    monkeypatch.setattr("local.bench.cpu.IMPORTS", 1)
    code = HostCode(tmp_path / "code", sources)

    cold = measure_imports(code, APIS, cloud)
    warm = measure_warm_requests(code, APIS, cloud)

    assert [row.is_count for row in cold.rows] == [False, False, True]
    assert not any(row.fails for row in [*cold.rows, *warm.rows])
    costs = {line[0]: float(line[2]) for line in cold.details[0].lines[2:]}
    assert set(costs) == {function.entry for function in APIS}
    assert min(costs.values()) > 20  # nothing that imports a web framework is cheaper
    assert all(float(line[2]) >= 0 for line in warm.details[0].lines)


REGISTRY = next(function for function in APIS if function.entry == "registry/api")
