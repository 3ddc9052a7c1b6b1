#!/usr/bin/env python3
"""A bank partner that is not ours: hands a camt.054 file to a running Bursar platform and prints what became of it.

Needs grpcio, grpcio-tools and protobuf. It generates its client from the public contract in proto/, shows the
partner's certificate that endpoints.json names, and may call nothing but the bank's own methods.

    bursar up --data ./bursar-data
    python3 deploy/examples/bank_partner.py --data ./bursar-data --file notification.xml
"""

import argparse
import json
import pathlib
import sys
import tempfile
import uuid

import grpc
from google.protobuf import any_pb2
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 30


def generate_client(folder: str) -> None:
    """Compiles the contract into Python modules."""
    protos = sorted(str(path) for path in (ROOT / "proto").rglob("*.proto"))
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    arguments = [f"-I{ROOT / 'proto'}", f"-I{include}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(["protoc", *arguments, *protos]) != 0:
        sys.exit("the contract does not compile")
    sys.path.insert(0, folder)


def connect(data: pathlib.Path, caller: str) -> grpc.Channel:
    """A connection to the gateway with the certificate of `caller`."""
    endpoints = json.loads((data / "endpoints.json").read_text())
    files = endpoints["tls"] if caller == "operator" else endpoints["certificates"][caller]
    credentials = grpc.ssl_channel_credentials(
        root_certificates=pathlib.Path(files["ca"]).read_bytes(),
        private_key=pathlib.Path(files["key"]).read_bytes(),
        certificate_chain=pathlib.Path(files["cert"]).read_bytes(),
    )
    return grpc.secure_channel(endpoints["gateway"]["grpc"].removeprefix("https://"), credentials)


def reason_of(error: grpc.RpcError) -> str:
    """The stable reason of an error: google.rpc.ErrorInfo in the details (AIP-193)."""
    # google.rpc.Status is {code: 1, message: 2, details: 3 repeated Any}; ErrorInfo is {reason: 1, …}.
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in fields(value, 3):
            packed = any_pb2.Any.FromString(detail)
            if packed.TypeName() == "google.rpc.ErrorInfo":
                return fields(packed.value, 1)[0].decode()
    return ""


def fields(message: bytes, wanted: int) -> list:
    """The values of a length-delimited field of a protobuf message."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 2:
            length = varint()
            if tag >> 3 == wanted:
                found.append(message[at : at + length])
            at += length
        else:
            varint()
    return found


def import_file(channel: grpc.Channel, content: bytes, request_id: str = ""):
    """Hands the file in. The request id makes a repetition safe: give the same one when asking again."""
    from bursar.gateway.v1 import bank_file_service_pb2 as messages
    from bursar.gateway.v1 import bank_file_service_pb2_grpc as service

    stub = service.BankFileServiceStub(channel)
    request = messages.ImportBankFileRequest(request_id=request_id or str(uuid.uuid4()), content=content)
    return stub.ImportBankFile(request, timeout=DEADLINE_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the running platform")
    parser.add_argument("--file", type=pathlib.Path, required=True, help="camt.054 document")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate_client(folder)
        from bursar.gateway.v1 import bank_file_service_pb2 as messages

        with connect(arguments.data, "partner") as channel:
            try:
                answer = import_file(channel, arguments.file.read_bytes())
            except grpc.RpcError as error:
                sys.exit(f"{error.code().name} {reason_of(error)}: {error.details()}")
        note = " (the file was imported before)" if answer.duplicate else ""
        print(f"{answer.bank_file.bank_file_id} {answer.bank_file.document_type}{note}")
        for entry in answer.entries:
            outcome = messages.BankEntryOutcome.Name(entry.outcome).removeprefix("BANK_ENTRY_OUTCOME_")
            print(f"  {entry.bank_transaction_id}  {entry.amount.minor_units} {entry.amount.asset}  {outcome}")


if __name__ == "__main__":
    main()
