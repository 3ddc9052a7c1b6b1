#!/usr/bin/env python3
"""Our ISO 8583 codec against an independent one, pyiso8583 (PyPI), in both directions.

For each built-in profile thousands of random messages are made, and for each one:

  1. pyiso8583 encodes it, we decode the bytes: the fields must be the same;
  2. we encode it: the bytes must be those pyiso8583 wrote;
  3. pyiso8583 decodes our bytes: the fields must be the same.

The layout is described to pyiso8583 by translating our profile; for the two profiles that it has a specification of its
own for, that one is used as well, untranslated. Then bytes are spoilt at random: whatever we accept, pyiso8583 must
accept with the same fields, or be known not to look at it.

    pip install pyiso8583
    python3 tests/peers/iso8583_differential.py [--count 5000] [--seed N] [--binary target/debug/examples/iso8583_json]

The seed is printed; the same seed repeats the same messages. Exit status 0 only if both agreed on every message.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys

import iso8583
import iso8583.specs

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILES = ["iso87-ascii", "iso87-hexbitmap", "iso87-bcd", "iso87-ebcdic", "iso93"]
# pyiso8583's own specifications, and the profile of ours each must agree with.
STOCK = [("iso87-ascii", iso8583.specs.default), ("iso87-hexbitmap", iso8583.specs.default_ascii)]
# Both take field 65 for something else: a third bitmap there, an ordinary field here.
SKIPPED = {"65"}

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz "
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
SPECIALS = "".join(c for c in PRINTABLE if not c.isalnum() and c != " ")
ALPHABETS = {
    "n": DIGITS,
    "a": LETTERS,
    "an": LETTERS + DIGITS,
    "ns": DIGITS + SPECIALS,
    "as": LETTERS + SPECIALS,
    "ans": PRINTABLE,
    "z": "0123456789:;<=>?",
    "x+n": DIGITS,
    "ansb": "".join(map(chr, range(256))),
    "b": "0123456789ABCDEF",
}


class Disagreement(Exception):
    pass


def run(binary, arguments, lines=()):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([binary, *arguments], input=text, capture_output=True, encoding="utf-8", check=True)
    # Not splitlines(): that also splits at characters that stand inside the strings.
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def is_packed(field):
    return field["encoding"] == "bcd"


def text_encoding(field):
    return {"ascii": "latin-1", "ebcdic": "cp500"}[field["encoding"]]


def translate(described):
    """The specification of pyiso8583 that says what our profile says."""
    head = bytes.fromhex(described["empty_0800"])
    encodings = {b"\x08\x00": "b", b"0800": "ascii", "0800".encode("cp500"): "cp500"}
    mti = next(written for written in encodings if head.startswith(written))
    bitmap = head[len(mti):]
    hexadecimal = len(bitmap) == 16
    spec = {
        "h": {"data_enc": "ascii", "len_enc": "ascii", "len_type": 0, "max_len": 0, "desc": ""},
        "t": {"data_enc": encodings[mti], "len_enc": "ascii", "len_type": 0, "max_len": len(mti), "desc": ""},
    }
    for key in ("p", "1"):
        spec[key] = {
            "data_enc": "ascii" if hexadecimal else "b",
            "len_enc": "ascii",
            "len_type": 0,
            "max_len": len(bitmap),
            "desc": "",
        }
    for number, field in described["fields"].items():
        entry = {"len_enc": "ascii", "len_type": 0, "max_len": field["max"], "desc": ""}
        if field["length"]:
            names = {"ascii": "ascii", "ebcdic": "cp500", "bcd": "bcd", "binary": "b"}
            entry["len_enc"] = names[field["length"]["encoding"]]
            entry["len_type"] = field["length"]["bytes"]
        if field["encoding"] == "binary":
            entry["data_enc"] = "b"
        elif field["encoding"] == "hex":
            entry["data_enc"] = "ascii"
            entry["max_len"] = field["max"] * 2
        elif is_packed(field) and field["class"] == "x+n":
            # The sign is a byte, the rest two digits a byte.
            entry["data_enc"] = "b"
            entry["max_len"] = 1 + field["max"] // 2
        elif is_packed(field):
            entry["data_enc"] = "b"
            entry["len_count"] = "nibbles"
            entry["left_pad" if field["pad"]["left"] else "right_pad"] = field["pad"]["nibble"]
        else:
            entry["data_enc"] = text_encoding(field)
        spec[number] = entry
    return spec


def theirs_of(field, value):
    """Our value of a field as pyiso8583 has it."""
    if is_packed(field) and field["class"] == "x+n":
        return value[0].encode("ascii").hex().upper() + value[1:]
    if is_packed(field):
        return "".join(f"{ord(c) - 0x30:X}" for c in value)
    return value


def ours_of(field, value):
    """pyiso8583's value of a field as we have it."""
    if is_packed(field) and field["class"] == "x+n":
        return chr(int(value[:2], 16)) + value[2:]
    if is_packed(field):
        return "".join(chr(0x30 + int(c, 16)) for c in value)
    return value


