# SPDX-License-Identifier: BSD-2-Clause
#
# The guests of the tests: a Linux initramfs around Debian's cloud kernel
# (unpacked by `make deps`), and a bare guest of a few hundred pages.

GUEST_WARN   := -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter -Wvla -Wundef
GUEST_CFLAGS := -std=gnu11 -Os -ffreestanding -fno-stack-protector -fno-pic -fno-pie \
        -fno-asynchronous-unwind-tables -fcf-protection=none -mno-red-zone \
        -ffile-prefix-map=$(CURDIR)=. $(GUEST_WARN) -I.
GUEST_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-s

G := $(B)/guest

.PHONY: guests
guests: $(G)/initrd.img $(G)/initrd-shell.img $(G)/ticker.elf $(G)/debian.img

$(G)/init: $(addprefix tests/guests/,init.c worker.c net.c vector.c vector.S sys.h work.h)
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) $(GUEST_LDFLAGS) -o $@ $(filter %.c %.S,$^)

$(G)/ticker.elf: $(addprefix tests/guests/,ticker_start.S ticker.c ticker_disk.c ticker_disk.h work.h sys.h ticker.ld)
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -mno-sse $(GUEST_LDFLAGS) \
		-Wl,-T,tests/guests/ticker.ld -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
		-o $@ $(filter %.c %.S,$^)

# The modules are those of the kernel that make deps unpacked into build/guest.
$(G)/initrd.img: $(G)/init tests/guests/mkinitramfs.py build/guest/vmlinuz
	$(PYTHON) tests/guests/mkinitramfs.py -o $@ --init $(G)/init --modules build/guest/modules
$(G)/initrd-shell.img: $(G)/init tests/guests/mkinitramfs.py build/guest/vmlinuz
	$(PYTHON) tests/guests/mkinitramfs.py -o $@ --init $(G)/init --modules build/guest/modules \
		--shell
# A disk that boots by itself: partition table, GRUB, kernel, files of Debian packages.
$(G)/debian.img: $(G)/init tests/guests/mkdebian.py tests/guests/mkinitramfs.py build/guest/vmlinuz
	$(PYTHON) tests/guests/mkdebian.py -o $@ --kernel build/guest/vmlinuz \
		--modules build/guest/modules --worker $(G)/init
build/guest/vmlinuz:
	tools/deps.sh
