# Reads and writes messages with pyiso8583 for as long as it is told, and says how many that were.
#
# In: the messages as hexadecimal digits, a line each, and an empty line. Then, a line each: seconds.
# Out: "ready VERSION", or "not the same" if a message does not come out as it went in. Then, for each line:
# how many messages, and the seconds that took.
import importlib.metadata
import sys
import time

import iso8583
import iso8583.specs

spec = iso8583.specs.default
messages = []
for line in sys.stdin:
    if not line.strip():
        break
    messages.append(bytes.fromhex(line))
for message in messages:
    fields, _ = iso8583.decode(message, spec)
    written, _ = iso8583.encode(fields, spec)
    if written != message:
        sys.exit(print("not the same"))
print("ready", importlib.metadata.version("pyiso8583"), flush=True)
for line in sys.stdin:
    seconds = float(line)
    count, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < seconds:
        for message in messages:
            fields, _ = iso8583.decode(message, spec)
            iso8583.encode(fields, spec)
        count += len(messages)
    print(count, taken, flush=True)
