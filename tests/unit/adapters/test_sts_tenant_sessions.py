"""How STS is asked: the signature is the one that AWS's own client would make."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from controlplane.adapters.sts_tenant_sessions import Credentials, Sts, TenantRole, signed_headers

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
HOSTS = ("sts.eu-central-1.amazonaws.com", "127.0.0.1:5000", "sts.cn-north-1.amazonaws.com.cn")


@given(
    secret=PRINTABLE,
    token=PRINTABLE,
    tenant=st.text(max_size=40),
    host=st.sampled_from(HOSTS),
    region=st.sampled_from(["eu-central-1", "us-gov-west-1"]),
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - UTC is added below
)
def test_signature_is_the_one_of_botocore(
    secret: str, token: str, tenant: str, host: str, region: str, moment: datetime
) -> None:
    sts = Sts(f"https://{host}", region, Credentials("AKIDEXAMPLE", secret, token))
    body = urlencode({"Action": "AssumeRole", "Tags.member.1.Value": tenant}).encode()

    ours = signed_headers(sts, host, body, moment.replace(tzinfo=UTC))

    theirs = AWSRequest("POST", f"https://{host}/", data=body)
    theirs.headers["Content-Type"] = ours["Content-Type"]
    auth = SigV4Auth(BotocoreCredentials("AKIDEXAMPLE", secret, token), "sts", region)
    stamp = ours["X-Amz-Date"]
    theirs.context["timestamp"] = stamp
    theirs.headers["X-Amz-Date"] = stamp
    theirs.headers["X-Amz-Security-Token"] = token
    signature = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert ours["Authorization"].endswith(f"Signature={signature}")
    assert ours["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{stamp[:8]}/")


@pytest.mark.parametrize(
    "name",
    ["", "*", "acme*", "acm?", "acme#x", "acme/", "Acme", "a" * 31, "a b", "..", "${*}", "a\n"],
)
def test_nothing_is_asked_for_what_is_no_tenants_name(name: str) -> None:
    role = TenantRole(Sts("http://127.0.0.1:1", "us-east-1", Credentials("a", "b", "c")), "arn")

    with pytest.raises(ValueError, match="name of a tenant"):
        role.open_session(name)


def test_credentials_do_not_show_in_logs() -> None:
    shown = repr(Sts("http://sts", "us-east-1", Credentials("AKID", "very-secret", "a-token")))

    assert "very-secret" not in shown
    assert "a-token" not in shown
