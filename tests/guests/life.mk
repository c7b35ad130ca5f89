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

# The guest of tests/e2e/test_faithful.py, and the 32-bit part that it carries.
FAITHFUL := tests/guests/faithful
GUEST32  := $(GUEST_CFLAGS) -m32 -mgeneral-regs-only -mno-sse -fno-builtin
guests: $(G)/faithful.elf
$(G)/faithful32.bin: $(FAITHFUL)/tasks.S $(FAITHFUL)/real.S $(FAITHFUL)/tasks.c $(FAITHFUL)/blob32.ld
	@mkdir -p $(@D)/faithful
	$(CC) $(GUEST32) -c -o $(@D)/faithful/tasks_start.o $(FAITHFUL)/tasks.S
	$(CC) $(GUEST32) -c -o $(@D)/faithful/real.o $(FAITHFUL)/real.S
	$(CC) $(GUEST32) -c -o $(@D)/faithful/tasks.o $(FAITHFUL)/tasks.c
	$(LD) -m elf_i386 -nostdlib -static --build-id=none -T $(FAITHFUL)/blob32.ld \
		--no-warn-rwx-segments -o $(@D)/faithful/blob32.elf $(@D)/faithful/tasks_start.o \
		$(@D)/faithful/real.o $(@D)/faithful/tasks.o
	$(OBJCOPY) -O binary --set-section-flags .image=alloc,load,contents \
		$(@D)/faithful/blob32.elf $@
$(G)/faithful.elf: $(addprefix $(FAITHFUL)/,start.S main.c cpu.c debug.c apic.c memory.c modes.c faithful.h) \
		$(G)/faithful32.bin tests/guests/ticker.ld
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -mgeneral-regs-only -mno-sse $(GUEST_LDFLAGS) \
		-DBLOB32_FILE='"$(G)/faithful32.bin"' -Wl,-T,tests/guests/ticker.ld \
		-Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -o $@ \
		$(filter %.c %.S,$^)
