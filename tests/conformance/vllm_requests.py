"""A server whose requests are counted as vLLM counts its own; the model is left out.

Source: vLLM's entrypoints/serve/instrumentator/metrics.py (which handlers are excluded, the registry, `.add()`), its
routes and exception handler, and v1/metrics/loggers.py (the histogram). Runs in the environment of the model servers:

    python tests/conformance/vllm_requests.py PORT
"""

import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from prometheus_client import REGISTRY, Histogram
from prometheus_fastapi_instrumentator import Instrumentator

NOT_COUNTED = ["/metrics", "/health", "/load", "/ping", "/version", "/server_info"]
FIRST_TOKEN_SECONDS = [
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
]
first_token = Histogram(
    "vllm:time_to_first_token_seconds",
    "Histogram of time to first token in seconds.",
    labelnames=("model_name", "engine"),
    buckets=FIRST_TOKEN_SECONDS,
).labels("digits", "0")


async def complete(request: Request) -> Response:
    """Does what the header x-do says."""
    asked = request.headers.get("x-do")
    if asked == "raise":
        raise RuntimeError("the engine is dead")
    if asked in ("400", "500", "503"):
        return JSONResponse({"error": asked}, status_code=int(asked))
    first_token.observe(0.03)
    if asked in ("stream", "break off"):
        return StreamingResponse(_tokens(asked), media_type="text/event-stream")
    return JSONResponse({"choices": []})


async def _tokens(asked: str) -> AsyncIterator[str]:
    yield "data: one\n\n"
    if asked == "break off":
        raise RuntimeError("the engine died in the middle")
    yield "data: [DONE]\n\n"


async def models() -> dict[str, list[str]]:
    return {"data": []}


async def health() -> None:
    """Is not counted."""


async def answer_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=500)


def create_app() -> FastAPI:
    router = APIRouter()
    router.add_api_route("/v1/chat/completions", complete, methods=["POST"])
    router.add_api_route("/v1/models", models, methods=["GET"])
    router.add_api_route("/health", health, methods=["GET"])
    app = FastAPI(exception_handlers={Exception: answer_error})
    app.include_router(router)
    counting = Instrumentator(excluded_handlers=NOT_COUNTED, registry=REGISTRY).add()
    counting.instrument(app).expose(app)
    return app


if __name__ == "__main__":
    uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
