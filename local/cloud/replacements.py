"""The pieces of MiniStack 1.5.33 that `local.cloud.mends` replaces, and what takes their place.

Names that start with `headrace_` are put into MiniStack's modules by `local.cloud.mends`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Replacement:
    """`old` must occur exactly once in the source of `where`.

    `where` is `module:function`, `module:Class.method`, or `module:NAME` of a text constant.
    """

    where: str
    old: str
    new: str
    why: str


_RUNTIME = "ministack.core.lambda_runtime"
_LAMBDA = "ministack.services.lambda_svc"
_S3 = "ministack.services.s3"
_TABLES = "ministack.services.dynamodb"
_WORKFLOW = "ministack.services.stepfunctions"

# A line that a worker writes to its log after each call; no handler's own line looks like it.
END_OF_LOG = "\x1e headrace: end of log"

REPLACEMENTS = (
    Replacement(
        f"{_RUNTIME}:_PYTHON_WORKER_SCRIPT",
        'json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()})',
        'json.dumps({"status": "error", "error": str(e), "type": type(e).__name__, '
        '"trace": traceback.format_exc()})',
        "an error is reported under its own class name, so that Retry and Catch match it",
    ),
    Replacement(
        f"{_LAMBDA}:_execute_function_warm",
        'error_type = "Runtime.HandlerError"',
        'error_type = result.get("type") or "Runtime.HandlerError"',
        "the same",
    ),
    Replacement(
        f"{_RUNTIME}:_PYTHON_WORKER_SCRIPT",
        '_real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")',
        "_ms_kind = 'Runtime.ImportModuleError' if isinstance(e, ImportError)"
        " else type(e).__name__\n"
        '        _real_stdout.write(json.dumps({"status": "error",'
        ' "error": f"{_ms_kind}: {e}"}) + "\\n")\n'
        "        traceback.print_exc()",
        "a function whose module cannot be loaded says so",
    ),
    Replacement(
        f"{_RUNTIME}:Worker.invoke",
        'if response.get("status") == "error":',
        'if response.get("status") == "error" and "type" not in response:',
        "a raised error leaves the worker warm",
    ),
    Replacement(
        f"{_RUNTIME}:_PYTHON_WORKER_SCRIPT",
        "        _real_stdout.flush()\n\nrun()\n",
        f"        sys.stderr.write({END_OF_LOG!r} + chr(10))\n        sys.stderr.flush()\n"
        "        _real_stdout.flush()\n\nrun()\n",
        "a call's log is complete as soon as this line is read, without waiting for more",
    ),
    Replacement(
        f"{_RUNTIME}:Worker.invoke",
        'response["log"] = self._drain_stderr_bounded()',
        'response["log"] = headrace_log(self, response)',
        "the same",
    ),
    Replacement(
        f"{_RUNTIME}:Worker._spawn",
        "[binary, worker_path],",
        "headrace_worker_command(binary, worker_path, layers_dirs),",
        "a worker sees its code, its layers and the standard library only",
    ),
    Replacement(
        f"{_RUNTIME}:Worker._spawn",
        """\
                    layer_dir = os.path.join(self._tmpdir, f"layer_{len(layers_dirs)}")
                    os.makedirs(layer_dir)
                    lzip = os.path.join(self._tmpdir, f"layer_{len(layers_dirs)}.zip")
                    try:
                        with open(lzip, "wb") as lf:
                            lf.write(layer_data)
                        with zipfile.ZipFile(lzip) as lzf:
                            # Validate paths to prevent zip-slip attacks
                            for member in lzf.namelist():
                                resolved = os.path.realpath(os.path.join(layer_dir, member))
                                if not resolved.startswith(os.path.realpath(layer_dir) + os.sep) \
and resolved != os.path.realpath(layer_dir):
                                    raise RuntimeError(f"Zip entry escapes target dir: {member}")
                            lzf.extractall(layer_dir)
                    except (OSError, zipfile.BadZipFile, zipfile.LargeFileError) as e:
                        logger.error("Failed to extract layer %s", layer_arn, exc_info=True)
                        raise RuntimeError(f"Failed to extract layer {layer_arn}") from e
                    layers_dirs.append(layer_dir)
""",
        """\
                    layers_dirs.append(headrace_layer_folder(layer_data))
