"""A version can be deleted while no deployment holds it."""

import pytest

from controlplane.errors import (
    InUseError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.registry.model import ModelVersionDeleted
from controlplane.registry.service import (
    delete_version,
)
from tests.unit.registry.world import (
    MODEL,
    PROJECT,
    TENANT,
    World,
)

CONTENT = b"the weights"


class TestDeleteVersion:
    def delete(self, world: World, number: int = 1, if_match: int | None = None) -> None:
        delete_version(TENANT, PROJECT, MODEL, number, "ada", if_match, models=world.models)

    def test_a_deleted_version_is_announced_and_counted_no_more(self, world: World) -> None:
        world.run(world.put("model.joblib"))

        self.delete(world)

        assert world.versions() == []
        assert len(world.table.events_of(ModelVersionDeleted)) == 1
        assert world.table.projects[TENANT, PROJECT].model_versions == 0
        with pytest.raises(NotFoundError):
            world.models.get(TENANT, PROJECT, MODEL)
        with pytest.raises(NotFoundError):
            self.delete(world)

    def test_the_number_of_a_deleted_version_is_not_given_again(self, world: World) -> None:
        world.run(world.put("model.joblib"))
        self.delete(world)

        world.run(world.put("model.joblib"))

        assert [version.number for version in world.versions()] == [2]

    def test_a_repeated_event_does_not_bring_a_deleted_version_back(self, world: World) -> None:
        arrival = world.put("model.joblib")
        world.run(arrival)
        self.delete(world)

        world.run(world.again(arrival))

        assert world.versions() == []

    def test_a_version_that_a_deployment_holds_stays(self, world: World) -> None:
        world.run(world.put("model.joblib"))
        self.hold(world)

        with pytest.raises(InUseError) as refused:
            self.delete(world)
        assert "digits" in str(refused.value)
        assert refused.value.remedy

    def test_a_version_that_a_deployment_takes_meanwhile_stays(self, world: World) -> None:
        world.run(world.put("model.joblib"))
        world.table.interrupt = lambda: self.hold(world)

        with pytest.raises(InUseError):
            self.delete(world)
        assert len(world.versions()) == 1

    def test_another_state_than_the_callers_is_not_deleted(self, world: World) -> None:
        world.run(world.put("model.joblib"))

        with pytest.raises(PreconditionFailedError):
            self.delete(world, if_match=7)
        self.delete(world, if_match=1)

    @staticmethod
    def hold(world: World) -> None:
        place = (TENANT, PROJECT, MODEL, 1)
        version = world.table.versions[place]
        world.table.versions[place] = version.model_copy(
            update={"served_by": ("digits",), "version": version.version + 1}
        )
