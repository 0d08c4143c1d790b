"""An embedded Kubernetes API server: the cluster that Headrace's functions meet when there is none.

Run it with ``python -m local.kubernetes_api --port 6443 --state-dir DIR --kubeconfig FILE``.
"""
