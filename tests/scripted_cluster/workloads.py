"""Deployments, their endpoints and the routes to them, as Kubernetes' controllers and a gateway keep them."""

from tests.scripted_cluster.objects import Json, Objects

NAMESPACE = "tenant-acme"
DEPLOYMENTS = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/"
SLICES = f"apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/"
ROUTES = f"apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/"
# Of a predictor: sizes, names and what the template has elsewhere.
NOT_THE_PODS = frozenset(
    {"annotations", "labels", "model", "name", "minReplicas", "maxReplicas", "scaleMetric"}
    | {"scaleTarget", "canaryTrafficPercent"}
)
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"


def template_of(service: Json, predictor: Json, left_out: set[str]) -> Json:
    """The pods' template that KServe makes of a predictor: annotations and labels of the object and of its own.

    Only the annotations that KServe's configuration leaves out are not among them.
    """
    annotations = {**(service["metadata"].get("annotations") or {})}
    annotations |= predictor.get("annotations") or {}
    kept = {name: value for name, value in annotations.items() if name not in left_out}
    model = {k: v for k, v in predictor["model"].items() if k != "name"}
    pods = {k: v for k, v in predictor.items() if k not in NOT_THE_PODS}
    return {
        "metadata": {
            "annotations": {**kept, SOURCE: predictor["model"]["storageUri"]},
            "labels": {
                **(service["metadata"].get("labels") or {}),
                **(predictor.get("labels") or {}),
            },
        },
        "spec": {**pods, "containers": [model]},
    }


class Workloads:
    """`unready` are the models whose pods never become ready. Pods are there a step after they are wanted."""

    def __init__(self, objects: Objects, unready: set[str]) -> None:
        self._objects = objects
        self._unready = unready
        self.made: dict[str, int] = {}

    def want(self, name: str, replicas: int, template: Json) -> None:
        """Pods of another template are new ones: `made` counts how often there were any."""
        path = DEPLOYMENTS + name
        found = self._objects.found.get(path)
        spec = {"replicas": replicas, "template": template}
        if found is not None and found["spec"] == spec:
            return
        generation = found["metadata"]["generation"] + 1 if found else 1
        status = dict(found.get("status", {})) if found else {}
        if found is None or found["spec"]["template"] != template:
            self.made[name] = self.made.get(name, 0) + 1
        self._objects.put(
            path,
            {
                "metadata": {"name": name, "generation": generation},
                "spec": spec,
                "status": status,
            },
        )

    def keep_only(self, prefix: str, names: set[str]) -> None:
        """The others are orphans, and go at once."""
        for path in [*self._objects.found]:
            name = path.removeprefix(DEPLOYMENTS)
            if name != path and name.startswith(prefix) and name not in names:
                del self._objects.found[path]
                self._objects.found.pop(SLICES + name, None)

    def available(self, name: str) -> int:
        found = self._objects.found.get(DEPLOYMENTS + name) or {}
        return int(found.get("status", {}).get("availableReplicas", 0))

    def generation(self, name: str) -> int:
        found = self._objects.found.get(DEPLOYMENTS + name)
        return int(found["metadata"]["generation"]) if found else 0

    def template(self, name: str) -> Json:
        found: Json = self._objects.found[DEPLOYMENTS + name]["spec"]["template"]
        return found

    def uri(self, name: str) -> str:
        return str(self.template(name)["metadata"]["annotations"][SOURCE])

    def put_route(self, name: str, backends: list[Json]) -> None:
        path = ROUTES + name
        found = self._objects.found.get(path)
        spec = {"rules": [{"backendRefs": backends}]}
        if found is not None and found["spec"] == spec:
            return
        generation = found["metadata"]["generation"] + 1 if found else 1
        metadata = {"name": name, "namespace": NAMESPACE, "generation": generation}
        status = found.get("status", {}) if found else {}
        self._objects.put(path, {"metadata": metadata, "spec": spec, "status": status})

    def step(self) -> None:
        for path, found in [*self._objects.found.items()]:
            if path.startswith(DEPLOYMENTS):
                self._roll_out(path, found)
            elif path.startswith(ROUTES):
                self._accept(path, found)

    def _roll_out(self, path: str, found: Json) -> None:
        replicas = found["spec"]["replicas"]
        name = found["metadata"]["name"]
        there = 0 if self.uri(name) in self._unready else replicas
        status = {
            "observedGeneration": found["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": there,
        }
        self._objects.put(path, {**found, "status": status})
        labels = {"kubernetes.io/service-name": name}
        endpoints = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}] * there
        self._objects.put(
            SLICES + name, {"metadata": {"name": name, "labels": labels}, "endpoints": endpoints}
        )

    def _accept(self, path: str, found: Json) -> None:
        conditions = [
            {
                "type": kind,
                "status": "True",
                "observedGeneration": found["metadata"]["generation"],
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parents = [{"parentRef": {"name": "any"}, "conditions": conditions}]
        self._objects.put(path, {**found, "status": {"parents": parents}})
