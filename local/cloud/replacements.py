"""The pieces of MiniStack 1.5.33 that `local.cloud.mends` replaces, and what takes their place.

Names that start with `headrace_` are put into MiniStack's modules by `local.cloud.mends`.
"""

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class Replacement:
    """`old` must occur exactly once in the source of `where`.

    `where` is `module:function`, `module:Class.method`, or `module:NAME` of a text constant. With `until`, what is
    replaced reaches from `old` to the end of the next `until`, and must have the SHA-256 `digest`.
    """

    where: str
    old: str
    new: str
    why: str
    until: str = ""
    digest: str = ""

    def found_in(self, source: str) -> str | None:
        """The text that is to be replaced; None if it is not there once, as it was when this was written."""
        if source.count(self.old) != 1:
            return None
        if not self.until:
            return self.old
        start = source.index(self.old)
        end = source.find(self.until, start) + len(self.until)
        span = source[start:end]
        return span if sha256(span.encode()).hexdigest() == self.digest else None


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
        "                    layer_dir = os.path.join(self._tmpdir, ",
        "                    layers_dirs.append(headrace_layer_folder(layer_data))\n",
        "workers share one unpacked copy of a layer",
        until="                    layers_dirs.append(layer_dir)\n",
        digest="6de764ca87b606e40f406d87889948a1ab70b188e186be0cc9633e245f9f0bcc",
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
    Replacement(
        f"{_WORKFLOW}:_execute_task",
        """\
                effective = _apply_jsonata_arguments(state_def, raw_input, ctx)
""",
        """\
                effective = _apply_jsonata_arguments(state_def, raw_input, ctx)
                state_def = headrace_time_limits(state_def, raw_input, ctx)
""",
        "the TimeoutSeconds and HeartbeatSeconds of a JSONata task may be computed",
    ),
    Replacement(
        f"{_WORKFLOW}:_invoke_with_callback",
        """\
    evt = threading.Event()
""",
        """\
    evt = threading.Event()
    started = time.monotonic()
""",
        "a task that waits for its token has its heartbeats and time limits",
    ),
    Replacement(
        f"{_WORKFLOW}:_invoke_with_callback",
        """\
        try:
            _call_lambda(func_ref, lambda_payload)
        except _ExecutionError:
            pass
""",
        """\
        try:
            _call_lambda(func_ref, lambda_payload)
        except _ExecutionError:
            _task_tokens.pop(token, None)
            raise
""",
        "a function that fails fails the task at once, though it was to answer by its token",
    ),
    Replacement(
        f"{_WORKFLOW}:_invoke_with_callback",
        """\
    timeout = state_def.get("TimeoutSeconds", 99999)
    if not evt.wait(timeout=timeout):
        _task_tokens.pop(token, None)
        raise _ExecutionError("States.Timeout",
                              "Task timed out waiting for callback")
""",
        """\
    error, cause = headrace_await_answer(_task_tokens[token], state_def, started)
    if error:
        _task_tokens.pop(token, None)
        raise _ExecutionError(error, cause)
""",
        "a task that waits for its token has its heartbeats and time limits",
    ),
    Replacement(
        f"{_WORKFLOW}:_send_task_heartbeat",
        'info["heartbeat"] = now_iso()',
        'info["heartbeat"] = time.monotonic()',
        "the same",
    ),
)
