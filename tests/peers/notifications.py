#!/usr/bin/env python3
"""Webhook signatures against the published library, and mail against a real SMTP server: neither is ours."""

import asyncio
import base64
import datetime
import email
import email.policy
import ipaddress
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

ROOT = pathlib.Path(__file__).resolve().parents[2]
MESSAGE_ID = "msg_01j9zq8m7x4v6k2w3h5t8n0p1r"


class Peer:
    """Our side: the crate's example, an order and an answer a line."""

    def __init__(self) -> None:
        program = ["cargo", "run", "--quiet", "--package", "bursar-notifications", "--example", "peer"]
        self.process = subprocess.Popen(
            program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, **order) -> dict:
        self.process.stdin.write(json.dumps(order) + "\n")
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(30) == 0


def check_signatures(peer: Peer) -> int:
    passed = 0
    for number in range(50):
        body = json.dumps({"type": "ledger.payment.approved", "data": {"n": number, "名": "李娜"}}, ensure_ascii=False)
        headers = {"webhook-id": f"evt_{number}", "webhook-timestamp": str(int(time.time()))}
        made = peer.ask(
            do="sign", id=headers["webhook-id"], timestamp=int(headers["webhook-timestamp"]), body=body
        )
        headers["webhook-signature"] = made["signature"]
        assert Webhook(made["secret"]).verify(body, headers) == json.loads(body)
        try:
            Webhook(made["secret"]).verify(body.replace("approved", "declined"), headers)
        except WebhookVerificationError:
            passed += 1
        else:
            raise AssertionError("a changed body was verified")
        signature = next(one for one in made["signature"].split() if one.startswith("v1a,"))
        key = base64.b64decode(made["public_key"].removeprefix("whpk_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
        public = ed25519.Ed25519PublicKey.from_public_bytes(key)
        public.verify(base64.b64decode(signature.removeprefix("v1a,")), signed)
        passed += 1
    return passed


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Inbox:
    """What the server got, and how it answers."""

    def __init__(self) -> None:
        self.mails = []
        self.answer = "250 OK"
        self.hang = False

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.hang:
            await asyncio.sleep(5)
        self.mails.append((session.ssl is not None, envelope))
        return self.answer


def authority(folder: pathlib.Path) -> tuple[pathlib.Path, ssl.SSLContext]:
    now = datetime.datetime.now(datetime.timezone.utc)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "server")}

    def certificate(name: str, is_ca: bool) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(keys[name].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(keys["ca"], hashes.SHA256())
        )

    ca, pem = folder / "ca.pem", folder / "server.pem"
    ca.write_bytes(certificate("ca", True).public_bytes(serialization.Encoding.PEM))
    key = keys["server"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(certificate("server", False).public_bytes(serialization.Encoding.PEM) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return ca, context


def check_mail(peer: Peer, folder: pathlib.Path) -> int:
    ca, context = authority(folder)
    inbox = Inbox()
    port, plain_port = free_port(), free_port()
    encrypted = Controller(inbox, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True)
    plain = Controller(Inbox(), hostname="127.0.0.1", port=plain_port)
    encrypted.start()
    plain.start()

    def send(ca_file=ca, to_port=port, security="starttls", text="您的卡已冻结。\n.\n如非本人操作,请联系我们。"):
        return peer.ask(
            do="mail", port=to_port, security=security, ca=ca_file and str(ca_file), to="li.na@example.com",
            title="卡片冻结提醒", text=text, message_id=MESSAGE_ID,
        )["outcome"]

    try:
        assert send() == "sent"
        assert send() == "sent"
        for encrypted_session, envelope in inbox.mails:
            assert encrypted_session, "the mail went over an open connection"
            assert envelope.rcpt_tos == ["li.na@example.com"] and envelope.mail_from == "no-reply@bank.example"
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert mail["Message-ID"] == f"<{MESSAGE_ID}@bank.example>", mail["Message-ID"]
            assert mail["Subject"] == "卡片冻结提醒" and mail["Auto-Submitted"] == "auto-generated"
            text = mail.get_body(("plain",)).get_content()
            assert text.split() == ["您的卡已冻结。", ".", "如非本人操作,请联系我们。"], text
        inbox.answer = "451 try later"
        assert send() == "again"
        inbox.answer = "554 no"
        assert send() == "refused"
        inbox.answer, inbox.hang = "250 OK", True
        found = send()
        assert found == "uncertain", f"accepted after the time-out, which nobody knows: {found}"
        inbox.hang = False
        before = len(inbox.mails)
        assert send(ca_file=None) != "sent", "a certificate of nobody we trust was taken"
        assert send(to_port=plain_port) != "sent", "the mail went to a server without STARTTLS"
        assert not plain.handler.mails and len(inbox.mails) == before
        assert send(to_port=plain_port, security="none", ca_file=None) == "sent", "the sandbox may"
        return 9
    finally:
        encrypted.stop()
        plain.stop()


def main() -> int:
    peer = Peer()
    with tempfile.TemporaryDirectory() as folder:
        passed = check_signatures(peer) + check_mail(peer, pathlib.Path(folder))
    peer.close()
    print(f"{passed} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
