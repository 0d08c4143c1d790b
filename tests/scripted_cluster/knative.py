"""Knative Serving as KServe drives it: revisions, and a split that needs one that is rolled out."""

from tests.scripted_cluster.objects import Json, Objects
from tests.scripted_cluster.workloads import DEPLOYMENTS, NAMESPACE, Workloads, template_of

SERVICES = f"apis/serving.knative.dev/v1/namespaces/{NAMESPACE}/services/"
STOP = "serving.kserve.io/stop"


class KnativeServices:
    def __init__(
        self, objects: Objects, workloads: Workloads, broken: set[str], left_out: set[str]
    ) -> None:
        self._objects = objects
        self._workloads = workloads
        self._broken = broken
        self._left_out = left_out

    def look(self, path: str, service: Json) -> None:
        name = f"{service['metadata']['name']}-predictor"
        if (service["metadata"].get("annotations") or {}).get(STOP) == "true":
            self._stop(path, service, name)
            return
        predictor = service["spec"]["predictor"]
        component = dict(service.get("status", {}).get("components", {}).get("predictor", {}))
        knative = self._written(name, service, component)
        self._run(name, knative, max(1, predictor.get("minReplicas", 1)))
        self._copy(path, service, component, knative)

    def _stop(self, path: str, service: Json, name: str) -> None:
        """KServe deletes the Knative Service, its revisions go with it, and KServe forgets what it knew of them."""
        self._objects.found.pop(SERVICES + name, None)
        self._workloads.keep_only(f"{name}-", set())
        self._objects.put(path, {**service, "status": {"deploymentMode": "Knative"}})

    def _written(self, name: str, service: Json, component: Json) -> Json:
        """By KServe. Only where a revision is rolled out is there a rest that somebody could get."""
        predictor = service["spec"]["predictor"]
        found = self._objects.found.get(SERVICES + name)
        percent, rolled_out = (
            predictor.get("canaryTrafficPercent"),
            component.get("latestRolledoutRevision"),
        )
        traffic: list[Json] = [{"latestRevision": True, "percent": 100}]
        if percent is not None and rolled_out:
            traffic = [{"latestRevision": True, "percent": percent}]
            if percent < 100:
                rest = {"revisionName": rolled_out, "percent": 100 - percent, "tag": "prev"}
                traffic.append(rest)
        spec = {"template": template_of(service, predictor, self._left_out), "traffic": traffic}
        if found is not None and found["spec"] == spec:
            return found
        generation = found["metadata"]["generation"] + 1 if found else 1
        metadata = {"name": name, "generation": generation}
        status = found.get("status", {}) if found else {}
        return self._objects.put(
            SERVICES + name, {"metadata": metadata, "spec": spec, "status": status}
        )

    def _run(self, name: str, knative: Json, replicas: int) -> None:
        """By Knative: a revision for each template, and traffic to the newest that is ready."""
        status = dict(knative.get("status", {}))
        template = knative["spec"]["template"]
        if status.get("template") != template:
            number = int(status.get("revisions", 0)) + 1
            status |= {"revisions": number, "template": template}
            status["latestCreatedRevisionName"] = f"{name}-{number:05d}"
        newest = status["latestCreatedRevisionName"]
        self._workloads.want(f"{newest}-deployment", replicas, template)
        if self._workloads.available(f"{newest}-deployment"):
            status["latestReadyRevisionName"] = newest
        ready = status.get("latestReadyRevisionName")
        self._scale_down(name, {newest, *_named(knative), ready})
        status["traffic"] = [
            {"revisionName": each.get("revisionName", ready), **each}
            for each in knative["spec"]["traffic"]
            if each.get("revisionName") or ready
        ]
        status["observedGeneration"] = knative["metadata"]["generation"]
        status["conditions"] = [{"type": "RoutesReady", "status": "True" if ready else "False"}]
        self._objects.put(SERVICES + name, {**knative, "status": status})

    def _scale_down(self, name: str, reachable: set[str | None]) -> None:
        """Revisions that no traffic target names go to no pods."""
        for path, found in [*self._objects.found.items()]:
            workload = path.removeprefix(DEPLOYMENTS)
            revision = workload.removesuffix("-deployment")
            if workload != path and workload.startswith(f"{name}-") and revision not in reachable:
                self._workloads.want(workload, 0, found["spec"]["template"])

    def _copy(self, path: str, service: Json, component: Json, knative: Json) -> None:
        """By KServe, from what it read before Knative's last look."""
        seen = self._objects.found[SERVICES + knative["metadata"]["name"]]["status"]
        component |= {
            "latestCreatedRevision": seen.get("latestCreatedRevisionName", ""),
            "latestReadyRevision": seen.get("latestReadyRevisionName", ""),
            "traffic": seen["traffic"],
        }
        _follow(component, seen)
        broken = service["spec"]["predictor"]["model"]["storageUri"] in self._broken
        failure = {"reason": "RuntimeUnhealthy", "message": "exit code 1"}
        status = {
            "observedGeneration": seen["observedGeneration"],
            "deploymentMode": "Knative",
            "components": {"predictor": component},
            "conditions": [{"type": "Ready", "status": "True"}],
            "modelStatus": {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": failure}
            if broken
            else {"transitionStatus": "UpToDate"},
        }
        self._objects.put(path, {**service, "status": status})


def _named(knative: Json) -> set[str | None]:
    return {each.get("revisionName") for each in knative["spec"]["traffic"]}


def _follow(component: Json, seen: Json) -> None:
    """Which revision had everything last; a 0 for one that has it means that it is to be the one before."""
    newest, whole = component["latestReadyRevision"], 100
    rolled_out = component.get("latestRolledoutRevision", "")
    for target in seen["traffic"]:
        if not target.get("latestRevision"):
            continue
        if rolled_out != newest:
            if target["percent"] == whole:
                component["previousRolledoutRevision"] = rolled_out
                component["latestRolledoutRevision"] = newest
        elif newest == component["latestCreatedRevision"] and target["percent"] < whole:
            both = sum(
                each["percent"] for each in seen["traffic"] if each["revisionName"] == newest
            )
            before = component.get("previousRolledoutRevision")
            if both == whole and before:
                component["latestRolledoutRevision"] = before
