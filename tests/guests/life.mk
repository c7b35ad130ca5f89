# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of tests/e2e/test_guest_life.py and test_several_guests.py: one that ends in every
# way there is, one without manners, and Debian's kernel as the plain ELF file inside its
# bzImage.

guests: $(G)/ender.elf $(G)/rude.elf $(G)/vmlinux

$(G)/rude.elf: tests/guests/rude_disk.c tests/guests/rude.h
# The start of the ticker with another body.
$(G)/ender.elf $(G)/rude.elf: $(G)/%.elf: tests/guests/ticker_start.S tests/guests/%.c \
		tests/guests/ticker.ld
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -mno-sse $(GUEST_LDFLAGS) \
		-Dticker_main=$*_main -Dticker_interrupt=$*_interrupt \
		-Wl,-T,tests/guests/ticker.ld -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
		-o $@ $(filter %.c %.S,$^)

$(G)/vmlinux: tests/guests/unpack_vmlinux.py build/guest/vmlinuz
	@mkdir -p $(@D)
	$(PYTHON) tests/guests/unpack_vmlinux.py build/guest/vmlinuz $@
