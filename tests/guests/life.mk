# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of tests/e2e/test_guest_life.py: one that ends in every way there is, and
# Debian's kernel as the plain ELF file inside its bzImage.

guests: $(G)/ender.elf $(G)/vmlinux

# The start of the ticker with another body.
$(G)/ender.elf: tests/guests/ticker_start.S tests/guests/ender.c tests/guests/ticker.ld
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -mno-sse $(GUEST_LDFLAGS) \
		-Dticker_main=ender_main -Dticker_interrupt=ender_interrupt \
		-Wl,-T,tests/guests/ticker.ld -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
		-o $@ $(filter %.c %.S,$^)

$(G)/vmlinux: tests/guests/unpack_vmlinux.py build/guest/vmlinuz
	@mkdir -p $(@D)
	$(PYTHON) tests/guests/unpack_vmlinux.py build/guest/vmlinuz $@
