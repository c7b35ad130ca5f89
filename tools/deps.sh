#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make deps: Debian packages by name, and a Debian kernel as the guest of the
# tests (unpacked below build/guest, not installed). Idempotent; quick and
# without network when everything is there.
#
# PAGURUS_CACHE  where the downloaded kernel package is kept between clones
#                (default: ~/.cache/pagurus, else build/cache)
set -euo pipefail
cd "$(dirname "$0")/.."
B=${B:-build}

packages=(
	gcc clang lld make binutils git ca-certificates
	gnu-efi mtools dosfstools gdisk acpica-tools
	libcmocka-dev libclang-rt-14-dev clang-format
	bochs bochsbios vgabios bochs-term qemu-system-x86 ovmf
	vblade iproute2 util-linux procps spin
	cpio busybox-static kmod xz-utils zstd lz4 memtest86+
	qemu-utils seabios grub-pc-bin grub-common e2fsprogs base-files dash
	python3 python3-pytest python3-pexpect
)

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

updated=no
apt_update_once() {
	[ $updated = yes ] && return
	as_root apt-get -q update
	updated=yes
}

# dpkg-query fails when it knows no package of a name: that is an answer here.
missing=()
have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
for p in "${packages[@]}"; do
	grep -qx "$p installed" <<<"$have" || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
	echo "deps: installing ${missing[*]}"
	apt_update_once
	DEBIAN_FRONTEND=noninteractive as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends "${missing[@]}"
fi

# ---- the guest kernel --------------------------------------------------------
# linux-image-cloud-amd64 only depends on the real package; resolve that name.
guest=$B/guest
if [ ! -s "$guest/vmlinuz" ] || [ ! -d "$guest/modules" ]; then
	cache=${PAGURUS_CACHE:-${HOME:-/nonexistent}/.cache/pagurus}
	mkdir -p "$cache" 2>/dev/null || { cache=$B/cache; mkdir -p "$cache"; }
	deb=$(ls -t "$cache"/linux-image-6.1.*-cloud-amd64_*.deb 2>/dev/null | head -1 || true)
	if [ -z "$deb" ]; then
		apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || apt_update_once
		pkg=$(apt-cache depends linux-image-cloud-amd64 |
			sed -n 's/^ *Depends: \(linux-image-[0-9.]*-[0-9]*-cloud-amd64\)$/\1/p' | head -1)
		[ -n "$pkg" ] || { echo "deps: apt knows no linux-image-cloud-amd64" >&2; exit 1; }
		echo "deps: downloading $pkg"
		part=$(mktemp -d "$cache/part.XXXXXX")
		chmod 755 "$part"
		if ! (cd "$part" && apt-get -q download "$pkg"); then
			# The lists may be older than the archive.
			apt_update_once
			(cd "$part" && apt-get -q download "$pkg")
		fi
		mv "$part"/*.deb "$cache"/
		rmdir "$part"
		deb=$(ls -t "$cache"/linux-image-*-cloud-amd64_*.deb | head -1)
	fi
	echo "deps: unpacking $(basename "$deb")"
	rm -rf "$guest" "$guest.part"
	mkdir -p "$guest.part/deb"
	dpkg-deb -x "$deb" "$guest.part/deb"
	cp "$guest.part"/deb/boot/vmlinuz-* "$guest.part/vmlinuz"
	mv "$guest.part"/deb/lib/modules/*/kernel "$guest.part/modules"
	rm -rf "$guest.part/deb"
	mv "$guest.part" "$guest"
fi
echo "deps: all there ($(stat -c %s "$guest/vmlinuz") bytes of guest kernel)"
