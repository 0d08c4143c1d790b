"""The embedded KServe controller, Standard mode: a real model server for each InferenceService.

It watches InferenceServices, starts one process of `local.serving` for each, and writes the objects
and the status that KServe writes. `specification`, `runtimes`, `manifests`, `conditions` and
`status` are pure; `processes` owns the servers, `cluster` talks to the API, `controller` joins them.
"""
