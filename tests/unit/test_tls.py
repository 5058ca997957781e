"""Whom the transport trusts: certificates made with OpenSSL, over loopback sockets."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tieout import transport
from tieout.errors import Code, Fate, Fault
from tieout.transport import HTTPTransport
from tieout.wire import Request

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
HERE, ELSEWHERE = "subjectAltName=IP:127.0.0.1", "subjectAltName=DNS:other.example"
NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
CONFIGURATION = """
[ca]
default_ca = own
[own]
dir = .
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
"""


class Authority:
    """A certificate authority of the tests' own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "index.txt").write_text("")
        (folder / "serial.txt").write_text("01")
        (folder / "own.cnf").write_text(CONFIGURATION)
        self.openssl(
            f"req -x509 -config own.cnf -extensions authority -days 30 {NEW_KEY} "
            "-keyout ca.key -out ca.pem -subj /CN=Authority"
        )
        self.certificate = folder / "ca.pem"

    def openssl(self, line: str) -> None:
        """Run it in the folder; whatever it complains about is an error."""
        command = ["openssl", *line.split()]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def issue(self, name: str, hosts: str, first: str, last: str) -> Path:
        """A certificate with its key, valid from one day through another."""
        self.openssl(
            f"req -config own.cnf {NEW_KEY} -keyout {name}.key "
            f"-out {name}.csr -subj /CN={name} -addext {hosts}"
        )
        self.openssl(
            "ca -batch -notext -config own.cnf -keyfile ca.key -cert ca.pem "
            f"-in {name}.csr -out {name}.pem -startdate {first} -enddate {last}"
        )
        return self.joined(name)

    def joined(self, name: str) -> Path:
        """Key and certificate in one file, as a server loads them."""
        both = self.folder / f"{name}.both"
        both.write_bytes(
            (self.folder / f"{name}.key").read_bytes()
            + (self.folder / f"{name}.pem").read_bytes()
        )
        return both


