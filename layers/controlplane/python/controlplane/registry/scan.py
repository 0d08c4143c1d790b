"""What a scan of a version's files came to, and which files need one."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Self

from pydantic import BaseModel, ConfigDict

from controlplane.errors import UploadRejectedError

# Formats whose model servers load files by readers of their own, whatever the files are called.
_NEVER_UNPICKLED = frozenset({"onnx", "paddle", "pmml", "tensorflow", "xgboost"})
# Loaded by name as what they are called, so that a pickle of such a name is never unpickled.
_OTHER_FILES = frozenset(
    {
        *(".safetensors", ".onnx", ".gguf", ".json", ".jsonl", ".txt", ".md", ".yaml", ".yml"),
        *(".toml", ".csv", ".ubj", ".bst", ".pmml", ".pb", ".pbtxt", ".jinja", ".jpg", ".png"),
    }
)
# In these a file of the upload says under which name the pickle lies: no name tells anything.
_NAMED_BY_A_FILE = frozenset({"mlflow"})
PICKLE_SUFFIXES = frozenset(
    {
        *(".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".npy", ".npz", ".mar", ".dill"),
        *(".pdparams", ".pdopt"),
    }
)


_TOLD = {
    "Dangerous": "imports {}, which can run anything",
    "Unknown": "imports {}, which no model of a known framework needs",
    "Unreadable": "cannot be looked into: {}",
}
_MAX_TOLD = 5


class ScanState(StrEnum):
    """`NotNeeded`: nothing in the files is ever unpickled."""

    CLEAN = "Clean"
    UNSAFE = "Unsafe"
    NOT_NEEDED = "NotNeeded"


class FindingKind(StrEnum):
    """`Dangerous`: on the scanner's list. `Unknown`: no framework of ours needs it. `Unreadable`: not looked into."""

    DANGEROUS = "Dangerous"
    UNKNOWN = "Unknown"
    UNREADABLE = "Unreadable"


class Finding(BaseModel):
    """What is wrong with one file: `detail` is what it imports, as `module.name`, or why it cannot be read."""

    model_config = ConfigDict(frozen=True)

    file: str
    kind: FindingKind
    detail: str


class Scan(BaseModel):
    """The result of a scan, of one file or of all of a version."""

    model_config = ConfigDict(frozen=True)

    state: ScanState = ScanState.NOT_NEEDED
    scanner: str | None = None
    scanner_version: str | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of_all(cls, scans: Iterable[Self]) -> Self:
        """The scans of a version's files as one: as unsafe as the worst of them."""
        looked_at = [scan for scan in scans if scan.state is not ScanState.NOT_NEEDED]
        if not looked_at:
            return cls()
        findings = tuple(finding for scan in looked_at for finding in scan.findings)
        unsafe = any(scan.state is ScanState.UNSAFE for scan in looked_at)
        return cls(
            state=ScanState.UNSAFE if unsafe else ScanState.CLEAN,
            scanner=looked_at[0].scanner,
            scanner_version=looked_at[0].scanner_version,
            findings=findings,
        )


def needs_scan(model_format: str, path: str) -> bool:
    """Whether a file of a model of this format could be unpickled by whoever loads the model.

    In doubt yes: the scan itself finds out whether the content is a pickle.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in PICKLE_SUFFIXES or model_format in _NAMED_BY_A_FILE:
        return True
    return model_format not in _NEVER_UNPICKLED and suffix not in _OTHER_FILES


def require_safe(model_format: str, scans: Mapping[str, Scan | None]) -> Scan:
    """The scans of all files of a version, by path, as one. Raises UploadRejectedError (UnsafeArtifact).

    Raises TypeError for a file that should have been scanned and was not.
    """
    unscanned = [p for p, scan in scans.items() if scan is None and needs_scan(model_format, p)]
    if unscanned:
        raise TypeError(f"{unscanned[0]} was not scanned")
    of_all = Scan.of_all(scan for scan in scans.values() if scan is not None)
    if of_all.state is not ScanState.UNSAFE:
        return of_all
    told = [f"{f.file} {_TOLD[f.kind].format(f.detail)}" for f in of_all.findings[:_MAX_TOLD]]
    more = len(of_all.findings) - len(told)
    raise UploadRejectedError(
        "UnsafeArtifact",
        "; ".join(told) + (f"; and {more} more" if more else ""),
        remedy="Leave the file out if the model does not need it, and call a text .txt or .yaml; else save the model "
        "without code of its own, uncompressed or by zlib, gzip, bzip2 or xz, or as safetensors or ONNX, and upload "
        "it again (docs/runbooks/unsafe-files.md).",
    )
