# SPDX-License-Identifier: BSD-2-Clause
#
# Fuzz targets: fuzz_NAME.c and the sources that it links. Two builds of each:
#   build/fuzz/fuzz_NAME       gcc, ASan + UBSan, plain main: replays the stored corpus (make check)
#   build/libfuzzer/fuzz_NAME  clang, libFuzzer: searches for more
#
# make fuzz [FUZZ="name ..."] [SECONDS=60]
# Sources are compiled once for all targets, so objects are shared.

FUZZ_TARGETS := host_config fwcfg vuart vpic vpit vrtc vpm vapic receive \
                peers link network aoe vm_config console boot_elf guest_image multiboot mmio guest_walk virtqueue vpci vblk vnet vrng \
                stream checks datastore cold_digests
FUZZ_host_config := kernel/host_config.c kernel/host_config_net.c kernel/lib/format.c kernel/lib/strutil.c
FUZZ_DEVICE = tests/fuzz/device.c $(FAKE_VM)
FUZZ_fwcfg   = $(UNIT_vfwcfg) tests/fuzz/device.c
FUZZ_vuart   = $(UNIT_vuart) tests/fuzz/device.c
FUZZ_vpic    = $(UNIT_vpic) tests/fuzz/device.c
FUZZ_vpit    = $(UNIT_vpit) tests/fuzz/device.c
FUZZ_vrtc    = $(UNIT_vrtc) tests/fuzz/device.c
FUZZ_vpm     = $(UNIT_vpm) tests/fuzz/device.c
FUZZ_vapic   = $(UNIT_vlapic) vmm/dev/vioapic.c tests/fuzz/device.c
FUZZ_peers   = $(UNIT_peers)
FUZZ_link    = $(UNIT_LINK)
FUZZ_network = $(UNIT_announce)
FUZZ_aoe     = $(UNIT_aoe)
FUZZ_vm_config = $(UNIT_vm_config)
FUZZ_console = $(UNIT_console) migrate/move_options.c
FUZZ_boot_elf = boot/elf.c
FUZZ_guest_image = $(UNIT_loaders)
FUZZ_multiboot = $(UNIT_multiboot)
FUZZ_mmio    = $(UNIT_emulate)
FUZZ_guest_walk = vmm/guest_walk.c tests/unit/fake_guest.c tests/unit/fake_kernel.c
FUZZ_virtqueue = $(UNIT_virtqueue)
FUZZ_vblk    = $(UNIT_vblk) tests/fuzz/device.c
FUZZ_vnet    = $(UNIT_vnet) tests/fuzz/device.c
FUZZ_vrng    = $(UNIT_vrng) tests/fuzz/device.c
FUZZ_vpci    = $(UNIT_vrng) tests/fuzz/device.c
FUZZ_stream  = migrate/stream.c tests/unit/fake_kernel.c kernel/lib/crc32c.c kernel/lib/err.c \
               kernel/lib/format.c kernel/lib/strutil.c
FUZZ_cold_digests = migrate/cold_send.c migrate/stream.c vmm/disk_log.c tests/unit/fake_kernel.c kernel/lib/crc32c.c \
               kernel/lib/err.c kernel/lib/format.c kernel/lib/strutil.c
FUZZ_datastore = $(UNIT_DS)
FUZZ_checks  = $(addprefix migrate/,checks.c checks_cold.c checks_identity.c checks_saved.c audit.c) vmm/cpuid_policy.c vmm/cpu_features.c kernel/lib/err.c \
               kernel/lib/format.c kernel/lib/strutil.c

FUZZ_MIGRATE = $(filter-out $(addprefix migrate/,state.c migrate.c move_options.c commands_move.c send% audit_look.c),\
               $(SRC_migrate))
FUZZ_COLD = kernel/store/ds_whole.c $(addprefix migrate/,cold_receive.c cold_commit.c cold_gone.c cold_boot.c cold_store.c) $(addprefix vmm/,vm_disks.c vm_store.c vm_config.c vm_config_text.c)
FUZZ_receive = $(addprefix tests/fuzz/receive_,world.c check.c records.c host.c disks.c store.c) vmm/disk_log.c $(FUZZ_MIGRATE) $(FUZZ_COLD) $(FUZZ_vapic) $(UNIT_vuart) $(UNIT_vpic) \
               $(UNIT_vpit) $(UNIT_vrtc) vmm/dev/vpm.c vmm/vcpu_state.c vmm/vcpu_check.c vmm/guest_mem.c \
               vmm/vm_config_check.c vmm/cpuid_policy.c vmm/cpu_features.c kernel/files.c \
               kernel/lib/crc32c.c kernel/lib/err.c kernel/lib/format.c kernel/lib/strutil.c

FUZZ_CC     := clang
FUZZ_CFLAGS = $(UNIT_CFLAGS) -fsanitize=fuzzer-no-link
SECONDS     := 60
FUZZ        := $(FUZZ_TARGETS)

$(B)/fuzz/obj/%.c.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(UNIT_CFLAGS) -MMD -MP -c $< -o $@
$(B)/libfuzzer/obj/%.c.o: %.c
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

FUZZ_OBJ = $(patsubst %,$(B)/$(1)/obj/%.o,$(sort tests/fuzz/fuzz.c tests/fuzz/fuzz_$(2).c $(FUZZ_$(2))))

define FUZZ_RULE
$(B)/fuzz/fuzz_$(1): $(call FUZZ_OBJ,fuzz,$(1)) $(B)/fuzz/obj/tests/fuzz/replay.c.o
	@$(CC) -fsanitize=address,undefined -o $$@ $$^ -lcmocka
$(B)/libfuzzer/fuzz_$(1): $(call FUZZ_OBJ,libfuzzer,$(1))
	@$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $$@ $$^ -lcmocka
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call FUZZ_RULE,$(t))))

$(foreach d,fuzz libfuzzer,$(B)/$(d)/obj/vmm/acpi_tables.c.o): UNIT_CFLAGS += -I$(B)/gen
$(foreach d,fuzz libfuzzer,$(B)/$(d)/obj/vmm/acpi_tables.c.o): $(B)/gen/dsdt_aml.h

.PHONY: fuzz fuzz-replay
.SECONDARY:
fuzz-replay: $(foreach t,$(FUZZ_TARGETS),$(B)/fuzz/fuzz_$(t))
fuzz: $(foreach t,$(FUZZ),$(B)/libfuzzer/fuzz_$(t))
	@$(PYTHON) tests/fuzz/run.py --build $(B) --seconds $(SECONDS) $(FUZZ)

-include $(shell find $(B)/fuzz/obj $(B)/libfuzzer/obj -name '*.d' 2>/dev/null)
