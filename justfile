# Short names for the commands that CI and the documents also use.

# The platform, until Ctrl-C.
up *ARGS:
    cargo run --release -- up {{ARGS}}

# A customer's journey through the whole platform.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Formatting, lints, every test on both databases, the journeys.
test:
    cargo xtask test

# What needs programs of others.
peers:
    cargo xtask test --peers

# The long forms of the fault tests.
soak:
    cargo xtask soak

# Formatting and lints alone.
lint:
    cargo xtask lint

# Licences, bans, sources and the advisory database (needs the open internet).
advisories:
    cargo xtask advisories

# Measures one figure set: `just bench ledger --quick`.
bench NAME *ARGS:
    cargo run --release -- bench {{NAME}} {{ARGS}}

# Load on the ledger for minutes: 256 calls in flight, each a durable transfer.
load *ARGS:
    cargo run --release -- bench ledger {{ARGS}}

# Formats code and contract.
fmt:
    cargo fmt --all
    npx --yes @bufbuild/buf@1.75.0 format --write

# The documentation of all crates.
docs:
    cargo doc --workspace --no-deps --open
