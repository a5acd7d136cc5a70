#!/bin/sh
# Prepares the machine: a Rust toolchain, and the packages of the lab. `make lab` itself is left to the person.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends build-essential ca-certificates curl git make >/dev/null
if ! [ -x /root/.cargo/bin/cargo ]; then
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt
fi
ln -sf /root/.cargo/bin/cargo /root/.cargo/bin/rustc /root/.cargo/bin/rustup /usr/local/bin/
/home/vagrant/bms-manager/tests/setup.sh
echo "ready: vagrant ssh, then: sudo -i make -C /home/vagrant/bms-manager lab"
