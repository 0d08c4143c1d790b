"""What the runbook tells receivers to do works, word by word."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from controlplane.webhooks.signatures import secret_text, sign

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks" / "webhooks.md"
SECRET, BODY = b"s" * 32, b'{"metadata": {}}'


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", RUNBOOK.read_text(), re.DOTALL)
    return str(found)


def test_python_of_the_runbook_tells_genuine_messages_from_others() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - the runbook's own code is what is tested
    is_genuine, moment = names["is_genuine"], int(time.time())
    headers = sign("d-1", moment, BODY, [b"o" * 32, SECRET])

    assert is_genuine(secret_text(SECRET), headers, BODY)
    assert is_genuine(secret_text(b"o" * 32), headers, BODY)
    assert not is_genuine(secret_text(b"x" * 32), headers, BODY)
    assert not is_genuine(secret_text(SECRET), headers, BODY + b" ")
    assert not is_genuine(secret_text(SECRET), headers | {"webhook-id": "d-2"}, BODY)
    replayed = sign("d-1", moment - 301, BODY, [SECRET])
    assert not is_genuine(secret_text(SECRET), replayed, BODY)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the shell's way needs openssl")
def test_shell_of_the_runbook_makes_the_signature(tmp_path: Path) -> None:
    (tmp_path / "body.json").write_bytes(BODY)
    headers = sign("d-1", 1_772_442_900, BODY, [SECRET])
    given = {
        "SECRET": secret_text(SECRET),
        "ID": headers["webhook-id"],
        "TIMESTAMP": headers["webhook-timestamp"],
        "PATH": os.environ["PATH"],
    }

    made = subprocess.run(
        ["sh", "-c", block("sh")],  # noqa: S607 - whichever shell there is
        cwd=tmp_path,
        env=given,
        capture_output=True,
        text=True,
        check=True,
    )

    assert made.stdout.strip() == headers["webhook-signature"].removeprefix("v1,")
