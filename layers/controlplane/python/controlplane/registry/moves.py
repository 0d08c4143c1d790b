"""Moving aliases: by people and machines, and after promotions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.identifiers import now
from controlplane.registry.aliases import (
    CHAMPION,
    LATEST,
    Aliases,
    AliasState,
    Decision,
    Moved,
    decided_at,
    move,
    promoted_at,
)
from controlplane.registry.governance_ports import AliasCase, AliasRepository
from controlplane.registry.model import AliasesMoved, ModelVersion
from controlplane.registry.ports import ModelRepository
from controlplane.requests import PageRequest, require_version

ATTEMPTS = 5
NEWEST = 10


@dataclass(frozen=True)
class Promotion:
    """A rollout that made a version the stable one, and when it ended."""

    project: str
    model: str
    model_version: int
    rollout_id: str
    ended_at: datetime


def move_aliases(
    tenant_id: str,
    project: str,
    model: str,
    wanted: Mapping[str, int],
    moved_by: str,
    if_match: int | None,
    *,
    aliases: AliasRepository,
    require_policy_right: Callable[[], None],
) -> Aliases:
    """Let aliases name versions, all at once. `if_match` is about all aliases of the model.

    `require_policy_right` raises ForbiddenError for a caller who may not change the project's registry policy. Raises
    NotFoundError for a version that is not there, ForbiddenError, PreconditionFailedError, InvalidRequestError,
    LimitExceededError, ConcurrentChangeError.
    """
    case = aliases.get_case(tenant_id, project, model, sorted(set(wanted.values())))
    if CHAMPION in wanted and case.policy.compares_with_champion:
        require_policy_right()
    _require_versions(case, model, wanted)
    require_version(if_match, case.aliases.version, "the model's aliases")
    moment = now()
    decision = Decision(moved_by, moment, decided_at(moment))
    moved = move(case.aliases, wanted, decision, _champion_metrics(case, wanted))
    return _save(tenant_id, project, case, moved, moved_by, aliases)


def delete_alias(
    tenant_id: str,
    project: str,
    model: str,
    alias: str,
    moved_by: str,
    if_match: int | None,
    *,
    aliases: AliasRepository,
    require_policy_right: Callable[[], None],
) -> None:
    """Take a name away; `require_policy_right` is as in `move_aliases`.

    Raises NotFoundError, ForbiddenError, PreconditionFailedError, InvalidRequestError, ConcurrentChangeError.
    """
    case = aliases.get_case(tenant_id, project, model, ())
    known = case.aliases
    if alias == CHAMPION and case.policy.compares_with_champion:
        require_policy_right()
    if alias != LATEST and alias not in known.named:
        raise _no_alias(alias)
    require_version(if_match, known.version, "the model's aliases")
    moment = now()
    moved = move(known, {alias: None}, Decision(moved_by, moment, decided_at(moment)))
    event = _event(tenant_id, project, moved, moved_by)
    aliases.save(tenant_id, project, known, moved.aliases, moved.records, None, event)


def find_alias(
    tenant_id: str,
    project: str,
    model: str,
    alias: str,
    *,
    aliases: AliasRepository,
    models: ModelRepository,
) -> tuple[AliasState, int | None]:
    """What an alias names, and the version of the model's aliases; that is None for `latest`, which nobody moves.

    Raises NotFoundError.
    """
    if alias == LATEST:
        newest = newest_version(tenant_id, project, model, models)
        state = AliasState(
            model_version=newest.number, moved_at=newest.registered_at, moved_by="registration"
        )
        return state, None
    known = aliases.find(tenant_id, project, model)
    if alias not in known.named:
        raise _no_alias(alias)
    return known.named[alias], known.version


def follow_promotion(tenant_id: str, promotion: Promotion, *, aliases: AliasRepository) -> bool:
    """Make a promoted version the champion; whether it was done.

    Not if the project's policy says otherwise, if the champion was decided later than this, or if the version has
    gone. So a repeat changes nothing, and a promotion that is heard of late moves nothing back. Raises
    ConcurrentChangeError when others moved aliases again and again meanwhile.
    """
    for _ in range(ATTEMPTS):
        number = promotion.model_version
        case = aliases.get_case(tenant_id, promotion.project, promotion.model, [number])
        order = promoted_at(promotion.ended_at, promotion.rollout_id)
        if (
            not case.policy.champion_follows_promotion
            or order <= case.aliases.champion_decided
            or number not in case.versions
        ):
            return False
        wanted = {CHAMPION: number}
        decision = Decision(promotion.rollout_id, now(), order)
        moved = move(case.aliases, wanted, decision, _champion_metrics(case, wanted))
        try:
            _save(tenant_id, promotion.project, case, moved, promotion.rollout_id, aliases)
        except ConcurrentChangeError:
            continue
        except NotFoundError:
            return False
        return True
    raise ConcurrentChangeError(f"the aliases of model {promotion.model} change all the time")


def newest_version(
    tenant_id: str, project: str, model: str, models: ModelRepository
) -> ModelVersion:
    """What `latest` names: the newest version that is there. Raises NotFoundError.

    What was deleted takes a place in a page, and is not shown.
    """
    page: PageRequest | None = PageRequest(1)
    while page is not None:
        found = models.list_versions(tenant_id, project, model, page)
        if found.items:
            return found.items[0]
        page = PageRequest(NEWEST, found.next_after) if found.next_after else None
    raise NotFoundError(f"there is no model {model}")


def _save(
    tenant_id: str,
    project: str,
    case: AliasCase,
    moved: Moved,
    moved_by: str,
    aliases: AliasRepository,
) -> Aliases:
    if moved.aliases == case.aliases:
        return case.aliases
    became = {m.model_version for m in moved.moves if m.alias == CHAMPION}
    champion = next((v for number, v in case.versions.items() if number in became), None)
    event = _event(tenant_id, project, moved, moved_by) if moved.moves else None
    aliases.save(tenant_id, project, case.aliases, moved.aliases, moved.records, champion, event)
    return moved.aliases


def _champion_metrics(case: AliasCase, wanted: Mapping[str, int]) -> Mapping[str, float] | None:
    number = wanted.get(CHAMPION)
    return None if number is None else case.versions[number].metrics


def _require_versions(case: AliasCase, model: str, wanted: Mapping[str, int]) -> None:
    for number in sorted(wanted.values()):
        if number not in case.versions:
            raise NotFoundError(f"there is no version {number} of model {model}")


def _event(tenant_id: str, project: str, moved: Moved, moved_by: str) -> AliasesMoved:
    return AliasesMoved(
        tenant_id=tenant_id,
        project=project,
        model=moved.aliases.model,
        moves=moved.moves,
        moved_by=moved_by,
    )


def _no_alias(alias: str) -> NotFoundError:
    return NotFoundError(f"there is no alias {alias}")
