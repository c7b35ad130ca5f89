# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of tests/e2e/test_guest_direct.py: a Multiboot test kernel, as ELF file and as
# a flat image at 16 KiB that its header's address fields describe.

guests: $(G)/multiboot.elf $(G)/multiboot.bin

MULTIBOOT_SRC   := tests/guests/multiboot_start.S tests/guests/multiboot.c
MULTIBOOT_FLAGS := $(filter-out -mno-red-zone,$(GUEST_CFLAGS)) -m32 -march=i686 -mgeneral-regs-only \
        $(GUEST_LDFLAGS) -Wl,-T,tests/guests/multiboot.ld -Wl,--no-warn-rwx-segments

$(G)/multiboot.elf: $(MULTIBOOT_SRC) tests/guests/multiboot.ld
	@mkdir -p $(@D)
	$(CC) $(MULTIBOOT_FLAGS) -o $@ $(MULTIBOOT_SRC)

$(G)/multiboot.bin: $(MULTIBOOT_SRC) tests/guests/multiboot.ld tests/guests/direct.mk
	@mkdir -p $(@D)
	$(CC) -Wl,--defsym=BASE=0x4000 $(MULTIBOOT_FLAGS) -DADDRESSES -o $@.elf $(MULTIBOOT_SRC)
	$(OBJCOPY) -O binary $@.elf $@
