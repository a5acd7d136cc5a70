#!/bin/sh
# Plays an empty machine: a clean Debian 12 in namespaces of its own, with no more in it than README.md says that a person
# installs, and a clean clone of this checkout (with what is changed in tracked files and not yet committed).
#   tests/fresh.sh [--setup] [ROOT...]
# Runs `make lab STORY=0` there (or another STORY of the environment), or with --setup only what needs no build: `make setup`, and again without a network.
# ROOT is `debian` (as Debian ships it) or `backports` (an image that came with the qemu-utils of backports, and whose
# sources do not name them); both when none is given.
#
# Rust is this machine's own, mounted read-only, as rustup would have installed it; crates that it has fetched are taken
# along. Debian's packages come from where this machine has them from. Downloads are kept in .lab/cache/fresh. Nothing else
# is left behind, whatever ends it: mounts and processes go with the namespaces.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cache=$checkout/.lab/cache/fresh
place=$checkout/.lab/fresh
release=bookworm
story=${STORY:-0}

# Longest times, in seconds: for a base system, for the packages, for build and start.
BASE_MAX=600
SETUP_MAX=900
LAB_MAX=3600
# Room for a root, in GiB: with the packages alone, and with a build. It is in memory when twice as much is free there.
ROOM_SETUP=5
ROOM_LAB=12
# How long the second network may take to come, in tenths of a second.
NETWORK_MAX=100
# Configuration by which this machine reaches its registries, and variables that do the same.
REGISTRY_FILES="/etc/pip.conf $HOME/.config/pip/pip.conf $HOME/.cargo/config.toml"
REGISTRY_VARIABLES="http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL UV_INDEX_URL UV_DEFAULT_INDEX"

fail() {
    echo "fresh: $*" >&2
    exit 1
}

# What README.md tells a person to install.
readme_packages() {
    sed -n 's/.*`apt install \([a-z0-9 .+-]*\)`.*/\1/p' "$checkout/README.md" | head -n 1
}

# Lines for sources.list: where this machine has Debian's packages from.
debian_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)' 'Identifier: Packages' |
        awk -F '|' -v release="$release" '
            $3 == "main" && ($4 == "Debian" || $4 == "") &&
            ($2 == release || $2 == release "-updates" || $2 == release "-security") { print "deb", $1, $2, $3 }' | sort -u
}

# Makes the base system once: Debian, and what README.md says.
make_base() {
    mkdir -p "$cache/debs" "$cache/lists"
    apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$cache/apt.conf" || true
    sources=$(debian_sources)
    packages=$(readme_packages)
    [ -n "$packages" ] || fail "README.md does not say what to install (a line with \`apt install ...\`)"
    base=$cache/$release-$(echo "$packages $sources" | cksum | cut -d ' ' -f 1).tar
    [ ! -e "$base" ] || return 0
    echo "fresh: making a base system: Debian 12 and $packages"
    rm -f "$cache/$release"-*.tar
    echo "$sources" | timeout "$BASE_MAX" unshare --mount mmdebstrap --quiet --variant=minbase --format=tar \
        --aptopt="$cache/apt.conf" --aptopt='APT::Install-Recommends "true"' --dpkgopt=force-unsafe-io \
        --include="$(echo "$packages" | tr ' ' ',')" "$release" "$base.part" ${sources:+-} || fail "mmdebstrap failed"
    mv "$base.part" "$base"
}

free_memory_gib() {
    awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo
}

# Runs one root in namespaces of its own and waits for it.
play() {
    unshare --mount --pid --fork --kill-child=KILL --mount-proc "$0" --inside "$what" "$1" "$base" </dev/null &
    child=$!
    result=0
    wait "$child" || result=$?
    child=
    rm -rf --one-file-system "$place"
    return "$result"
}

clean_up() {
    # The namespaces' first process dies with its parent, all others with it, and the mounts with the last of them.
    [ -z "$child" ] || kill -KILL "$child" 2>/dev/null || true
    [ -z "$child" ] || wait "$child" 2>/dev/null || true
    rm -rf --one-file-system "$place"
}

# From here on: inside the namespaces, but still with this machine's files.

# in_root COMMAND...: runs it there as a person's shell would, in the network that was chosen.
in_root() {
    set -- env -i HOME=/root LANG=C.UTF-8 "TERM=${TERM:-dumb}" \
        PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
    set -- chroot "$root" "$@"
    [ -z "$network" ] || set -- nsenter "--net=$network" "$@"
    "$@"
}

# with_registries COMMAND...: the same with the variables by which this machine reaches its registries.
with_registries() {
    for name in $REGISTRY_VARIABLES; do
        eval "value=\${$name:-}"
        [ -z "$value" ] || set -- "$name=$value" "$@"
    done
    for name in SSL_CERT_FILE PIP_CERT; do
        eval "value=\${$name:-}"
        [ -z "$value" ] || set -- "$name=/etc/ssl/certs/ca-certificates.crt" "$@"
    done
    in_root "$@"
}

# step TEXT SECONDS COMMAND...: says how long it took, and what failed.
step() {
    text=$1 most=$2
    shift 2
    began=$(date +%s)
    code=0
    "$@" || code=$?
    took=$(($(date +%s) - began))
    [ "$code" != 124 ] || fail "$kind: $text was not done after $most s"
    [ "$code" = 0 ] || fail "$kind: $text failed after $took s"
    echo "fresh: $kind: $text ($took s)"
}

