"""The messenger against real receivers: TLS, time-outs, and names that lead where no message may go."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.util import connection as urllib3_connection

from controlplane.adapters.https_webhook_messenger import EXCERPT, HttpsMessenger
from controlplane.webhooks.model import Attempt
from controlplane.webhooks.targets import Address
from tests.ports import free_port
from tests.receiver import Receiver, receiving

HEADERS = {"webhook-id": "d-1"}
NAME = "hooks.example.com"
PUBLIC, PRIVATE = ip_address("8.8.8.8"), ip_address("10.0.0.7")


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._name = name
        self._root = (
            self._builder(name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        moment = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment - timedelta(hours=1))
            .not_valid_after(moment + timedelta(hours=1))
        )

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.load_verify_locations(
            cadata=self._root.public_bytes(serialization.Encoding.PEM).decode()
        )
        return context

    def serving(self, host: str) -> ssl.SSLContext:
        """For a server with a certificate of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def local(**changes: Any) -> HttpsMessenger:
    return HttpsMessenger(allow_loopback=True, **changes)


def answering(*addresses: Address) -> Callable[[str, int], Sequence[Address]]:
    """A resolver that answers one of these after the other."""
    left = list(addresses)
    return lambda _host, _port: [left.pop(0)]


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The network of the tests: an address leads to a port of this machine, or nowhere; `asked` counts."""
    ports: dict[str, int] = {"asked": 0}

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        host = str(ip_address(address[0]))  # a name here would be resolved once more
        ports["asked"] += 1
        return socket.create_connection(("127.0.0.1", ports[host]), timeout=5)

    monkeypatch.setattr(urllib3_connection, "create_connection", connect)
    return ports


def failure(attempt: Attempt) -> tuple[str | None, int | None]:
    return attempt.error, attempt.status


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success_is_any_2xx(receiver: Receiver, status: int) -> None:
    receiver.answer(status)

    attempt = local().post(receiver.url, HEADERS, b"{}")

    assert attempt.succeeded
    assert attempt.status == status
    [posted] = receiver.requests
    assert posted.path == "/hook?token=hidden"
    assert posted.body == b"{}"
    assert posted.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert posted.headers["webhook-id"] == "d-1"
    assert posted.headers["user-agent"].startswith("Headrace-Webhooks/")


@pytest.mark.parametrize(
    ("status", "error"), [(400, "status"), (404, "status"), (410, "gone"), (500, "status")]
)
def test_other_answers_are_failures(receiver: Receiver, status: int, error: str) -> None:
    receiver.answer(status)
    assert failure(local().post(receiver.url, HEADERS, b"{}")) == (error, status)


def test_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as inside:
        receiver.answers[:] = [(302, b"", {"Location": inside.url})]
        attempt = local().post(receiver.url, HEADERS, b"{}")

    assert failure(attempt) == ("status", 302)
    assert inside.requests == []


def test_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert local().post(receiver.url, HEADERS, b"{}").succeeded

    assert proxy.requests == []
    assert len(receiver.requests) == 1


def test_answer_is_kept_in_part_and_escaped(receiver: Receiver) -> None:
    receiver.answers[:] = [(500, b"\x1b[31m\xff\n" + b"x" * 200_000, {})]

    attempt = local().post(receiver.url, HEADERS, b"{}")

    assert attempt.excerpt.startswith("\\x1b[31m\\xff\\n")
    assert attempt.excerpt.isascii()
    assert attempt.excerpt.isprintable()
    assert attempt.excerpt.count("x") - 2 <= EXCERPT


@pytest.mark.parametrize("drip", [True, False])
def test_time_out_is_that_of_the_whole_attempt(receiver: Receiver, drip: bool) -> None:
    """A target that sends a byte now and then never runs into a socket's own time-out."""
    receiver.drip = drip
    receiver.answers[:] = [(200, b"", {"X": "y" * 10})]
    messenger = local(timeout_seconds=0.4)
    if not drip:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            attempt = messenger.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", HEADERS, b"{}")
    else:
        attempt = messenger.post(receiver.url, HEADERS, b"{}")

    assert attempt.error == "timed_out"
    assert 300 <= attempt.duration_ms <= 3000


def test_silent_tls_server_times_out(authority: Authority) -> None:
    messenger = local(timeout_seconds=0.4, trusted=authority.trusting())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        attempt = messenger.post(f"https://localhost:{silent.getsockname()[1]}/", HEADERS, b"{}")

    assert attempt.error == "timed_out"
    assert attempt.duration_ms <= 3000


def test_nobody_listens() -> None:
    attempt = local().post(f"http://127.0.0.1:{free_port()}/", HEADERS, b"{}")
    assert failure(attempt) == ("connection_failed", None)


