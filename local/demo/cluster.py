"""What the demo looks up in the cluster, as `kubectl` would."""

from pathlib import Path

import kubernetes


def revision_exists(kubeconfig: Path, namespace: str, name: str) -> bool:
    """Whether an InferenceService is there."""
    client = kubernetes.config.new_client_from_config(str(kubeconfig))
    services = kubernetes.client.CustomObjectsApi(client)
    try:
        services.get_namespaced_custom_object(
            "serving.kserve.io", "v1beta1", namespace, "inferenceservices", name
        )
    except kubernetes.client.ApiException as refused:
        if refused.status != 404:
            raise
        return False
    return True
