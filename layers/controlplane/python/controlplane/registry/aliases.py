"""Names that point at versions of a model: moved together or not at all, and never without a trace.

A stage (`staging`, `production`) is an alias like any other. `latest` is computed; `champion` is what new versions are
compared with, and follows promotions unless the project's policy says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from controlplane.errors import InvalidRequestError, LimitExceededError
from controlplane.identifiers import Name
from controlplane.registry.model import AliasMove

CHAMPION = "champion"
LATEST = "latest"
MAX_ALIASES = 20


def _settable(name: str) -> str:
    if name == LATEST:
        raise ValueError(f"{LATEST} is always the newest version and cannot be set")
    return name


AliasName = Annotated[Name, AfterValidator(_settable)]
VersionNumber = Annotated[int, Field(ge=1, le=99_999_999, description="The model version")]


class AliasRequest(BaseModel):
    """What a caller sends to let one alias name a version."""

    model_config = ConfigDict(extra="forbid")

    version: VersionNumber


class AliasesRequest(BaseModel):
    """What a caller sends to move several aliases at once: the version of each by its name."""

    model_config = ConfigDict(extra="forbid")

    aliases: dict[AliasName, VersionNumber] = Field(min_length=1, max_length=MAX_ALIASES)


class AliasState(BaseModel):
    """Which version an alias names, since when, and by whom."""

    model_config = ConfigDict(frozen=True)

    model_version: int
    moved_at: datetime
    moved_by: str


class AliasRecord(BaseModel):
    """One move of an alias; `model_version` is None where it was deleted. `sequence` rises with each move."""

    model_config = ConfigDict(frozen=True)

    alias: Name
    sequence: int
    model_version: int | None = None
    previous: int | None = None
    moved_at: datetime
    moved_by: str


class Aliases(BaseModel):
    """All aliases of a model, which is what makes moves of several atomic.

    `champion_metrics` are those of the champion, so that a version is compared with it in one read.
    `champion_decided` is text that sorts by when the champion was last decided; see `promoted_at` and `decided_at`.
    """

    model_config = ConfigDict(frozen=True)

    model: Name
    named: dict[str, AliasState] = {}
    champion_metrics: dict[str, float] = {}
    champion_decided: str = ""
    version: int = 0

    @property
    def champion(self) -> int | None:
        """The champion's number; None when there is none."""
        state = self.named.get(CHAMPION)
        return state.model_version if state else None

    def names_of(self, number: int) -> frozenset[str]:
        """The aliases that point at a version."""
        return frozenset(name for name, at in self.named.items() if at.model_version == number)

    def with_champion_metrics(self, metrics: Mapping[str, float]) -> Self:
        return self.model_copy(update={"champion_metrics": dict(metrics)})


@dataclass(frozen=True)
class Decision:
    """Who moves aliases, and when. `order` sorts among the decisions about the champion."""

    moved_by: str
    moved_at: datetime
    order: str


@dataclass(frozen=True)
class Moved:
    """Aliases after a change, and the moves that it consists of; none where all name what they named."""

    aliases: Aliases
    moves: tuple[AliasMove, ...] = ()
    records: tuple[AliasRecord, ...] = ()


def decided_at(moment: datetime) -> str:
    """The place of a person's decision among all about the champion: after promotions of the same moment."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}#~"


def promoted_at(moment: datetime, rollout_id: str) -> str:
    """The place of a promotion's: two of the same moment have an order too, whichever is heard of first."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}#{rollout_id}"


def move(
    aliases: Aliases,
    wanted: Mapping[str, int | None],
    decision: Decision,
    champion_metrics: Mapping[str, float] | None = None,
) -> Moved:
    """Let each alias name the wanted version, or none. `champion_metrics` are the new champion's, if there is one.

    An alias that names it already is not moved; of the champion it is noted then that it was decided again. Raises
    InvalidRequestError for `latest`, LimitExceededError for too many names.
    """
    if LATEST in wanted:
        raise InvalidRequestError(
            f"{LATEST} is always the newest version and cannot be set or deleted",
            remedy="Choose another name.",
        )
    sequence = aliases.version + 1
    named, moves, records = dict(aliases.named), [], []
    for name, number in sorted(wanted.items()):
        before = named.get(name)
        previous = before.model_version if before else None
        if number == previous:
            continue
        moves.append(AliasMove(alias=name, model_version=number, previous=previous))
        records.append(_record(name, sequence, number, previous, decision))
        if number is None:
            del named[name]
        else:
            named[name] = AliasState(
                model_version=number, moved_at=decision.moved_at, moved_by=decision.moved_by
            )
    decided = _champion_decided(aliases, wanted, decision)
    if not moves and decided == aliases.champion_decided:
        return Moved(aliases)
    if len(named) > len(aliases.named):
        _require_few(named)
    changes: dict[str, object] = {
        "named": named,
        "version": sequence,
        "champion_decided": decided,
    }
    if any(made.alias == CHAMPION for made in moves):
        changes["champion_metrics"] = dict(champion_metrics or {}) if CHAMPION in named else {}
    return Moved(aliases.model_copy(update=changes), tuple(moves), tuple(records))


def _champion_decided(
    aliases: Aliases, wanted: Mapping[str, int | None], decision: Decision
) -> str:
    """The place of the last decision about the champion, also of one that leaves it as it is."""
    if CHAMPION not in wanted or wanted[CHAMPION] is aliases.champion is None:
        return aliases.champion_decided
    return max(decision.order, aliases.champion_decided)


def _record(
    name: str, sequence: int, number: int | None, previous: int | None, decision: Decision
) -> AliasRecord:
    return AliasRecord(
        alias=name,
        sequence=sequence,
        model_version=number,
        previous=previous,
        moved_at=decision.moved_at,
        moved_by=decision.moved_by,
    )


def _require_few(named: Mapping[str, AliasState]) -> None:
    """The champion has a place of its own: a promotion does not fail for want of one."""
    set_by_people = len(named.keys() - {CHAMPION})
    if set_by_people > MAX_ALIASES:
        raise LimitExceededError(
            f"the model would have {set_by_people} aliases, at most {MAX_ALIASES} can be kept",
            remedy="Delete aliases that are not needed.",
        )
