"""Create, update, patch, apply and delete: each one synchronous, so each one atomic in the event loop."""

import copy
from collections.abc import Callable
from typing import Any

from local.kubernetes_api import managed_fields, patches
from local.kubernetes_api.admission import Admission
from local.kubernetes_api.authentication import SYSTEM
from local.kubernetes_api.errors import (
    Json,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    not_found,
    unsupported_media_type,
)
from local.kubernetes_api.managed_fields import Writer
from local.kubernetes_api.objects import born, checked_body, now, rewritten
from local.kubernetes_api.resource_table import ResourceTable
from local.kubernetes_api.resources import DEFINITIONS, Resource
from local.kubernetes_api.storage import Store
from local.kubernetes_api.targets import Target, WriteOptions
from local.kubernetes_api.validation import validate, validate_change

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


_PROTECTED = frozenset({"default", "kube-system", "kube-public"})


class Operations:
    """The writes and reads on one store. `on_change` is told of everything that cascades may follow from."""

    def __init__(
        self,
        store: Store,
        table: ResourceTable,
        admission: Admission,
        on_change: Callable[[], None],
    ) -> None:
        self.store = store
        self.table = table
        self._admission = admission
        self._on_change = on_change

    def get(self, target: Target) -> Json:
        found = self.store.get(target.resource.storage, target.namespace, target.name)
        if found is None:
            raise not_found(target.resource.qualified, target.name)
        return found

    def create(self, target: Target, body: Json, options: WriteOptions) -> Json:
        resource = target.resource
        obj = born(resource, checked_body(resource, target.namespace, target.name, body))
        validate(resource, obj)
        name = obj["metadata"]["name"]
        if self.store.get(resource.storage, target.namespace, name):
            raise already_exists(resource.qualified, name)
        self._admission.admit_new(target, obj, options)
        obj = managed_fields.track_update(
            {"metadata": {}}, obj, self._writer(target, options), resource.schema
        )
        return self._keep(target, obj, options)

    def _writer(self, target: Target, options: WriteOptions, operation: str = "Update") -> Writer:
        version = target.resource.api_version
        return Writer(options.manager, version, now(), operation, target.subresource)

    def update(self, target: Target, body: Json, options: WriteOptions) -> Json:
        live = self.get(target)
        new = checked_body(target.resource, target.namespace, target.name, body)
        return self._rewrite(target, live, new, options)

    def _rewrite(self, target: Target, live: Json, new: Json, options: WriteOptions) -> Json:
        resource = target.resource
        live = self.as_version(resource, live)
        new = rewritten(resource, live, new, target.subresource)
        validate_change(resource, live, new)
        tracked = managed_fields.track_update(
            live, new, self._writer(target, options), resource.schema
        )
        return self._replace(target, live, tracked, options)

    def _replace(self, target: Target, live: Json, new: Json, options: WriteOptions) -> Json:
        if _timeless(new) == _timeless(live):
            return live
        self._admission.admit_change(target, live, new, options)
        metadata = new["metadata"]
        held = metadata.get("finalizers") or target.resource.storage == "/namespaces"
        if "deletionTimestamp" in metadata and not held:
            return self._remove(target, new, options)
        return self._keep(target, new, options)

    def _keep(self, target: Target, obj: Json, options: WriteOptions) -> Json:
        if options.dry_run:
            return obj
        kept = self.store.put(target.resource.storage, obj)
        if target.resource.storage == DEFINITIONS:
            self.table.define(kept)
        elif target.resource.storage == "/namespaces":
            self.ensure_account(kept)
        self._on_change()
        return kept

    def ensure_account(self, namespace: Json) -> None:
        """An active namespace always has its ServiceAccount ``default``."""
        name, accounts = namespace["metadata"]["name"], self.table.find("", "v1", "serviceaccounts")
        if "deletionTimestamp" in namespace["metadata"] or accounts is None:
            return
        if self.store.get(accounts.storage, name, "default") is None:
            body = {"metadata": {"name": "default"}}
            options = WriteOptions("kube-controller-manager", user=SYSTEM)
            self.create(Target(accounts, name), body, options)

    @staticmethod
    def as_version(resource: Resource, obj: Json) -> Json:
        """The object under the version that was asked for (conversion strategy ``None``)."""
        if obj.get("apiVersion") == resource.api_version:
            return obj
        return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}

    def patch(self, target: Target, media_type: str, patch: Any, options: WriteOptions) -> Json:
        if media_type == APPLY:
            return self._apply(target, patch, options)
        resource = target.resource
        live = self.as_version(resource, self.get(target))
        if media_type == JSON:
            new = patches.json_patch(live, patch)
        elif not isinstance(patch, dict):
            raise bad_request("the patch must be an object")
        elif media_type == MERGE:
            new = patches.merge_patch(live, patch)
        elif media_type == STRATEGIC and not resource.custom:
            new = patches.strategic_merge_patch(live, patch, resource.schema)
        else:
            raise unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: "
                f"{JSON}, {MERGE}, {APPLY}"
            )
        new = checked_body(resource, target.namespace, target.name, new)
        return self._rewrite(target, live, new, options)

    def _apply(self, target: Target, applied: Any, options: WriteOptions) -> Json:
        resource = target.resource
        if (
            not isinstance(applied, dict)
            or not applied.get("kind")
            or not applied.get("apiVersion")
        ):
            raise bad_request("an apply configuration must be an object with apiVersion and kind")
        configuration = checked_body(resource, target.namespace, target.name, applied)
        if configuration["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        writer = self._writer(target, options, "Apply")
        live = self.store.get(resource.storage, target.namespace, target.name)
        if live is None:
            return self._create_applied(target, configuration, writer, options)
        live = self.as_version(resource, live)
        configuration = self._half(target, configuration)
        merged = managed_fields.apply(
            live, configuration, writer, resource.schema, force=options.force
        )
        new = rewritten(resource, live, copy.deepcopy(merged), target.subresource)
        validate_change(resource, live, new)
        return self._replace(target, live, new, options)

    @staticmethod
    def _half(target: Target, configuration: Json) -> Json:
        """Only what this endpoint may write is owned by who applies it."""
        if target.subresource == "status":
            allowed = ("apiVersion", "kind", "metadata", "status")
            half = {field: value for field, value in configuration.items() if field in allowed}
            names = {k: v for k, v in half["metadata"].items() if k in ("name", "namespace")}
            versions = ("resourceVersion", "uid")
            names |= {k: v for k, v in half["metadata"].items() if k in versions}
            return {**half, "metadata": names}
        if target.resource.has_status:
            return {field: value for field, value in configuration.items() if field != "status"}
        return configuration

    def _create_applied(
        self, target: Target, configuration: Json, writer: Writer, options: WriteOptions
    ) -> Json:
        resource = target.resource
        self._admission.require_create(target, options)
        if target.subresource:
            raise not_found(resource.qualified, target.name)
        if configuration["metadata"].get("resourceVersion") or configuration["metadata"].get("uid"):
            raise conflict(resource.qualified, target.name, "the object does not exist")
        configuration = self._half(target, configuration)
        owned = managed_fields.apply(
            {"metadata": {}}, configuration, writer, resource.schema, force=True
        )
        obj = born(resource, copy.deepcopy(owned))
        validate(resource, obj)
        self._admission.admit_new(target, obj, options)
        return self._keep(target, obj, options)

    def delete(
        self, target: Target, delete_options: Json, options: WriteOptions
    ) -> tuple[Json, bool]:
        """The object as it was last, and whether it is gone (else its finalizers are awaited)."""
        resource, live = target.resource, self.get(target)
        self._check_delete(resource, live, delete_options.get("preconditions") or {})
        metadata = live["metadata"]
        finalizers = list(metadata.get("finalizers") or ())
        policy = delete_options.get("propagationPolicy")
        if policy == "Foreground" and "foregroundDeletion" not in finalizers:
            finalizers.append("foregroundDeletion")
        elif policy == "Orphan" and not options.dry_run:
            self._orphan(metadata["uid"])
        if resource.storage == "/namespaces":
            finalizers = finalizers or ["kubernetes"]
        if not finalizers:
            return self._remove(target, live, options), True
        if "deletionTimestamp" in metadata:
            return live, False
        marks: Json = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
        if resource.counts_generations:
            marks["generation"] = metadata.get("generation", 0) + 1
        if resource.storage == "/namespaces":
            live = {**live, "status": {**live.get("status", {}), "phase": "Terminating"}}
        else:
            marks["finalizers"] = finalizers
        return self._keep(target, {**live, "metadata": {**metadata, **marks}}, options), False

    def _check_delete(self, resource: Resource, live: Json, preconditions: Json) -> None:
        for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            wanted, actual = preconditions.get(field), live["metadata"][field]
            if wanted not in (None, "", actual):
                why = (
                    f"Precondition failed: {label} in precondition: {wanted}, "
                    f"{label} in object meta: {actual}"
                )
                raise conflict(resource.qualified, live["metadata"]["name"], why)
        if resource.storage == "/namespaces" and live["metadata"]["name"] in _PROTECTED:
            name = live["metadata"]["name"]
            raise forbidden(f'namespaces "{name}" is forbidden: this namespace may not be deleted')

    def _remove(self, target: Target, obj: Json, options: WriteOptions) -> Json:
        if options.dry_run:
            return obj
        resource = target.resource
        gone = self.store.remove(resource.storage, target.namespace, obj["metadata"]["name"])
        if resource.storage == DEFINITIONS:
            self._drop_instances(gone)
        self._on_change()
        return gone

    def _drop_instances(self, definition: Json) -> None:
        spec = definition["spec"]
        for obj in self.store.find(f"{spec['group']}/{spec['names']['plural']}"):
            metadata = obj["metadata"]
            storage = f"{spec['group']}/{spec['names']['plural']}"
            self.store.remove(storage, metadata.get("namespace", ""), metadata["name"])
        self.table.forget(definition["metadata"]["name"])

    def _orphan(self, uid: str) -> None:
        for storage, obj in self.store.everything():
            owners = obj["metadata"].get("ownerReferences") or []
            left = [owner for owner in owners if owner.get("uid") != uid]
            if left != owners:
                metadata = {**obj["metadata"], "ownerReferences": left}
                if not left:
                    del metadata["ownerReferences"]
                self.store.put(storage, {**obj, "metadata": metadata})

    def finish_namespace(self, name: str) -> None:
        """Remove an emptied namespace that is being deleted."""
        self.store.remove("/namespaces", "", name)


def _timeless(obj: Json) -> Json:
    """The object without the times of its managedFields: a write that changes only those is none."""
    entries = obj["metadata"].get("managedFields") or ()
    bare = [{name: value for name, value in entry.items() if name != "time"} for entry in entries]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": bare}}
