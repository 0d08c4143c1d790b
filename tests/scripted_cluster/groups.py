"""LLMInferenceServices that share a routing group."""

import json
from itertools import groupby

from tests.scripted_cluster.objects import Json, Objects
from tests.scripted_cluster.workloads import NAMESPACE, SOURCE, Workloads

SERVICES = f"apis/serving.kserve.io/v1alpha2/namespaces/{NAMESPACE}/llminferenceservices/"
STOP = "serving.kserve.io/stop"


class Groups:
    def __init__(self, objects: Objects, workloads: Workloads) -> None:
        self._objects = objects
        self._workloads = workloads

    def look(self) -> None:
        services = [each for each in self._objects.found.items() if each[0].startswith(SERVICES)]
        services.sort(key=lambda each: _group(each[1]))
        for name, members in groupby(services, key=lambda each: _group(each[1])):
            self._look(name, list(members))

    def _look(self, name: str, services: list[tuple[str, Json]]) -> None:
        """Members that differ in model name or adapters are not merged: the group stays as it was."""
        models = {
            json.dumps([s["spec"]["model"]["name"], s["spec"]["model"].get("lora")], sort_keys=True)
            for _, s in services
        }
        members = [
            {
                "name": service["metadata"]["name"],
                "weight": service["spec"]["router"]["route"]["weight"],
                **({"stopped": True} if _is_stopped(service) else {}),
            }
            for _, service in services
        ]
        degraded = {
            "type": "GroupDegraded",
            "status": "True" if len(models) > 1 else "False",
            "reason": "MemberDivergence" if len(models) > 1 else "AsOne",
            "message": "members serve different models" if len(models) > 1 else "",
        }
        for path, service in services:
            workload = f"{service['metadata']['name']}-kserve"
            replicas = 0 if _is_stopped(service) else service["spec"].get("replicas", 1)
            self._workloads.want(workload, replicas, _template(service))
            before = service.get("status", {}).get("router", {}).get("group", {}).get("members", [])
            status = {
                "observedGeneration": service["metadata"]["generation"],
                "conditions": [degraded, {"type": "Ready", "status": "True"}],
                "workloads": {"primary": {"kind": "Deployment", "name": workload}},
                "router": {
                    "group": {"name": name, "members": before if len(models) > 1 else members}
                },
            }
            self._objects.put(path, {**service, "status": status})


def _template(service: Json) -> Json:
    """Annotations of the object do not reach its pods, but for some prefixes that are not ours."""
    source = {SOURCE: service["spec"]["model"]["uri"]}
    return {"metadata": {"annotations": source}, "spec": service["spec"]["template"]}


def _group(service: Json) -> str:
    return str(service["spec"]["router"]["route"]["group"])


def _is_stopped(service: Json) -> bool:
    return (service["metadata"].get("annotations") or {}).get(STOP) == "true"
