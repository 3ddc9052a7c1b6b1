# Short names for the commands that CI and the documents also use.

# The platform, until Ctrl-C.
up *ARGS:
    cargo run --release -- up {{ARGS}}

# A customer's journey through the whole platform.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# The book of card payments: `just scenario hotel-stay`, `just scenario all`.
scenario *NAMES:
    cargo run --release -- scenario run {{NAMES}}

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

# A durable PostgreSQL to measure on, until Ctrl-C.
postgres:
    cargo xtask postgres

# Measures our paths against their references: `just bench ledger --quick`, `just bench ledger --only start --plot x.svg`.
bench NAME *ARGS:
    cargo run --release -- bench {{NAME}} {{ARGS}}

# Load on the ledger: 256 durable transfers in flight one a call, 1024 on a stream, 10 million in bulk.
load *ARGS:
    cargo run --release -- bench ledger --only unary_256,stream_1024,growth {{ARGS}}

# Formats code and contract.
fmt:
    cargo fmt --all
    npx --yes @bufbuild/buf@1.75.0 format --write

# The documentation of all crates.
docs:
    cargo doc --workspace --no-deps --open
