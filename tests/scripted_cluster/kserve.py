"""KServe's controllers and webhook by their rules, one look at a time.

Sources: KServe `inference_service_validation.go`, `components/predictor.go`, `httproute_reconciler.go`,
`reconcilers/knative/ksvc_reconciler.go`, `inference_service_status.go` and the LLMInferenceService's documentation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from controlplane.adapters.rollout_changes import MARKS
from tests.scripted_cluster.groups import Groups
from tests.scripted_cluster.knative import KnativeServices
from tests.scripted_cluster.objects import Json, Objects
from tests.scripted_cluster.workloads import NAMESPACE, Workloads, template_of

SERVICES = f"apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices/"
ROUTES = f"apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/"
MODE = "serving.kserve.io/deploymentMode"
STOP = "serving.kserve.io/stop"
NOT_A_CANARYS = ("maxReplicas", "scaleTarget", "scaleMetric", "autoScaling", "workerSpec")


@dataclass
class Release:
    """What an installation can do. `writes_weights` is false of 0.20.0, whatever else it has."""

    writes_weights: bool = True
    enable_gateway_api: bool = True
    default_mode: str = "Standard"
    # Annotations that KServe's configuration keeps from the pods: those that Headrace asks for.
    left_out: set[str] = field(default_factory=lambda: set(MARKS))
    # Models, by URI, whose pods never become ready, or fail to load.
    never_ready: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)


class KServe:
    def __init__(self, objects: Objects, release: Release) -> None:
        self._objects = objects
        self._release = release
        self._workloads = Workloads(objects, release.never_ready | release.broken)
        self._knative = KnativeServices(objects, self._workloads, release.broken, release.left_out)
        self._groups = Groups(objects, self._workloads)
        self._looks = 0

    @property
    def made(self) -> dict[str, int]:
        """How often each workload got another template, and with it other pods."""
        return self._workloads.made

    @staticmethod
    def refusal(content: Json) -> str | None:
        """Of the validating webhook; None when it admits the object."""
        if content.get("kind") != "InferenceService" or not content["spec"].get("canary"):
            return None
        return next(_faults(content), None)

    def step(self) -> None:
        self._looks += 1
        for path, service in self._under(SERVICES):
            if self._mode(service) in ("Knative", "Serverless"):
                self._knative.look(path, service)
            else:
                self._look(path, service)
        self._groups.look()
        self._workloads.step()

    def _mode(self, service: Json) -> str:
        annotations = service["metadata"].get("annotations") or {}
        return str(annotations.get(MODE, self._release.default_mode))

    def _under(self, prefix: str) -> list[tuple[str, Json]]:
        return [each for each in self._objects.found.items() if each[0].startswith(prefix)]

    def _look(self, path: str, service: Json) -> None:
        """Standard mode. A `canaryTrafficPercent` is not heeded: the new model simply takes over."""
        name, spec = service["metadata"]["name"], service["spec"]
        stopped = (service["metadata"].get("annotations") or {}).get(STOP) == "true"
        canaries = [] if stopped else spec.get("canary") or []
        statuses, kept, taken = [], set(), 0
        for entry in canaries:
            workload = f"{name}-{entry['predictor']['name']}-predictor"
            replicas = _canary_replicas(spec, entry)
            # What an entry does not say it has of the stable predictor.
            merged = {**spec["predictor"], **entry["predictor"]}
            template = template_of(service, merged, self._release.left_out)
            self._workloads.want(workload, replicas, template)
            ready = self._workloads.available(workload) > 0
            taken += self._workloads.available(workload) if ready else 0
            kept.add(workload)
            statuses.append(self._canary_status(entry, ready))
        own = _predictor(name, spec["predictor"])
        wanted = 0 if stopped else max(1, spec["predictor"].get("minReplicas", 1) - taken)
        template = template_of(service, spec["predictor"], self._release.left_out)
        self._workloads.want(own, wanted, template)
        self._workloads.keep_only(f"{name}-", kept | {own})
        self._write_route(name, own, statuses)
        self._write_status(path, service, own, statuses)

    def _canary_status(self, entry: Json, ready: bool) -> Json:
        status = {
            "name": entry["predictor"]["name"],
            "ready": ready,
            "trafficPercent": entry["trafficPercent"],
        }
        if entry["predictor"]["model"]["storageUri"] in self._release.broken:
            status["modelStatus"] = FAILED_LOAD
        return status

    def _write_route(self, name: str, own: str, canaries: list[Json]) -> None:
        if not self._release.enable_gateway_api:
            return
        ready = [each for each in canaries if each["ready"]] if self._release.writes_weights else []
        backends = [
            {"name": f"{name}-{c['name']}-predictor", "weight": c["trafficPercent"]} for c in ready
        ]
        rest = 100 - sum(backend["weight"] for backend in backends)
        self._workloads.put_route(name, [{"name": own, "weight": rest}, *backends])

    def _write_status(self, path: str, service: Json, own: str, canaries: list[Json]) -> None:
        """With its known lies: a child's generation, and a Ready that is True throughout or flips to Unknown."""
        child = self._workloads.generation(own)
        ready = "Unknown" if self._looks % 7 == 3 else "True"
        broken = service["spec"]["predictor"]["model"]["storageUri"] in self._release.broken
        status = {
            "observedGeneration": child,
            "conditions": [{"type": "Ready", "status": ready}],
            "deploymentMode": "Standard",
            "modelStatus": FAILED_LOAD if broken else {"transitionStatus": "UpToDate"},
            "canaryStatuses": canaries,
        }
        self._objects.put(path, {**service, "status": status})


FAILED_LOAD: Json = {
    "transitionStatus": "BlockedByFailedLoad",
    "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "KeyError: 'w'"},
}


def _predictor(name: str, predictor: Json) -> str:
    own = predictor.get("name")
    return f"{name}-{own}-predictor" if own else f"{name}-predictor"


def _canary_replicas(spec: Json, entry: Json) -> int:
    said = entry["predictor"].get("minReplicas")
    if said is not None:
        return int(said)
    least = int(spec["predictor"].get("minReplicas", 1))
    return ceil(least * int(entry["trafficPercent"]) / 100)


def _faults(service: Json) -> Iterator[str]:
    stable, canaries = service["spec"]["predictor"], service["spec"]["canary"]
    if (service["metadata"].get("annotations") or {}).get(MODE) != "Standard":
        yield "canary needs the annotation deploymentMode Standard"
    names = [each["predictor"].get("name") for each in canaries]
    if None in names or len({*names, stable.get("name")}) <= len(names):
        yield "canary names must be given, unique, and not the stable predictor's"
    if sum(each["trafficPercent"] for each in canaries) > 100:
        yield "the sum of trafficPercent is more than 100"
    for each in canaries:
        if not each["predictor"]["model"].get("name"):
            yield "predictor.model.name is a required property of a canary"
        for field_name in NOT_A_CANARYS:
            if field_name in each["predictor"]:
                yield f"a canary may not set {field_name}"
        if each["predictor"].get("minReplicas", 0) > stable.get("minReplicas", 1):
            yield "a canary's minReplicas is more than the stable predictor's"