def test_answer_that_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.recv(1000)
                accepted.sendall(b"SSH-2.0-babble\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        attempt = local().post(f"http://127.0.0.1:{server.getsockname()[1]}/", HEADERS, b"{}")
        thread.join()
    assert attempt.error == "bad_answer"


def test_name_without_addresses_and_name_that_is_not_found() -> None:
    def lost(_host: str, _port: int) -> Sequence[Address]:
        raise socket.gaierror("not found")

    url = f"https://{NAME}/"
    assert HttpsMessenger(resolver=lost).post(url, HEADERS, b"").error == "dns_failed"
    nothing = HttpsMessenger(resolver=lambda _host, _port: [])
    assert nothing.post(url, HEADERS, b"").error == "dns_failed"


def test_certificate_of_the_name_is_asked_for_and_checked(
    authority: Authority, routed: dict[str, int]
) -> None:
    with receiving(authority.serving(NAME)) as receiver:
        routed[str(PUBLIC)] = receiver.port
        messenger = HttpsMessenger(
            resolver=answering(PUBLIC), trusted=authority.trusting(), timeout_seconds=5
        )
        attempt = messenger.post(f"https://{NAME}/hook", HEADERS, b"{}")

    assert attempt.succeeded
    assert receiver.requests[0].headers["host"] == NAME


@pytest.mark.parametrize("other", ["other.example.com", "8.8.8.8"])
def test_certificate_of_another_name_is_refused(
    authority: Authority, routed: dict[str, int], other: str
) -> None:
    with receiving(authority.serving(other)) as receiver:
        routed[str(PUBLIC)] = receiver.port
        messenger = HttpsMessenger(
            resolver=answering(PUBLIC), trusted=authority.trusting(), timeout_seconds=5
        )
        attempt = messenger.post(f"https://{NAME}/hook", HEADERS, b"{}")

    assert attempt.error == "tls_failed"
    assert "certificate is not valid" in attempt.detail
    assert receiver.requests == []


def test_certificate_of_an_unknown_authority_is_refused(
    authority: Authority, routed: dict[str, int]
) -> None:
    with receiving(authority.serving(NAME)) as receiver:
        routed[str(PUBLIC)] = receiver.port
        messenger = HttpsMessenger(resolver=answering(PUBLIC), timeout_seconds=5)
        attempt = messenger.post(f"https://{NAME}/hook", HEADERS, b"{}")

    assert attempt.error == "tls_failed"
    assert receiver.requests == []


def test_name_that_becomes_private_gets_nothing(
    authority: Authority, routed: dict[str, int]
) -> None:
    """DNS rebinding: a public address when it is looked at, a private one a moment later."""
    with receiving(authority.serving(NAME)) as receiver:
        routed.update({str(PUBLIC): receiver.port, str(PRIVATE): receiver.port})
        messenger = HttpsMessenger(
            resolver=answering(PUBLIC, PRIVATE), trusted=authority.trusting(), timeout_seconds=5
        )
        first = messenger.post(f"https://{NAME}/hook", HEADERS, b"1")
        second = messenger.post(f"https://{NAME}/hook", HEADERS, b"2")

    # Asked once an attempt: the connection went to what was judged.
    assert first.succeeded
    assert failure(second) == ("refused_target", None)
    assert [request.body for request in receiver.requests] == [b"1"]
    assert routed["asked"] == 1


def test_one_private_address_spoils_a_name(routed: dict[str, int]) -> None:
    messenger = HttpsMessenger(resolver=lambda _host, _port: [PUBLIC, PRIVATE])

    attempt = messenger.post(f"https://{NAME}/hook", HEADERS, b"{}")

    assert attempt.error == "refused_target"
    assert routed["asked"] == 0


def test_next_address_is_tried_when_one_takes_no_connection(
    authority: Authority, routed: dict[str, int]
) -> None:
    other = ip_address("1.1.1.1")
    with receiving(authority.serving(NAME)) as receiver:
        routed.update({str(PUBLIC): free_port(), str(other): receiver.port})
        messenger = HttpsMessenger(
            resolver=lambda _host, _port: [PUBLIC, other],
            trusted=authority.trusting(),
            timeout_seconds=5,
        )
        attempt = messenger.post(f"https://{NAME}/hook", HEADERS, b"{}")

    assert attempt.succeeded
    assert routed["asked"] == 2


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "::ffff:127.0.0.1"]
)
def test_no_message_goes_to_such_an_address_even_where_loopback_is_allowed(
    routed: dict[str, int], address: str
) -> None:
    messenger = local(resolver=answering(ip_address(address)))

    attempt = messenger.post(f"https://{NAME}/hook", HEADERS, b"{}")

    assert attempt.error == "refused_target"
    assert routed["asked"] == 0


def test_url_that_was_allowed_once_is_looked_at_again() -> None:
    """The setting may have changed since the webhook was made."""
    attempt = HttpsMessenger().post("http://127.0.0.1:9/", HEADERS, b"{}")
    assert attempt.error == "refused_target"
