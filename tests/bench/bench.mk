# SPDX-License-Identifier: BSD-2-Clause
#
# make bench: figures in ticks and bytes (docs/bench.md); BENCH="exits boot" for a part.

BENCH := all

.PHONY: bench bench-guests
bench-guests: $(G)/exits.elf $(G)/initrd-bench.img $(B)/bench/bare.efi $(B)/bench/store $(B)/pgstore

# The start of the ticker with another body.
$(G)/exits.elf: tests/guests/ticker_start.S tests/guests/exits.c tests/guests/ticker.ld
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -mno-sse $(GUEST_LDFLAGS) \
		-Dticker_main=exits_main -Dticker_interrupt=exits_interrupt \
		-Wl,-T,tests/guests/ticker.ld -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
		-o $@ $(filter %.c %.S,$^)

# Linux, timed from its entry point to /init: in a guest, and started by bare.efi.
$(G)/init-bench: tests/bench/init.c tests/guests/sys.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) $(GUEST_LDFLAGS) -o $@ $(filter %.c,$^)
$(G)/initrd-bench.img: $(G)/init-bench tests/guests/mkinitramfs.py build/guest/vmlinuz
	$(PYTHON) tests/guests/mkinitramfs.py -o $@ --init $(G)/init-bench \
		--modules build/guest/modules --wanted

OBJ_bare := $(patsubst %,$(B)/boot-obj/%.o,tests/bench/bare.c boot/files.c boot/firmware.c \
              boot/memmap.c kernel/lib/string.c kernel/lib/strutil.c kernel/lib/format.c)
$(B)/bench/bare.so: $(OBJ_bare)
	@mkdir -p $(@D)
	$(LD) -nostdlib -shared -Bsymbolic -znocombreloc --no-undefined --build-id=none \
	  -T $(EFI_CRT)/elf_x86_64_efi.lds $(EFI_CRT)/crt0-efi-x86_64.o $^ \
	  $(EFI_CRT)/libgnuefi.a -o $@
# As BOOTX64.EFI from its .so
$(B)/bench/bare.efi: $(B)/bench/bare.so
	$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j .reloc \
	  --target efi-app-x86_64 --subsystem=10 $< $@
-include $(OBJ_bare:.o=.d)

# Counts a datastore's operations on a disk in memory.
$(B)/bench/store: tests/bench/store.c $(UNIT_DS)
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -o $@ $^ -lcmocka

bench: $(B)/BOOTX64.EFI $(B)/pagurus.elf guests bench-guests
	@$(PYTHON) tests/bench/bench.py --build $(B) $(BENCH)
