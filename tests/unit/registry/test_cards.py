"""A version's card: all that is known of it, and no value that a Markdown reader would act on."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from controlplane.registry.cards import escape, render_card
from controlplane.registry.model import Approval, ApprovalState
from tests.unit.registry.versions import MOMENT, a_version

HOSTILE = (
    "a|b\n\n# c [x](javascript:alert(1)) <script>`*_~ https://evil.example &lt; ada@evil.example"
)


def test_card_tells_all_that_is_known() -> None:
    version = a_version(
        3,
        framework_version="1.9",
        metrics={"accuracy": 0.97, "loss": math.nan},
        dataset_digest="sha256-9f",
        run="run7",
        template_version="train3",
        code="9f1b",
        tags={"team": "vision"},
        registered_by="ada",
        approval=Approval(
            state=ApprovalState.APPROVED, actor="grace", reason="fine", decided_at=MOMENT
        ),
        aliases=("champion",),
        served_by=("digits",),
        card="Recognises digits.",
    )

    card = render_card(version).replace("\\", "").replace("&#58;", ":")

    for told in (
        "# digits, version 3",
        "| format | sklearn 1.9 |",
        "| size | 3 bytes in 1 files |",
        f"| digest | sha256 {'d' * 64} |",
        "| registered | 2026-03-02T09:15:00+00:00 by ada |",
        "| data set | sha256-9f |",
        "| run | run7 |",
        "| template | train3 |",
        "| code | 9f1b |",
        "| approval | Approved, 2026-03-02T09:15:00+00:00 by grace: fine |",
        "| scan | never scanned |",
        "| signature | not signed |",
        "| aliases | champion |",
        "| deployments | digits |",
        "| accuracy | 0.97 |",
        "| loss | no number |",
        "| team | vision |",
    ):
        assert told in card.splitlines()
    assert card.endswith("---\n\nRecognises digits.\n")


def test_what_people_wrote_comes_last_so_that_it_swallows_nothing() -> None:
    card = render_card(a_version(card="```\nan open block <!-- "))

    assert card.index("| digest |") < card.index("an open block")


def test_values_mean_nothing_to_a_markdown_reader() -> None:
    shown = escape(HOSTILE)

    assert "\n" not in shown
    assert "<" not in shown
    assert "javascript:" not in shown
    assert "https:" not in shown
    assert not re.search(r"(?<!\\)[|`*_\[\]#~]", re.sub(r"&\S+?;", "", shown))


@given(
    text=st.text(max_size=60),
    reason=st.text(max_size=60),
    tags=st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=3),
)
def test_tables_keep_their_shape_whatever_they_hold(
    text: str, reason: str, tags: dict[str, str]
) -> None:
    approval = Approval(state=ApprovalState.REJECTED, actor=text, reason=reason, decided_at=MOMENT)
    version = a_version(dataset_digest=text or "x", approval=approval, tags=tags)

    rows = [line for line in render_card(version).splitlines() if line]

    for row in rows:
        bars = len(re.findall(r"(?<!\\)\|", row))
        assert row.startswith(("#", "|")), row
        assert bars == (3 if row.startswith("|") else 0), row
        assert "<" not in row
