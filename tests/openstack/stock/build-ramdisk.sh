#!/bin/sh
# Builds the stock stack's ramdisk: Debian 12 with ironic-python-agent and every module of Debian's kernel.
#   build-ramdisk.sh UV OUT     makes OUT/kernel and OUT/ramdisk; UV is the uv of a virtual environment of Python 3.11
set -eu
here=$(cd "$(dirname "$0")" && pwd)
uv=$1
out=$2
root=$out/root
mkdir -p "$out"
say() { echo "$(date +%T) $*"; }

say "root file system"
packages=$(sed 's/#.*//' "$here/packages.txt" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')
# In a mount namespace of its own: whatever ends it, no mount is left in the tree.
unshare --mount mmdebstrap --quiet --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$root"

say "kernel and all its modules"
package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
(cd "$out" && apt-get -qq -o APT::Sandbox::User=root download "$package")
# Unpacked beside the root: dpkg-deb would replace its link /lib by a directory.
dpkg-deb -x "$out/$package"_*.deb "$out/kernel-package"
cp "$out"/kernel-package/boot/vmlinuz-* "$out/kernel"
cp -a "$out/kernel-package/lib/modules" "$root/usr/lib/"
# The package has no table of dependencies; without it there is no network card, no disk and no message.
for version in "$root"/usr/lib/modules/*; do depmod -b "$root" "${version##*/}"; done

say "ironic-python-agent"
"$uv" pip install --quiet --no-deps --compile-bytecode --python "$(dirname "$uv")/python" \
    --target "$root/opt/ipa" -r "$here/requirements.txt"
# The agent starts Python helpers with an empty environment: PYTHONPATH would not reach them.
echo /opt/ipa >"$root/usr/lib/python3/dist-packages/ipa.pth"
install -m 755 "$here/init" "$root/init"
install -m 755 "$here/udhcpc.script" "$root/etc/udhcpc.script"
ln -sf /bin/busybox "$root/usr/sbin/udhcpc"
install -m 755 "$here/poweroff" "$root/usr/sbin/poweroff"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*

say "packing"
(cd "$root" && find . -print0 | cpio --null --create --format=newc --quiet | gzip >"$out/ramdisk")
rm -rf "$root" "$out/kernel-package" "$out/$package"_*.deb
say "done: $(stat -c %s "$out/ramdisk") bytes"