def random_message(rng, fields):
    everything = [number for number in fields if number not in SKIPPED]
    chosen = rng.sample(everything, rng.randrange(0, min(40, len(everything)) + 1))
    message = {"t": "".join(rng.choice(DIGITS) for _ in range(4))}
    for number in sorted(chosen, key=int):
        field = fields[number]
        length = field["max"]
        if field["length"]:
            length = rng.choice([0, 1, length, rng.randrange(0, length + 1)])
        size = length * 2 if field["class"] == "b" else length
        value = "".join(rng.choices(ALPHABETS[field["class"]], k=size))
        if field["class"] == "x+n":
            value = rng.choice("CD") + value[1:]
        message[number] = value
    return message


def as_ours(document, fields):
    """A document of pyiso8583 without its bitmaps, values as ours."""
    out = {"t": document["t"]}
    for number, value in document.items():
        if number not in ("h", "t", "p", "1"):
            out[number] = ours_of(fields[number], value)
    return out


def differ(what, ours, theirs):
    keys = sorted(set(ours) | set(theirs))
    places = [key for key in keys if ours.get(key) != theirs.get(key)]
    first = places[0] if places else "?"
    raise Disagreement(f"{what}: {places}: ours {ours.get(first)!r}, theirs {theirs.get(first)!r}; {ours.get('error', '')}")


def compare(binary, name, spec, fields, messages):
    encoded = []
    for message in messages:
        theirs = {"t": message["t"]}
        theirs.update({n: theirs_of(fields[n], v) for n, v in message.items() if n != "t"})
        encoded.append(bytes(iso8583.encode(theirs, spec)[0]).hex().upper())
    decoded = run(binary, [name], ({"decode": line} for line in encoded))
    written = run(binary, [name], ({"encode": message} for message in messages))
    if not len(decoded) == len(written) == len(messages):
        raise Disagreement("not every line was answered")
    for message, theirs, ours, back in zip(messages, encoded, decoded, written):
        if ours != message:
            differ("decoding what pyiso8583 encoded", ours, message)
        if back.get("hex") != theirs:
            raise Disagreement(f"encoding {message}: ours {back}, theirs {theirs}")
        document = as_ours(iso8583.decode(bytes.fromhex(back["hex"]), spec)[0], fields)
        if document != message:
            differ("pyiso8583 decoding what we encoded", message, document)
    return encoded


def spoil(rng, text):
    raw = bytearray.fromhex(text)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(raw))
        what = rng.randrange(3)
        if what == 0:
            raw[place] ^= 1 << rng.randrange(8)
        elif what == 1:
            raw.insert(place, raw[place])
        else:
            del raw[place]
        if not raw:
            raw.append(0)
    return bytes(raw).hex().upper()


def compare_spoilt(binary, name, spec, fields, lines):
    """Whatever we accept pyiso8583 accepts, with the same fields."""
    accepted = 0
    for line, ours in zip(lines, run(binary, [name], ({"decode": line} for line in lines))):
        if "error" in ours or SKIPPED & ours.keys():
            continue
        try:
            theirs = as_ours(iso8583.decode(bytes.fromhex(line), spec)[0], fields)
        except iso8583.DecodeError as error:
            raise Disagreement(f"we accept {line}, pyiso8583 does not: {error}") from error
        if ours != theirs:
            differ(f"decoding spoilt {line}", ours, theirs)
        accepted += 1
    return accepted


def check(binary, label, name, spec, fields, rng, count):
    messages = [random_message(rng, fields) for _ in range(count)]
    encoded = compare(binary, name, spec, fields, messages)
    spoilt = [spoil(rng, line) for line in encoded]
    accepted = compare_spoilt(binary, name, spec, fields, spoilt)
    print(f"{label:<37} {count} messages both ways, {len(spoilt)} spoilt of which {accepted} still messages: agreed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000, help="messages for each profile")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--binary", default=None, help="the iso8583_json example; built if not given")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    binary = options.binary
    if binary is None:
        build = ["cargo", "build", "--quiet", "-p", "bursar-iso8583", "--example", "iso8583_json"]
        subprocess.run(build, cwd=ROOT, check=True)
        binary = str(ROOT / "target" / "debug" / "examples" / "iso8583_json")
    try:
        for name in PROFILES:
            described = run(binary, ["--describe", name])[0]
            rng = random.Random(f"{seed} {name}")
            check(binary, name, name, translate(described), described["fields"], rng, options.count)
        for name, spec in STOCK:
            fields = run(binary, ["--describe", name])[0]["fields"]
            # Their text is ASCII: leave out what is not.
            fields = {n: dict(f, **{"class": "ans" if f["class"] == "ansb" else f["class"]}) for n, f in fields.items()}
            rng = random.Random(f"{seed} stock {name}")
            messages = [random_message(rng, fields) for _ in range(options.count)]
            compare(binary, name, spec, fields, messages)
            print(f"{name + ', their specification':<37} {options.count} messages both ways: agreed")
    except Disagreement as error:
        print(f"DISAGREEMENT with seed {seed}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