PAST, NOT_LONG_AGO, FUTURE = "20200101000000Z", "20200201000000Z", "20491231000000Z"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def certificates(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    stranger = Authority(tmp_path_factory.mktemp("tls") / "stranger")
    stranger.openssl(
        f"req -x509 -config own.cnf {NEW_KEY} -days 30 "
        f"-keyout self.key -out self.pem -subj /CN=self -addext {HERE}"
    )
    return {
        "good": authority.issue("good", HERE, PAST, FUTURE),
        "expired": authority.issue("expired", HERE, PAST, NOT_LONG_AGO),
        "not yet valid": authority.issue("early", HERE, "20490101000000Z", FUTURE),
        "wrong host": authority.issue("wrong", ELSEWHERE, PAST, FUTURE),
        "unknown authority": stranger.issue("unknown", HERE, PAST, FUTURE),
        "self-signed": stranger.joined("self"),
    }


class Server:
    """An HTTPS server on loopback that remembers what was asked."""

    def __init__(
        self,
        certificate: Path,
        serve: Callable[[ssl.SSLSocket], None] = lambda talk: talk.sendall(ANSWER),
        *,
        latest: ssl.TLSVersion | None = None,
    ) -> None:
        self.asked: list[bytes] = []
        self._serve = serve
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        if latest is not None:
            self._context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                self._context.minimum_version = ssl.TLSVersion.TLSv1
                self._context.maximum_version = latest
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            with plain:
                try:
                    with self._context.wrap_socket(plain, server_side=True) as talk:
                        while got := talk.recv(65536):
                            self.asked.append(got)
                            self._serve(talk)
                except OSError:
                    continue  # refused by the client, or gone

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def http(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HTTPTransport]:
    """A transport whose process trusts the tests' authority as if it were public."""
    trust = transport._trust.__wrapped__()
    trust.load_verify_locations(authority.certificate)
    monkeypatch.setattr(transport, "_trust", lambda: trust)
    made = HTTPTransport()
    yield made
    made.close()


def refused(http: HTTPTransport, url: str, timeout: float = 5) -> None:
    write = Request("POST", url, headers={"X-Key": "CANARY"}, json={}, effect=True)
    with pytest.raises(Fault) as caught:
        http.send(write, timeout)
    assert (caught.value.code, caught.value.fate) == (Code.NOT_REACHED, Fate.NOT_SENT)


def test_a_certificate_of_a_trusted_authority_is_good(
    http: HTTPTransport, certificates: dict[str, Path]
) -> None:
    """X5: the other tests refuse for the reason that they name, and for no other."""
    server = Server(certificates["good"])
    assert http.send(Request("GET", server.url), 5).body == b"fine"
    server.close()


@pytest.mark.parametrize(
    "kind",
    ["self-signed", "expired", "not yet valid", "wrong host", "unknown authority"],
)
def test_a_certificate_that_is_not_good_is_refused(
    http: HTTPTransport, certificates: dict[str, Path], kind: str
) -> None:
    """X5: nothing is sent, and it is certain that nothing was."""
    server = Server(certificates[kind])
    refused(http, server.url)
    assert server.asked == []
    server.close()


@pytest.mark.parametrize("latest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_an_old_version_of_tls_is_refused(
    http: HTTPTransport, certificates: dict[str, Path], latest: ssl.TLSVersion
) -> None:
    """X5: 1.2 is the least."""
    server = Server(certificates["good"], latest=latest)
    refused(http, server.url)
    assert server.asked == []
    server.close()


def test_the_environment_adds_nobody_to_be_trusted(
    authority: Authority,
    certificates: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """X5, X27: neither an authority, nor a switch that turns the check off."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority.certificate))
    monkeypatch.setenv("SSL_CERT_DIR", str(authority.folder))
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    monkeypatch.setattr(transport, "_trust", transport._trust.__wrapped__)
    http, server = HTTPTransport(), Server(certificates["good"])
    refused(http, server.url)
    assert server.asked == []
    http.close()
    server.close()


def test_the_authorities_are_read_once_for_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading them takes a tenth of a second and more, for each client."""
    read: list[int] = []
    create = ssl.create_default_context

    def counted(**named: Any) -> ssl.SSLContext:
        read.append(1)
        return create(**named)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    transport._trust.cache_clear()
    for _ in range(3):
        HTTPTransport().close()
    assert read == [1]


def test_a_handshake_that_drips_ends_in_time(http: HTTPTransport) -> None:
    """H19: a byte now and then does not keep a handshake alive."""
    ending = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            talk, _ = listening.accept()
            with talk:
                # The head of a record of 16 kB, then its bytes, one by one.
                talk.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
                while not ending.wait(0.02):
                    try:
                        talk.sendall(b"\x00")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        refused(http, f"https://127.0.0.1:{listening.getsockname()[1]}/", 0.4)
        ending.set()
        thread.join(5)


def test_a_reset_before_the_first_byte_is_not_sent(
    http: HTTPTransport, certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """H20: the bytes of the request count, not those of TLS."""
    answered, ended = threading.Event(), threading.Event()

    def answer_and_reset(talk: ssl.SSLSocket) -> None:
        talk.sendall(ANSWER)
        assert answered.wait(5)
        abrupt = struct.pack("ii", 1, 0)
        talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abrupt)
        talk.close()
        ended.set()

    def unseen(self: transport._TimedStream, info: str) -> object:
        return False if info == "is_readable" else self._stream.get_extra_info(info)

    monkeypatch.setattr(transport._TimedStream, "get_extra_info", unseen)
    server = Server(certificates["good"], answer_and_reset)
    assert http.send(Request("GET", server.url), 5).status == 200
    answered.set()
    assert ended.wait(5)
    refused(http, server.url)
    assert len(server.asked) == 1
    server.close()
