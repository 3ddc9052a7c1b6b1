"""CVV2s of ours and of psec, an independent implementation, for random keys, numbers and months."""

import os
import random
import subprocess
import sys

from psec import cvv

CASES = 2_000


def example() -> str:
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    return os.path.join(target, "debug", "examples", "cvv")


def check_digit(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def case(dice: random.Random) -> tuple[str, str, str]:
    key = bytes(dice.randrange(256) for _ in range(16)).hex().upper()
    length = dice.randrange(12, 20)
    digits = "990000" + "".join(str(dice.randrange(10)) for _ in range(length - 7))
    return key, digits + check_digit(digits), f"{dice.randrange(100):02}{dice.randrange(1, 13):02}"


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    cases = [case(dice) for _ in range(CASES)]
    lines = "".join(" ".join(one) + "\n" for one in cases)
    run = subprocess.run([example()], input=lines, capture_output=True, text=True, check=True)
    answers = run.stdout.split()
    assert len(answers) == CASES, f"{len(answers)} answers to {CASES} cases"
    differing = 0
    for (key, pan, expiry), ours in zip(cases, answers):
        theirs = cvv.generate_cvv(bytes.fromhex(key), pan, expiry, "000")
        if ours != theirs:
            differing += 1
            print(f"differs: {key} {pan} {expiry}: {ours} and {theirs}")
    print(f"{CASES - differing} of {CASES} CVV2s are the same")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
