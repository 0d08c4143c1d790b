"""What is refused or filled in between validation and the store: the namespace, limits, quotas, grants."""

from local.kubernetes_api import limit_ranges
from local.kubernetes_api.authorization import Attributes, Authorizer
from local.kubernetes_api.errors import Json, not_found, refused
from local.kubernetes_api.escalation import check_grants
from local.kubernetes_api.quota import Quotas
from local.kubernetes_api.storage import Store
from local.kubernetes_api.targets import Target, WriteOptions


class Admission:
    """Asked before every write; what it raises is a StatusError."""

    def __init__(self, store: Store, authorizer: Authorizer) -> None:
        self._store = store
        self._authorizer = authorizer
        self._quotas = Quotas(store)

    def admit_new(self, target: Target, obj: Json, options: WriteOptions) -> None:
        """Fill in `obj`, which is the caller's own; 403 or 404 where it may not be."""
        self._check_namespace(target, obj)
        limit_ranges.limit(self._store, target, obj)
        check_grants(self._authorizer, options.user, target, None, obj)
        self._quotas.admit(target, None, obj)

    def admit_change(self, target: Target, live: Json, obj: Json, options: WriteOptions) -> None:
        check_grants(self._authorizer, options.user, target, live, obj)
        self._quotas.admit(target, live, obj)

    def require_create(self, target: Target, options: WriteOptions) -> None:
        """An apply that finds nothing creates: who may only patch may not do that."""
        resource = target.resource
        asked = Attributes(
            "create",
            resource.group,
            resource.plural,
            namespace=target.namespace,
            name=target.name,
        )
        self._authorizer.require(options.user, asked)

    def _check_namespace(self, target: Target, obj: Json) -> None:
        if not target.resource.namespaced:
            return
        namespace = self._store.get("/namespaces", "", target.namespace)
        if namespace is None:
            raise not_found("namespaces", target.namespace)
        if "deletionTimestamp" in namespace["metadata"]:
            why = (
                f"unable to create new content in namespace {target.namespace} "
                "because it is being terminated"
            )
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {target.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            refusal = refused(target.resource.qualified, obj["metadata"]["name"], why)
            refusal.details = {**(refusal.details or {}), "causes": [cause]}
            raise refusal
