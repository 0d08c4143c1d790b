"""CDK entry point: one app, its stacks, and the target that the context names."""

import json
import os

from aws_cdk import App

from cdk.paths import ROOT
from cdk.stacks.application import add_stacks
from cdk.target import Target

# The CDK CLI passes cdk.json's context itself; run without it, this file does the same. Values of
# CDK_CONTEXT_JSON win either way.
app = App(
    context=json.loads((ROOT / "cdk.json").read_text())["context"],
    outdir=os.environ.get("CDK_OUTDIR", str(ROOT / "cdk.out")),
    analytics_reporting=False,
    tree_metadata=False,
)
add_stacks(app, Target.from_context(app.node))
app.synth()
