#!/bin/sh
# Makes a Debian cloud image as people have them, in the directory that is named: whole disk, GPT, systemd, cloud-init, GRUB for BIOS, and
# shim and GRUB as Debian signs them for UEFI, with Secure Boot or without. Nothing is mounted. It takes some minutes and the network.
#
#   debian.raw, debian.qcow2 (clusters of zstd), debian.raw.zst
set -eu
umask 022
dir=$1
suite=bookworm
label=cloudimg-root
bios=/usr/lib/grub/i386-pc

[ -e "$dir/debian.raw" ] && exit 0
mkdir -p "$dir"
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

packages=systemd-sysv,systemd-resolved,udev,dbus,linux-image-cloud-amd64,initramfs-tools,zstd,e2fsprogs,fdisk
packages=$packages,cloud-init,cloud-guest-utils,netplan.io,iproute2
mmdebstrap --variant=apt --include="$packages" --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$work/root"
rm -rf "$work/root/var/cache/apt/archives" "$work/root/var/lib/apt/lists"
echo "LABEL=$label / ext4 defaults 0 1" > "$work/root/etc/fstab"
: > "$work/root/etc/machine-id"
kernel=$(basename "$work"/root/boot/vmlinuz-*)
initrd=$(basename "$work"/root/boot/initrd.img-*)

# One configuration for both firmwares: the partition is searched for.
printf '%s\n' "search --no-floppy --label $label --set=root" \
  "linux /boot/$kernel root=LABEL=$label ro console=ttyS0 panic=10" "initrd /boot/$initrd" "boot" >"$work/grub.cfg"
grub-mkimage -O i386-pc -p /boot/grub -c "$work/grub.cfg" -o "$work/core.img" \
  biosdisk part_gpt ext2 search search_label linux boot

(cd "$work" && apt-get -q download shim-signed grub-efi-amd64-signed)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/signed"; done
truncate -s 64M "$work/esp"
mkfs.vfat -n ESP "$work/esp"
mmd -i "$work/esp" ::/EFI ::/EFI/BOOT ::/EFI/debian
mcopy -i "$work/esp" "$work/signed/usr/lib/shim/shimx64.efi.signed" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$work/esp" "$work/signed/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" ::/EFI/BOOT/grubx64.efi
mcopy -i "$work/esp" "$work/grub.cfg" ::/EFI/debian/grub.cfg

truncate -s 1400M "$work/ext4"
mkfs.ext4 -q -F -L "$label" -d "$work/root" "$work/ext4"

# Sectors: boot loader from 2048, ESP from 8192, the root last, so that it can grow.
disk=$work/disk
truncate -s 1470M "$disk"
printf '%s\n' "label: gpt" "first-lba: 2048" \
  "start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649" \
  "start=8192, size=131072, type=uefi" \
  "start=139264, size=2867200, type=linux" | sfdisk -q "$disk"
dd if="$work/esp" of="$disk" bs=1M seek=4 conv=notrunc,sparse status=none
dd if="$work/ext4" of="$disk" bs=1M seek=68 conv=notrunc,sparse status=none
# boot.img is told where core.img begins (sector 2048), and core.img's first sector where the rest of it does. Of the first sector of the disk
# only so much is code: the partition table follows.
cp "$bios/boot.img" "$work/boot.img"
printf '\000\010\000\000' | dd of="$work/boot.img" bs=1 seek=92 conv=notrunc status=none
printf '\001\010\000\000' | dd of="$work/core.img" bs=1 seek=500 conv=notrunc status=none
dd if="$work/core.img" of="$disk" bs=512 seek=2048 conv=notrunc status=none
dd if="$work/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none

qemu-img convert -c -o compression_type=zstd -f raw -O qcow2 "$disk" "$dir/debian.qcow2"
zstd -q -f "$disk" -o "$dir/debian.raw.zst"
mv "$disk" "$dir/debian.raw"
