#!/usr/bin/env python3
"""The bank partner's example client against a real platform: a client that is not ours can use the contract."""

import pathlib
import signal
import subprocess
import sys
import tempfile
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "examples"))

import bank_partner  # noqa: E402
import grpc  # noqa: E402

SAMPLE = (ROOT / "deploy/examples/credit_notification.xml").read_bytes()
READY_SECONDS = 120


def refused(call, code: grpc.StatusCode, reason: str) -> None:
    try:
        call()
    except grpc.RpcError as error:
        found = (error.code(), bank_partner.reason_of(error))
        assert found == (code, reason), f"expected {code} {reason}, got {found}: {error.details()}"
        return
    raise AssertionError(f"expected {reason}, and the call was let in")


def check(data: pathlib.Path, generated: str) -> int:
    bank_partner.generate_client(generated)
    from bursar.gateway.v1 import bank_file_service_pb2 as messages

    passed = 0
    with bank_partner.connect(data, "partner") as channel:
        request_id = str(uuid.uuid4())
        first = bank_partner.import_file(channel, SAMPLE, request_id)
        outcomes = [entry.outcome for entry in first.entries]
        assert outcomes == [messages.BANK_ENTRY_OUTCOME_SUSPENSE], outcomes
        assert (first.entries[0].amount.minor_units, first.entries[0].amount.asset) == (25000, "CNY")
        passed += 1

        assert bank_partner.import_file(channel, SAMPLE, request_id) == first, "the same request, the same answer"
        again = bank_partner.import_file(channel, SAMPLE)
        assert again.duplicate and again.bank_file.bank_file_id == first.bank_file.bank_file_id
        passed += 1

        other = SAMPLE.replace(b"250.00", b"251.00")
        refused(
            lambda: bank_partner.import_file(channel, other, request_id),
            grpc.StatusCode.ALREADY_EXISTS,
            "REQUEST_ID_REUSED",
        )
        refused(
            lambda: bank_partner.import_file(channel, SAMPLE[:-20]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "BANK_FILE_INVALID",
        )
        passed += 1
    with bank_partner.connect(data, "backend") as channel:
        refused(
            lambda: bank_partner.import_file(channel, SAMPLE),
            grpc.StatusCode.PERMISSION_DENIED,
            "CALLER_NOT_ALLOWED",
        )
        passed += 1
    # The example as a person runs it.
    example = [sys.executable, str(ROOT / "deploy/examples/bank_partner.py")]
    files = ["--data", str(data), "--file", str(ROOT / "deploy/examples/credit_notification.xml")]
    said = subprocess.run([*example, *files], check=True, capture_output=True, text=True).stdout
    assert "SUSPENSE" in said and "imported before" in said, said
    return passed + 1


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        command = [str(ROOT / "target/debug/bursar"), "up", "--ports", "free", "--data", str(data)]
        platform = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            for line in platform.stdout:
                if line.startswith("bursar is ready"):
                    break
            else:
                sys.exit("the platform does not serve")
            generated = pathlib.Path(folder) / "client"
            generated.mkdir()
            passed = check(data, str(generated))
        finally:
            platform.send_signal(signal.SIGTERM)
            platform.communicate(timeout=READY_SECONDS)
        assert platform.returncode == 0, f"the platform ended with {platform.returncode}"
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
