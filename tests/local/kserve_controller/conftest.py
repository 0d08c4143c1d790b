"""An embedded cluster whose storage holds trained models."""

from collections.abc import Iterator

import pytest

from tests.local.kserve_controller.embedded_cluster import BUCKET, EmbeddedCluster, running_cluster
from tests.local.serving.trained_models import TrainedModel, train


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedModel]:
    return train(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def cluster(
    models: dict[str, TrainedModel], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedCluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        for name, model in models.items():
            running.s3.upload_file(str(model.file), BUCKET, f"{name}/model.joblib")
        yield running
