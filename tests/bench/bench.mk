# SPDX-License-Identifier: BSD-2-Clause
#
# make bench: figures in ticks and bytes (docs/bench.md); BENCH="exits boot" for a part.

BENCH := all

.PHONY: bench bench-guests
bench-guests: $(G)/exits.elf $(G)/initrd-bench.img $(B)/bench/bare.efi

# The start of the ticker with another body.
$(G)/exits.elf: tests/guests/ticker_start.S tests/guests/exits.c tests/guests/ticker.ld
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -mno-sse $(GUEST_LDFLAGS) \
		-Dticker_main=exits_main -Dticker_interrupt=exits_interrupt \
		-Wl,-T,tests/guests/ticker.ld -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
		-o $@ $(filter %.c %.S,$^)
