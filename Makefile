# The two commands of the README are `make run` and `make test`; the rest is for those who change Candor.
# On macOS and Windows `cargo run --release` and `cargo test --workspace` do the same.

# The agent refuses plugins that others may write to, so nothing is built group-writable.
SHELL := /bin/sh
masked := umask 022 &&

# A rustup just installed is not on the PATH of a shell that is already open.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help run test all demo soak scale fuzz bench fmt lint doc deny check-platforms

help:
	@echo 'make run               build the agent and start it with config/agent.toml; ARGS="--state DIR" adds arguments'
	@echo 'make test              build everything and run every test'
	@echo 'make demo              60 s of scripted input on a display of its own, and what the agent made of it'
	@echo 'make all               build everything for use'
	@echo 'make soak              a month of backlog, kills, cut networks and full disks for SOAK_MINUTES=10, then candor verify; needs root'
	@echo 'make scale             what a million objects that wait cost; takes minutes and 5 GB of disk'
	@echo 'make fuzz              any signals through the scripted detector for FUZZ_SECONDS=60, on the stable compiler; needs a C++ compiler'
	@echo 'make bench             measure'
	@echo 'make fmt lint doc deny format, clippy, documentation, licences'
	@echo 'make check-platforms   type-check for Windows and macOS'

run:
	@config/setup-debian.sh
	@$(masked) cargo build --release
	@$(masked) cargo run --release --quiet -- run --config config/agent.toml $(ARGS)

# Tests start the agent and load the plugins, so these are built first.
test:
	@config/setup-debian.sh --test
	@$(masked) cargo build --workspace
	@$(masked) cargo test --workspace $(ARGS)

all:
	@config/setup-debian.sh
	@$(masked) cargo build --release --workspace

demo:
	@config/setup-debian.sh --test
	@$(masked) cargo build --release
	@$(masked) tests/demo.sh

soak:
	@config/setup-debian.sh --test
	@$(masked) cargo build --release -p candor-host -p candor-local -p candor-s3 -p candor-gcs -p candor-faulty
	@$(masked) cargo run --release --quiet -p candor-rig --example soak

scale:
	@$(masked) CANDOR_OBJECTS=1000000 cargo bench --quiet -p candor-tests --bench scale

fuzz:
	@$(masked) cd tests/fuzz && cargo run --release --quiet -- -max_total_time=$${FUZZ_SECONDS:-60} -max_len=4096 -print_final_stats=1

bench:
	@config/setup-debian.sh --test
	@$(masked) cargo bench --workspace $(ARGS)

fmt:
	@cargo fmt --all

lint:
	@cargo clippy --workspace --all-targets -- -D warnings

doc:
	@RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

deny:
	@cargo deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing; run: cargo install --locked cargo-deny'; exit 1; }
	@cargo deny --workspace --config .ci/deny.toml check bans licenses sources

check-platforms:
	@.ci/check-platforms
