"""Looking into a copied file before it becomes part of a version: what is scanned is what is served."""

import tempfile
from typing import BinaryIO, cast

from controlplane.registry.keys import registry_prefix
from controlplane.registry.ports import ArtifactScanner, ArtifactStore
from controlplane.registry.registration import CopiedFile, UploadReference
from controlplane.registry.scan import Finding, FindingKind, Scan, ScanState

# Larger files lie on the function's disk while they are scanned.
IN_MEMORY_BYTES = 64 << 20


def scan_file(
    reference: UploadReference,
    copied: CopiedFile,
    *,
    artifacts: ArtifactStore,
    scanner: ArtifactScanner,
) -> Scan:
    """Scan the very object version that was copied, and nothing else under its key.

    Raises UnavailableError, ConcurrentChangeError when the object version has gone.
    """
    if copied.scan_as is None or copied.version_id is None:
        return Scan()
    place = (reference.tenant_id, reference.project, reference.model, reference.model_version)
    key = registry_prefix(*place) + copied.path
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        content = cast("BinaryIO", file)
        sha256 = artifacts.download(key, copied.version_id, content)
        if sha256 != copied.sha256:
            why = f"its SHA-256 is {sha256}, S3 told {copied.sha256}"
            finding = Finding(file=copied.path, kind=FindingKind.UNREADABLE, detail=why)
            return Scan(state=ScanState.UNSAFE, findings=(finding,))
        content.seek(0)
        return scanner.scan(copied.path, copied.scan_as, content)