""",
        "workers share one unpacked copy of a layer",
    ),
    Replacement(
        f"{_LAMBDA}:get_state",
        """\
    _prune_orphan_code_blobs(referenced)
    return {
        "functions": funcs,
        "layers": copy.deepcopy(_layers),
""",
        """\
    layers = copy.deepcopy(_layers)
    for layer in layers._data.values():
        for version in layer["versions"]:
            version["code_zip"] = version.pop("_zip_data", None)
            _externalize_code_zip(version, referenced)
            version["_zip_data"] = version.pop("code_zip")
    _prune_orphan_code_blobs(referenced)
    return {
        "functions": funcs,
        "layers": layers,
""",
        "equal layers are saved once, as code is, and not as hundreds of megabytes of JSON",
    ),
    Replacement(
        f"{_LAMBDA}:_restore_state",
        """\
        _layers.update(data.get("layers", {}))
""",
        """\
        for layer in getattr(data.get("layers"), "_data", {}).values():
            for version in layer["versions"]:
                version["code_zip"] = version.pop("_zip_data", None)
                _internalize_code_zip(version, blobs)
                version["_zip_data"] = version.pop("code_zip")
        _layers.update(data.get("layers", {}))
""",
        "the same",
    ),
    Replacement(
        f"{_LAMBDA}:_poll_dynamodb_streams",
        "result = _execute_function(func_rec, event)",
        "result = headrace_deliver(esm, func_rec, batch, source_arn)",
        "failing stream records are retried, halved and sent to their destination",
    ),
    Replacement(
        f"{_TABLES}:get_state",
        """\
        "tables": tables,
""",
        """\
        "tables": tables,
        "stream_records": copy.deepcopy(_stream_records),
        "stream_trimmed": copy.deepcopy(_stream_trimmed),
""",
        "streams survive a restart; their readers' positions do already, and point into them",
    ),
    Replacement(
        f"{_TABLES}:_restore_state",
        """\
        _tables.update(data.get("tables", {}))
""",
        """\
        _tables.update(data.get("tables", {}))
        _stream_records.update(data.get("stream_records", {}))
        _stream_trimmed.update(data.get("stream_trimmed", {}))
""",
        "the same",
    ),
    Replacement(
        f"{_S3}:_fire_s3_event",
        '"object": {"key": key, "size": size, "etag": clean_etag, "sequencer": sequencer or "0"},',
        '"object": {"key": key, "size": size, "etag": clean_etag, "sequencer": sequencer or "0",'
        ' **({"version-id": version_id} if version_id else {})},',
        "an event of a bucket names the object's version",
    ),
    Replacement(
        f"{_S3}:_copy_object",
        """\
    if headers.get("x-amz-sdk-checksum-algorithm") or any(
        headers.get(f"x-amz-checksum-{a}") for a in _S3_CHECKSUM_HEADERS
    ):
""",
        """\
    if headers.get("x-amz-checksum-algorithm"):
        headers = {**headers, "x-amz-sdk-checksum-algorithm": headers["x-amz-checksum-algorithm"]}
    if headers.get("x-amz-sdk-checksum-algorithm") or any(
        headers.get(f"x-amz-checksum-{a}") for a in _S3_CHECKSUM_HEADERS
    ):
""",
        "a copy gets the checksum that its request asks for (boto3: ChecksumAlgorithm)",
    ),
    Replacement(
        f"{_S3}:_copy_object",
        """\
    SubElement(root, "ETag").text = new_etag
    return 200, resp_headers, _xml_body(root)
""",
        """\
    SubElement(root, "ETag").text = new_etag
    for algorithm, checksum in dest_checksums.items():
        SubElement(root, f"Checksum{algorithm}").text = checksum
    return 200, resp_headers, _xml_body(root)
""",
        "the answer to a copy holds its checksum",
    ),
    Replacement(
        f"{_WORKFLOW}:_run_execution",
        """\
                current_input = _apply_input_path(state_def, current_input, ctx)
                current_input = _apply_output_path(state_def, current_input, ctx)
                _add_event(execution, "SucceedStateExited", {
""",
        """\
                current_input = _execute_pass({**state_def, "End": True}, current_input, ctx)[0]
                _add_event(execution, "SucceedStateExited", {
""",
        "a JSONata Succeed state answers with its Output",
    ),
    Replacement(
        f"{_WORKFLOW}:_run_sub_machine",
        """\
            return _apply_output_path(state_def,
                                      _apply_input_path(state_def, current_input, ctx), ctx)
""",
        """\
            return _execute_pass({**state_def, "End": True}, current_input, ctx)[0]
""",
        "the same within Map and Parallel",
    ),
)