unpack() {
    tar -C "$root" -xf "$base"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/run"
    mount --bind "$cache/debs" "$root/var/cache/apt/archives"
    mount --bind "$cache/lists" "$root/var/lib/apt/lists"
    cp "$cache/apt.conf" "$root/etc/apt/apt.conf.d/90-this-machine"
    echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/91-quick"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/quick"
    echo "127.0.0.1 localhost" >"$root/etc/hosts"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    for file in $REGISTRY_FILES; do
        [ ! -e "$file" ] || { mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"; }
    done
    # An authority that only this machine trusts.
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/usr/local/share/ca-certificates/this-machine.crt"
    in_root update-ca-certificates >/dev/null 2>&1
    mkdir -p "$root/opt/rust" "$root/root/.cargo"
    mount --bind -o ro "$(rustc --print sysroot)" "$root/opt/rust"
    [ "$what" = setup ] || [ ! -e "${CARGO_HOME:-$HOME/.cargo}/registry" ] ||
        cp -a "${CARGO_HOME:-$HOME/.cargo}/registry" "$root/root/.cargo/"
    git -c safe.directory='*' clone --quiet "$checkout" "$root/root/bms-manager"
    git -c safe.directory='*' -C "$checkout" diff --binary HEAD >"$root/root/changes"
    [ ! -s "$root/root/changes" ] || git -C "$root/root/bms-manager" apply --whitespace=nowarn "$root/root/changes"
}

# What an image builder did to the root before the person came.
backports_were_here() {
    site=$(awk -v release="$release" '$3 == release { print $2; exit }' "$root/etc/apt/sources.list")
    list=/etc/apt/sources.list.d/backports.list
    echo "deb $site $release-backports main" >"$root$list"
    with_registries timeout "$SETUP_MAX" sh -ec "apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends -t $release-backports qemu-utils && rm $list" >"$root/root/image.log" 2>&1 ||
        { tail "$root/root/image.log" >&2; return 1; }
}

# A network of the root's own, with a way out and none to this machine's services.
own_network() {
    unshare --net sleep infinity &
    holder=$!
    tenths=0
    # Before it has left this network, the tap would be made here.
    until [ "$(readlink "/proc/$holder/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
        tenths=$((tenths + 1))
        [ "$tenths" -le "$NETWORK_MAX" ] || { echo "fresh: no network namespace of its own" >&2; return 1; }
        sleep 0.1
    done
    slirp4netns --configure --mtu=65520 --disable-host-loopback "$holder" tap0 >"$root/root/slirp4netns.log" 2>&1 &
    tenths=0
    until nsenter "--net=/proc/$holder/ns/net" ip route show default 2>/dev/null | grep -q tap0; do
        tenths=$((tenths + 1))
        [ "$tenths" -le "$NETWORK_MAX" ] || {
            cat "$root/root/slirp4netns.log" >&2
            nsenter "--net=/proc/$holder/ns/net" ip address >&2
            return 1
        }
        sleep 0.1
    done
    network=/proc/$holder/ns/net
    nsenter "--net=$network" ip link set lo up
    nsenter "--net=$network" mount -t sysfs sysfs "$root/sys"
    echo "nameserver 10.0.2.3" >"$root/etc/resolv.conf"
}

# make_there SECONDS TARGET...: as the person would, in the clone.
make_there() {
    most=$1
    shift
    with_registries timeout "$most" make --no-print-directory -C /root/bms-manager "$@"
}


inside() {
    what=$1 kind=$2 base=$3
    room=$ROOM_LAB
    [ "$what" = lab ] || room=$ROOM_SETUP
    mkdir -p "$place"
    root=$place
    # The root is a mount of its own in any case: `ip netns exec` insists on it.
    if [ "$(free_memory_gib)" -ge $((2 * room)) ]; then
        mount -t tmpfs -o "size=${room}g,mode=755" fresh "$root"
    else
        mount --bind "$root" "$root"
    fi
    network=
    step "unpack a clean system, clone the checkout" "$BASE_MAX" unpack
    [ "$kind" = debian ] || step "install what its image came with" "$SETUP_MAX" backports_were_here
    if [ "$what" = lab ]; then
        step "lay a network of its own" "$NETWORK_MAX" own_network
        step "make lab STORY=$story" "$LAB_MAX" make_there "$LAB_MAX" lab "STORY=$story"
        step "make lab-down" "$SETUP_MAX" make_there "$SETUP_MAX" lab-down
    else
        step "make setup" "$SETUP_MAX" make_there "$SETUP_MAX" setup
        step "make setup, once more and without a network" "$SETUP_MAX" \
            unshare --net "$0" --offline "$root"
    fi
}

case ${1:-} in
--inside)
    shift
    inside "$@"
    exit 0
    ;;
--offline)
    root=$2 network=
    make_there "$SETUP_MAX" setup
    exit 0
    ;;
esac

what=lab
[ "${1:-}" != --setup ] || { what=setup && shift; }
[ $# -gt 0 ] || set -- debian backports
for kind; do
    [ "$kind" = debian ] || [ "$kind" = backports ] || fail "no such root: $kind (debian, backports)"
done
[ "$(id -u)" = 0 ] || fail "only root can make namespaces: sudo make fresh"
mkdir -p "$cache"
child=
# One root at a time: they share a place and the downloads.
exec 9>"$cache/lock"
flock 9
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
make_base
for kind; do
    play "$kind" || fail "an empty machine ($kind) does not become a lab; what it lacks is said above"
done
