"""What a person can do about a revision that does not come up, by the reason that the cluster gives.

The reasons are KServe's `status.modelStatus.lastFailureInfo.reason` (v1beta1 `FailureReason`), and the words of
`transitionStatus` where KServe gives none.
"""

REMEDIES = {
    "ModelLoadFailed": "Check that the file loads with the framework version of the runtime, then upload it again.",
    "RuntimeUnhealthy": "The model server ends or does not answer: look at its log, and give the deployment more"
    " memory if it was killed.",
    "RuntimeDisabled": "Ask the platform's administrators to enable the runtime, or set another for the deployment.",
    "NoSupportingRuntime": "Convert the model to a format that the catalog serves, or set the deployment's runtime.",
    "RuntimeNotRecognized": "Tell the platform's administrators: the cluster lacks the runtime.",
    "InvalidPredictorSpec": "Correct the deployment's settings: the cluster does not accept its predictor as it is.",
    "InvalidSpec": "Correct the deployment's settings: the cluster does not accept its predictor as it is.",
    "BlockedByFailedLoad": "Look at the model server's log, correct the model and upload it again.",
    "WeightsMissing": "Tell the platform's administrators: this KServe writes no weights for canaries, as release"
    " 0.20.0 does not. Upgrade it, or give the cluster a Gateway for routes of Headrace's own.",
    "MemberDivergence": "Give all members of the routing group the same model name and the same LoRA adapters.",
}
DEFAULT_REMEDY = "Look at the model server's log, correct the model and upload it again."


def remedy_for(reason: str) -> str:
    return REMEDIES.get(reason, DEFAULT_REMEDY)
