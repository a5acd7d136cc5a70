# BMS Manager. Two commands matter: `make lab` and `make test`. Both install what they need (Debian 12, root).

STORY ?= 1
ONLY ?=
QUICK ?=
ROOT ?=
FABRIC ?= enterprise

# What only root is told to use (/usr/sbin) lies beside what everybody is.
export PATH := $(PATH):/usr/sbin:/sbin
# Many images set RUST_BACKTRACE. A person who wants a failure's stack frames says so: `make lab RUST_BACKTRACE=1`.
QUIETLY := $(if $(filter environment,$(origin RUST_BACKTRACE)),env -u RUST_BACKTRACE)

.PHONY: help lab lab-down test check fuzz cloud-image bench fresh setup build

help:
	@echo "make lab         build all, start OpenStack and a virtual rack, play the first server's story, leave it running"
	@echo "make lab STORY=0 the same without the story"
	@echo "make lab FABRIC=sp the same on a fabric of the service provider style; without it, of the enterprise style"
	@echo "make lab-down    stop all of it and leave nothing behind"
	@echo "make test        formatting, lints and every test, the whole story included"
	@echo "make check       formatting, lints, documentation, and the licences and known faults of what we use"
	@echo "make fuzz        every parser under a fuzzer for a minute (TARGET=name for one, SECONDS=600 for longer)"
	@echo "make cloud-image  a Debian cloud image, made here, deployed to virtual servers and started by BIOS, UEFI and with Secure Boot"
	@echo "make fresh       an empty Debian 12, twice, in namespaces of its own: install, build and start the lab there (ROOT=debian or ROOT=backports for one)"
	@echo "make setup       install Debian's packages, look whether every program and file that is needed is there"
	@echo "make bench       speeds and sizes beside goals and peers (ONLY=name for one, ONLY=stock for those beside the stock stack, QUICK=1 for a first look)"

setup:
	@tests/setup.sh

build: setup
	cargo build --quiet --workspace --exclude ramdisk --exclude tenant-init --bins

lab: build
	$(QUIETLY) target/debug/lab up --fabric $(FABRIC) $(if $(filter 0,$(STORY)),--no-story)

lab-down:
	@if [ -x target/debug/lab ]; then $(QUIETLY) target/debug/lab down; fi

check: setup
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps
	tests/deny.sh

test: check build
	tests/run.sh

fuzz: setup
	SECONDS_EACH=$(or $(SECONDS),60) TARGET=$(TARGET) tests/fuzz.sh

fresh: setup
	tests/fresh.sh $(ROOT)

cloud-image: setup
	cargo nextest run -p agent --test cloud_image_qemu --run-ignored all --no-capture

bench: build
	cargo build --quiet --profile speed -p tests --bin speeds
	$(QUIETLY) target/debug/lab bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)
