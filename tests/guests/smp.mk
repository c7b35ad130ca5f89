# SPDX-License-Identifier: BSD-2-Clause
#
# Guests with many CPUs: every kind of IPI, and the time that one takes.

guests: $(G)/smp.elf

SMP_LIB := $(addprefix tests/guests/,smp_start.S smp_lib.c ticker.ld)
SMP_LINK = $(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -mno-sse $(GUEST_LDFLAGS) \
	-Wl,-T,tests/guests/ticker.ld -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
	-o $@ $(filter %.c %.S,$^)

$(G)/smp.elf: $(SMP_LIB) tests/guests/smp.c tests/guests/smp_shootdown.c tests/guests/smp.h
	@mkdir -p $(@D)
	$(SMP_LINK)
$(G)/ipi.elf: $(SMP_LIB) tests/guests/ipi.c tests/guests/smp.h
	@mkdir -p $(@D)
	$(SMP_LINK)
bench-guests: $(G)/ipi.elf
