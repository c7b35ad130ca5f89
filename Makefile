# SPDX-License-Identifier: BSD-2-Clause
#
# make            loader, hypervisor, disk image in build/
# make deps       install what building and testing need (Debian packages by name)
# make check      every quality gate, ends with "N passed, N failed, N skipped"
# make demo       moves between emulated hosts, narrated; MOVE=menu says which
# make bench      figures in ticks and bytes, with history
# make fuzz       libFuzzer targets, a minute each
# make mutants    breaks invariants one by one: a named test must notice each
#
# Decided on purpose, for the hypervisor:
#   -mno-red-zone        interrupts arrive on the current stack when idle
#   -mgeneral-regs-only  the FPU/SSE/AVX registers always belong to the guest
#   -fstack-protector-strong with a global guard: input is hostile everywhere
#   -mcmodel=kernel      linked in the top 2 GiB (boot/handoff.h, KERNEL_BASE)

CC      := gcc
LD      := ld
OBJCOPY := objcopy
PYTHON  := /usr/bin/python3
B       := build

WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow \
        -Wno-unused-parameter -Wvla -Wundef

KERNEL_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mcmodel=kernel \
        -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-omit-frame-pointer \
        -fstack-protector-strong -mstack-protector-guard=global \
        -fno-asynchronous-unwind-tables -fcf-protection=none \
        -ffile-prefix-map=$(CURDIR)=. $(WARN) -I.

UNIT_CFLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
        -fno-omit-frame-pointer -fno-strict-aliasing $(WARN) -I. -DUNIT_TEST

# ---- the hypervisor, room by room ------------------------------------------
SRC_lib     := kernel/lib/err.c kernel/lib/string.c kernel/lib/strutil.c kernel/lib/format.c \
               kernel/lib/crc32c.c
SRC_arch    := arch/x86/entry.S arch/x86/trampoline.S arch/x86/cpu.c arch/x86/traps.c arch/x86/paging.c \
               arch/x86/apic.c arch/x86/tsc.c arch/x86/errata.c \
               arch/x86/vmx/caps.c arch/x86/vmx/vmx.c arch/x86/vmx/apicv.c arch/x86/vmx/vmx_entry.S \
               arch/x86/vmx/guest_regs.c arch/x86/vmx/control_regs.c arch/x86/vmx/state.c \
               arch/x86/vmx/run.c arch/x86/vmx/decode.c arch/x86/vmx/exceptions.c arch/x86/vmx/string_io.c arch/x86/vmx/ept.c arch/x86/vmx/ept_log.c
SRC_kernel  := kernel/main.c kernel/mem.c kernel/sched.c kernel/sched_fair.c kernel/sched_use.c kernel/timer.c kernel/time.c kernel/irq.c \
               kernel/pci.c kernel/pci_cap.c kernel/acpi.c kernel/rtc.c
SRC_drivers := kernel/drivers/ata.c kernel/drivers/ata_pio.c kernel/drivers/ata_identify.c kernel/drivers/e1000.c kernel/drivers/e1000_hw.c \
               $(addprefix kernel/drivers/,e1000e.c mmio.c disk_queue.c ahci.c ahci_port.c \
                 nvme.c nvme_ctrl.c vring.c virtio_host.c virtio_net.c virtio_net_io.c)
SRC_net     := kernel/net/netbuf.c kernel/net/switch.c kernel/net/network.c \
               kernel/net/network_filter.c kernel/net/network_forward.c kernel/net/network_learn.c \
               kernel/net/announce.c kernel/net/announce_frames.c kernel/net/net_addrs.c \
               kernel/net/link_frame.c kernel/net/peers.c \
               kernel/net/link.c kernel/net/link_machine.c kernel/net/link_open.c \
               kernel/net/link_tx.c kernel/net/link_loss.c kernel/net/link_rx.c
SRC_store   := $(addprefix kernel/store/,aoe.c aoe_cmd.c aoe_codec.c aoe_control.c aoe_io.c \
                 aoe_receive.c aoe_reserve.c aoe_config.c aoe_rtt.c aoe_targets.c blkdev.c)
SRC_ds      := $(addprefix kernel/store/,ds_check.c ds_direct.c ds_discard.c ds_emit.c ds_io.c ds_map.c ds_names.c \
                 ds_object.c ds_open.c ds_replay.c ds_space.c ds_super.c ds_txn.c ds_whole.c)
SRC_vmm     := vmm/decode.c vmm/emulate.c vmm/acpi_tables.c vmm/boot_cpu.c \
               vmm/firmware.c vmm/fw_cfg_items.c vmm/fw_cfg_tables.c vmm/smbios.c \
               vmm/zero_page.c vmm/load_linux.c vmm/load_elf.c vmm/load_multiboot.c vmm/multiboot_info.c vmm/vm_config.c vmm/vm_config_check.c \
               vmm/vm.c vmm/vm_build.c vmm/vm_disks.c vmm/vm_nics.c vmm/vm_time.c vmm/vcpu.c vmm/vcpu_state.c vmm/vcpu_check.c \
               vmm/exits.c vmm/exit_mem.c vmm/msr.c vmm/cpuid_policy.c vmm/cpuid_build.c vmm/cpu_features.c \
               vmm/guest_mem.c vmm/guest_walk.c vmm/dirty_log.c vmm/disk_log.c
SRC_dev     := vmm/dev/vpm.c vmm/dev/vgenid.c vmm/dev/vfwcfg.c vmm/dev/vpci.c vmm/dev/vpci_func.c vmm/dev/msix.c vmm/dev/virtqueue.c \
               vmm/dev/virtio_pci.c vmm/dev/virtio_common.c vmm/dev/vblk.c vmm/dev/vblk_request.c \
               vmm/dev/vnet.c vmm/dev/vnet_rx.c vmm/dev/vnet_tx.c vmm/dev/vnet_offload.c \
               vmm/iobus.c vmm/dev/state.c vmm/dev/vdev.c \
               vmm/dev/vuart.c vmm/dev/vuart_regs.c vmm/dev/vlapic.c vmm/dev/vlapic_regs.c vmm/dev/vlapic_timer.c \
               vmm/dev/vlapic_ipi.c vmm/dev/vlapic_hw.c vmm/dev/vioapic.c vmm/dev/vpic.c vmm/dev/vpic_chip.c \
               vmm/dev/vpit.c vmm/dev/vpit_channel.c vmm/dev/vrtc.c vmm/dev/vrtc_time.c vmm/dev/vtestdev.c vmm/dev/vrng.c
SRC_migrate := $(addprefix migrate/,accept.c audit.c audit_look.c checks.c checks_cold.c checks_identity.c checks_saved.c commit.c definition.c disks.c estimate.c facts.c frames.c handover.c measure.c migrate.c move.c \
                 progress.c query.c receive.c receive_disk.c receive_files.c receive_offer.c receive_ram.c receive_state.c \
                 send.c send_disk.c send_round.c send_state.c send_stop.c state.c stop_policy.c stream.c \
                 stream_link.c)
SRC_vmm     += vmm/vm_config_text.c vmm/vm_store.c vmm/vm_log.c
SRC_stores  := kernel/store/stores.c kernel/store/stores_shared.c kernel/store/ds_disk.c kernel/store/partition.c kernel/commands_stores.c \
               kernel/commands_store_inside.c
SRC_snapshot := $(addprefix migrate/,snapshot.c snapshot_store.c snapshot_list.c backup.c revert.c commands_snapshot.c)
SRC_save    := $(addprefix migrate/,save.c save_write.c save_disks.c restore.c restore_read.c stream_store.c commands_save.c)
SRC_kernel  += kernel/log.c kernel/panic.c kernel/host_config.c kernel/host_config_net.c kernel/entropy.c kernel/entropy_source.c kernel/files.c \
               kernel/console_line.c kernel/console_edit.c kernel/console_complete.c kernel/console.c \
               kernel/console_help.c kernel/console_out.c kernel/console_table.c kernel/console_json.c \
               kernel/lib/json.c kernel/console_serial.c kernel/commands_host.c kernel/commands_net.c \
               kernel/commands_disk.c
# what the processor leaves to us
SRC_vmm     += vmm/mtrr.c vmm/guest_access.c vmm/decode_operand.c vmm/emulate_alu.c vmm/task_switch.c vmm/task_segments.c
SRC_vmm     += vmm/commands_vm.c vmm/commands_vm_show.c vmm/commands_vm_top.c vmm/commands_vm_define.c vmm/commands_vm_disk.c \
               vmm/commands_vm_console.c
SRC_migrate += migrate/commands_move.c migrate/move_options.c
# moves of a VM that is off
SRC_cold := $(addprefix migrate/,cold_send.c cold_receive.c cold_commit.c cold_gone.c cold_boot.c cold_store.c cold_here.c)
# is a VM well where it is
SRC_audit := $(addprefix migrate/,commands_audit.c validate.c validate_look.c)
SRC_vmm     += vmm/vm_use.c
# many VMs at once: apart, because a move needs none of it
SRC_pool := $(addprefix migrate/,plan.c plan_balance.c queue.c pool.c commands_pool.c commands_queue.c)
SRC_drivers += kernel/drivers/serial.c

SRC := $(SRC_lib) $(SRC_arch) $(SRC_kernel) $(SRC_drivers) $(SRC_net) $(SRC_store) $(SRC_ds) \
       $(SRC_vmm) $(SRC_dev) $(SRC_migrate) $(SRC_pool) $(SRC_stores) $(SRC_save) $(SRC_snapshot) $(SRC_audit) $(SRC_cold)
OBJ := $(patsubst %,$(B)/obj/%.o,$(SRC))

$(B)/pagurus.elf: $(OBJ) linker.ld
	$(LD) -nostdlib -static --build-id=none -z max-page-size=4096 -T linker.ld -o $@ $(OBJ)

# ---- the loader (boot/, GNU-EFI) and the disk image --------------------------
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
all: $(B)/BOOTX64.EFI $(B)/pagurus.img

# Linked as a shared object and turned into a PE file; same sources, same bytes.
EFI_CRT  := /usr/lib
EFI_INC  := /usr/include/efi
SRC_boot := boot/main.c boot/elf.c boot/files.c boot/firmware.c boot/leave.c boot/memmap.c \
            boot/paging.c boot/platform.c \
            kernel/lib/string.c kernel/lib/strutil.c kernel/lib/format.c
OBJ_boot := $(patsubst %,$(B)/boot-obj/%.o,$(SRC_boot))

# No SSE for a plain reason: nothing here needs it, and firmware's own state stays.
BOOT_CFLAGS := -std=gnu11 -O2 -ffreestanding -fpic -fshort-wchar -fvisibility=hidden \
        -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-stack-protector \
        -fno-asynchronous-unwind-tables -fcf-protection=none -DGNU_EFI_USE_MS_ABI \
        -ffile-prefix-map=$(CURDIR)=. $(WARN) -I. \
        -isystem $(EFI_INC) -isystem $(EFI_INC)/x86_64

$(B)/boot-obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BOOT_CFLAGS) -MMD -MP -c $< -o $@

$(B)/BOOTX64.so: $(OBJ_boot)
	$(LD) -nostdlib -shared -Bsymbolic -znocombreloc --no-undefined --build-id=none \
	  -T $(EFI_CRT)/elf_x86_64_efi.lds $(EFI_CRT)/crt0-efi-x86_64.o $^ \
	  $(EFI_CRT)/libgnuefi.a -o $@

$(B)/BOOTX64.EFI: $(B)/BOOTX64.so
	$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j .reloc \
	  --target efi-app-x86_64 --subsystem=10 $< $@

$(B)/pagurus.img: $(B)/BOOTX64.EFI $(B)/pagurus.elf boot/host.conf $(wildcard tools/mkimage*.py)
	$(PYTHON) tools/mkimage.py -o $@ --loader $(B)/BOOTX64.EFI --kernel $(B)/pagurus.elf \
	  --host-conf boot/host.conf

-include $(OBJ_boot:.o=.d)

# ---- datastores from Linux: the same sources, another world below them -----------
SRC_pgstore := $(addprefix tools/,pgstore.c pgstore_host.c pgstore_image.c) $(SRC_ds) \
               kernel/store/partition.c kernel/store/blkdev.c kernel/lib/crc32c.c kernel/lib/err.c \
               kernel/lib/format.c kernel/lib/strutil.c
$(B)/pgstore: $(SRC_pgstore) $(wildcard tools/*.h kernel/store/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -fno-strict-aliasing $(WARN) -I. -D_GNU_SOURCE -o $@ $(SRC_pgstore)
all: $(B)/pgstore

# ---- the guest's DSDT: iasl (Debian acpica-tools) -> AML -> a C array -----------
$(B)/gen/dsdt_aml.h: vmm/dsdt.asl
	@mkdir -p $(@D)
	iasl -va -vs -p $(@D)/dsdt $< >$(@D)/dsdt.log 2>&1 || { cat $(@D)/dsdt.log; exit 1; }
	{ echo 'static const uint8_t acpi_dsdt_aml[] = {'; \
	  od -An -v -tx1 $(@D)/dsdt.aml | sed 's/ \(..\)/0x\1,/g'; echo '};'; } >$@
$(B)/obj/vmm/acpi_tables.c.o $(B)/unit/test_acpi_tables $(B)/unit/test_vfwcfg: $(B)/gen/dsdt_aml.h
$(B)/obj/vmm/acpi_tables.c.o: KERNEL_CFLAGS += -I$(B)/gen -ffile-prefix-map=$(B)/gen=gen
$(B)/unit/test_acpi_tables $(B)/unit/test_vfwcfg: UNIT_CFLAGS += -I$(B)/gen

# ---- unit tests: tests/unit/test_NAME.c and the sources it links ------------
# Each links cmocka (Debian) and, where named, the fakes in tests/unit/.
UNITS :=

UNITS += elf_loader boot_memory
UNIT_elf_loader  := boot/elf.c
UNIT_boot_memory := boot/memmap.c boot/paging.c
# guest loaders, ACPI, PCI, disk, decoder (C)
UNITS += vfwcfg firmware
UNIT_FW_CFG := vmm/fw_cfg_items.c vmm/fw_cfg_tables.c vmm/smbios.c vmm/acpi_tables.c kernel/lib/format.c kernel/lib/strutil.c
UNIT_vfwcfg = vmm/dev/vfwcfg.c $(UNIT_FW_CFG) $(FAKE_VM) tests/unit/fake_guest.c
UNIT_firmware := vmm/firmware.c kernel/lib/strutil.c tests/unit/fake_guest.c tests/unit/fake_kernel.c
UNITS += decode emulate acpi_tables loaders vpm vm_config vpci virtqueue vblk
UNIT_decode := vmm/decode.c vmm/decode_operand.c
UNIT_emulate := vmm/decode.c vmm/decode_operand.c vmm/emulate.c vmm/emulate_alu.c
UNIT_acpi_tables := vmm/acpi_tables.c tests/unit/fake_guest.c tests/unit/fake_kernel.c
UNIT_loaders := vmm/load_linux.c vmm/load_elf.c vmm/zero_page.c vmm/boot_cpu.c \
                tests/unit/fake_guest.c tests/unit/fake_kernel.c
UNITS += multiboot
UNIT_multiboot := vmm/load_multiboot.c vmm/multiboot_info.c vmm/zero_page.c vmm/boot_cpu.c \
                  kernel/lib/format.c kernel/lib/strutil.c tests/unit/fake_guest.c tests/unit/fake_kernel.c
UNIT_vm_config := vmm/vm_config.c vmm/vm_config_text.c vmm/vm_config_check.c kernel/lib/crc32c.c kernel/lib/format.c kernel/lib/strutil.c
UNIT_vpci = vmm/dev/vpci.c vmm/dev/vpci_func.c vmm/dev/msix.c $(FAKE_VM) tests/unit/fake_guest.c
UNIT_virtqueue := vmm/dev/virtqueue.c tests/unit/fake_guest.c tests/unit/fake_kernel.c
UNIT_vblk = $(UNIT_vpci) vmm/dev/virtqueue.c vmm/dev/virtio_pci.c vmm/dev/virtio_common.c \
            vmm/dev/vblk.c vmm/dev/vblk_request.c vmm/disk_log.c
UNITS += vnet_offload vnet
UNIT_vnet = $(UNIT_vpci) vmm/dev/virtqueue.c vmm/dev/virtio_pci.c vmm/dev/virtio_common.c \
            $(addprefix vmm/dev/,vnet.c vnet_rx.c vnet_tx.c vnet_offload.c) \
            $(filter kernel/net/network% kernel/net/announce% kernel/net/net_addrs.c,$(SRC_net)) \
            kernel/net/switch.c kernel/net/netbuf.c \
            kernel/lib/err.c kernel/lib/format.c kernel/lib/strutil.c
UNIT_vnet_offload := vmm/dev/vnet_offload.c
UNITS += vrng
UNIT_vrng = $(UNIT_vpci) vmm/dev/virtqueue.c vmm/dev/virtio_pci.c vmm/dev/virtio_common.c vmm/dev/vrng.c
UNIT_vpm = vmm/dev/vpm.c $(FAKE_VM) tests/unit/fake_guest.c
UNITS += vgenid
UNIT_vgenid = $(UNIT_vpm) vmm/dev/vgenid.c
# lib, console, host (H)
UNITS += string strutil crc32c format host_config entropy files log console_line \
         console move_options commands_vm
UNIT_string  :=
UNIT_strutil := kernel/lib/strutil.c
UNIT_crc32c  := kernel/lib/crc32c.c
UNIT_format  := kernel/lib/format.c kernel/lib/strutil.c
UNIT_host_config := kernel/host_config.c kernel/host_config_net.c kernel/lib/format.c kernel/lib/strutil.c
UNIT_entropy := kernel/entropy.c kernel/entropy_source.c tests/unit/fake_kernel.c
UNIT_files   := kernel/files.c kernel/lib/crc32c.c kernel/lib/strutil.c
UNIT_console_line := kernel/console_line.c kernel/console_edit.c kernel/console_complete.c kernel/lib/format.c \
                     kernel/lib/strutil.c
UNIT_console := kernel/console.c kernel/console_help.c kernel/console_out.c \
                kernel/console_table.c kernel/console_json.c kernel/lib/json.c kernel/console_line.c kernel/console_edit.c kernel/console_complete.c \
                kernel/lib/err.c kernel/lib/format.c kernel/lib/strutil.c tests/unit/fake_kernel.c
UNIT_commands_vm = $(UNIT_console) vmm/commands_vm.c vmm/commands_vm_show.c \
                   vmm/commands_vm_top.c vmm/commands_vm_define.c vmm/commands_vm_disk.c vmm/commands_vm_console.c
UNIT_move_options := migrate/move_options.c kernel/lib/format.c kernel/lib/strutil.c
UNIT_log     := kernel/log.c kernel/lib/format.c kernel/lib/strutil.c

# virtual platform devices (B)
FAKE_VM := tests/unit/fake_vm.c tests/unit/fake_kernel.c vmm/iobus.c vmm/dev/state.c vmm/dev/vdev.c
UNITS += state iobus
UNIT_state := vmm/dev/state.c
UNIT_iobus := vmm/iobus.c
UNITS += vuart
UNIT_vuart := $(FAKE_VM) vmm/dev/vuart.c vmm/dev/vuart_regs.c
UNITS += vlapic vlapic_hw vioapic vpic vpit vrtc clocks
UNIT_clocks = $(sort $(UNIT_vlapic) $(UNIT_vpit) $(UNIT_vrtc) $(UNIT_vpm))
UNIT_vrtc := $(FAKE_VM) vmm/dev/vrtc.c vmm/dev/vrtc_time.c
UNIT_vpit := $(FAKE_VM) vmm/dev/vpit.c vmm/dev/vpit_channel.c
UNIT_vpic = $(UNIT_vlapic) vmm/dev/vioapic.c vmm/dev/vpic.c vmm/dev/vpic_chip.c
UNIT_vioapic := $(FAKE_VM) vmm/dev/vioapic.c
UNITS += vtestdev
UNIT_vtestdev := $(FAKE_VM) vmm/dev/vtestdev.c
UNIT_vlapic := $(FAKE_VM) vmm/dev/vlapic.c vmm/dev/vlapic_regs.c vmm/dev/vlapic_timer.c \
               vmm/dev/vlapic_ipi.c

UNIT_vlapic_hw = $(UNIT_vlapic) vmm/dev/vlapic_hw.c

# storage (E)
UNIT_STORE_AOE := $(SRC_store) kernel/drivers/ata_identify.c kernel/net/switch.c kernel/net/netbuf.c \
                  kernel/lib/format.c kernel/lib/strutil.c kernel/lib/err.c \
                  tests/unit/fake_kernel.c tests/unit/fake_task.c
UNITS += aoe_codec blkdev aoe aoe_order aoe_reserve ata
UNIT_aoe_codec := kernel/store/aoe_codec.c kernel/drivers/ata_identify.c
UNIT_blkdev    := kernel/store/blkdev.c tests/unit/fake_kernel.c tests/unit/fake_task.c
UNIT_aoe       := $(UNIT_STORE_AOE) tests/unit/fake_aoe_target.c tests/unit/aoe_fixture.c
UNIT_aoe_order := $(UNIT_aoe)
UNIT_aoe_reserve := $(UNIT_aoe)
UNIT_ata       := kernel/drivers/ata.c kernel/drivers/ata_pio.c kernel/drivers/ata_identify.c \
                  kernel/store/blkdev.c kernel/lib/format.c kernel/lib/strutil.c \
                  kernel/lib/err.c tests/unit/fake_kernel.c tests/unit/fake_task.c
UNIT_DISK      := kernel/drivers/mmio.c kernel/drivers/disk_queue.c kernel/store/blkdev.c \
                  kernel/lib/format.c kernel/lib/strutil.c kernel/lib/err.c \
                  tests/unit/fake_kernel.c tests/unit/fake_task.c
UNITS += ahci nvme commands_disk
UNIT_commands_disk = kernel/commands_disk.c kernel/lib/crc32c.c $(UNIT_blkdev) $(UNIT_LIB)
UNIT_ahci      := kernel/drivers/ahci.c kernel/drivers/ahci_port.c kernel/drivers/ata_identify.c $(UNIT_DISK)
UNIT_nvme      := kernel/drivers/nvme.c kernel/drivers/nvme_ctrl.c $(UNIT_DISK)
UNITS += commands_stores datastore ds_crash ds_faults
UNIT_DS        := $(SRC_ds) kernel/lib/crc32c.c kernel/lib/err.c kernel/lib/format.c kernel/lib/strutil.c \
                  tests/unit/fake_disk.c tests/unit/fake_kernel.c tests/unit/fake_task.c
UNIT_datastore := $(UNIT_DS)
UNIT_commands_stores = $(UNIT_DS) $(UNIT_console) kernel/commands_store_inside.c
UNIT_ds_crash  := $(UNIT_DS) tests/unit/ds_script.c
UNIT_ds_faults := $(UNIT_ds_crash)
# The initiator as a Linux program: tests/e2e/test_aoe_vblade.py
$(B)/e2e/aoe_client: tests/e2e/aoe_client.c $(UNIT_STORE_AOE)
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -o $@ $^ -lcmocka
# network (D)
UNITS += netbuf e1000 e1000e virtio_net switch network announce net_addrs peers link link_hostile link_face
UNIT_FAKE   := tests/unit/fake_kernel.c
UNIT_netbuf := $(UNIT_FAKE) kernel/net/netbuf.c
UNIT_e1000  := $(UNIT_FAKE) kernel/drivers/e1000.c kernel/drivers/e1000_hw.c kernel/net/netbuf.c \
               kernel/lib/format.c kernel/lib/strutil.c kernel/lib/err.c
UNIT_e1000e := $(UNIT_e1000) kernel/drivers/e1000e.c
UNIT_virtio_net := $(UNIT_FAKE) $(addprefix kernel/drivers/,virtio_net.c virtio_net_io.c virtio_host.c vring.c) kernel/pci_cap.c \
               kernel/net/netbuf.c kernel/lib/format.c kernel/lib/strutil.c kernel/lib/err.c
UNIT_switch := $(UNIT_FAKE) kernel/net/netbuf.c kernel/net/switch.c
UNIT_network := $(UNIT_switch) $(filter kernel/net/network%,$(SRC_net)) kernel/lib/strutil.c
UNIT_net_addrs := kernel/net/net_addrs.c
UNIT_announce := $(UNIT_network) $(UNIT_net_addrs) kernel/net/announce.c kernel/net/announce_frames.c
UNIT_LINK    = $(UNIT_FAKE) tests/unit/fake_task.c tests/unit/fake_wire.c $(SRC_net) \
               kernel/lib/crc32c.c kernel/lib/format.c kernel/lib/strutil.c kernel/lib/err.c
UNIT_link    = $(UNIT_LINK)
UNIT_link_hostile = $(UNIT_LINK)
UNIT_link_face = $(UNIT_LINK)
UNIT_peers  := $(UNIT_FAKE) kernel/net/netbuf.c kernel/net/switch.c kernel/net/peers.c \
               kernel/net/link_frame.c kernel/lib/crc32c.c kernel/lib/format.c kernel/lib/strutil.c

# processor and core of the VMM (I): on a faked processor, tests/unit/fake_cpu.h
UNITS_CPU := ept caps dirty_log mem cpuid_policy vmx apicv timer
UNITS     += guest_mem guest_walk acpi_host vcpu_state exits
FAKE_CPU  := tests/unit/fake_cpu.c tests/unit/fake_kernel.c
EPT       := arch/x86/vmx/ept.c arch/x86/vmx/ept_log.c
UNIT_ept  := $(FAKE_CPU) $(EPT)
UNIT_caps := $(FAKE_CPU) arch/x86/vmx/caps.c
UNIT_guest_mem := tests/unit/fake_kernel.c vmm/guest_mem.c
UNIT_mem  := kernel/mem.c
UNITS     += sched
UNIT_sched := kernel/sched_fair.c
UNIT_timer := kernel/timer.c
UNIT_vmx  := $(FAKE_CPU) $(EPT) $(addprefix arch/x86/vmx/,decode.c exceptions.c string_io.c control_regs.c run.c state.c apicv.c)
UNIT_apicv := $(FAKE_CPU) $(EPT) arch/x86/vmx/apicv.c
UNIT_cpuid_policy := $(FAKE_CPU) vmm/cpuid_policy.c vmm/cpuid_build.c vmm/cpu_features.c
UNIT_vcpu_state := tests/unit/fake_kernel.c vmm/vcpu_state.c vmm/vcpu_check.c vmm/dev/state.c
UNIT_acpi_host := tests/unit/fake_kernel.c kernel/acpi.c
UNIT_exits := tests/unit/fake_kernel.c vmm/exits.c vmm/exit_mem.c vmm/guest_access.c vmm/msr.c vmm/mtrr.c vmm/guest_mem.c vmm/guest_walk.c \
              vmm/iobus.c vmm/decode.c vmm/decode_operand.c vmm/emulate.c vmm/emulate_alu.c kernel/lib/format.c kernel/lib/strutil.c
UNIT_guest_walk := $(UNIT_guest_mem) vmm/guest_walk.c
UNITS     += task_switch
UNIT_task_switch := $(UNIT_guest_walk) vmm/task_switch.c vmm/task_segments.c
UNIT_dirty_log := $(FAKE_CPU) $(EPT) vmm/dirty_log.c vmm/guest_mem.c
# what mutants asked for (N)
UNITS     += vm_time receive_ram vm_disks disk_log
UNIT_disk_log := vmm/disk_log.c tests/unit/fake_kernel.c
UNIT_vm_disks := tests/unit/fake_kernel.c vmm/vm_disks.c vmm/disk_log.c kernel/lib/err.c kernel/lib/format.c \
                 kernel/lib/strutil.c
UNIT_vm_time := tests/unit/fake_kernel.c vmm/vm_time.c vmm/cpuid_policy.c vmm/cpu_features.c \
                kernel/lib/strutil.c
UNIT_receive_ram = migrate/receive_ram.c migrate/stream.c $(UNIT_guest_mem) $(UNIT_LIB)
UNITS += $(UNITS_CPU)
$(foreach u,$(UNITS_CPU),$(B)/unit/test_$(u)): UNIT_CFLAGS += -include tests/unit/fake_cpu.h

.PHONY: all deps check demo mutants unit clean
all:

$(B)/obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(KERNEL_CFLAGS) -MMD -MP -c $< -o $@
$(B)/obj/%.S.o: %.S
	@mkdir -p $(@D)
	$(CC) $(KERNEL_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

# moves (G)
UNIT_LIB := kernel/lib/err.c kernel/lib/format.c kernel/lib/strutil.c kernel/lib/crc32c.c
UNITS += move stream stop_policy checks page_digest
UNIT_stream := migrate/stream.c tests/unit/fake_kernel.c $(UNIT_LIB)
UNIT_stop_policy := migrate/stop_policy.c
UNITS += plan use_average json
UNIT_json := kernel/lib/json.c kernel/lib/format.c kernel/lib/strutil.c
UNIT_use_average :=
UNIT_plan := migrate/plan.c migrate/plan_balance.c kernel/lib/format.c kernel/lib/strutil.c
UNITS += validate validate_look
UNIT_validate := migrate/validate.c $(UNIT_LIB)
UNIT_validate_look := migrate/validate.c migrate/validate_look.c tests/unit/fake_kernel.c $(UNIT_LIB)
UNITS += estimate measure
UNIT_measure := migrate/measure.c tests/unit/fake_kernel.c
UNIT_estimate := migrate/estimate.c migrate/stop_policy.c
UNIT_checks := $(addprefix migrate/,checks.c checks_cold.c checks_identity.c checks_saved.c audit.c) $(UNIT_LIB)
UNIT_MOVES := $(filter-out migrate/state.c migrate/commands_move.c migrate/move_options.c,$(SRC_migrate)) \
             tests/unit/fake_pair.c tests/unit/fake_fiber.c tests/unit/fake_kernel.c tests/unit/fake_cold.c $(UNIT_LIB) \
             vmm/guest_mem.c vmm/dev/state.c vmm/vm_config_check.c vmm/vm_config.c vmm/disk_log.c
UNIT_localdisk = $(UNIT_MOVES) tests/unit/fake_ds.c
UNIT_move = $(UNIT_localdisk)

UNITS += queue
UNIT_queue := $(UNIT_move) migrate/plan.c migrate/queue.c kernel/lib/format.c
UNITS += commands_pool
UNIT_commands_pool = $(UNIT_queue) $(UNIT_console) migrate/plan_balance.c $(addprefix migrate/,pool.c commands_pool.c commands_queue.c commands_audit.c commands_move.c move_options.c)
UNITS += save stores ds_disk vm_store localdisk
UNIT_vm_store = $(SRC_ds) vmm/vm_store.c vmm/vm_log.c vmm/vm_config.c vmm/vm_config_check.c vmm/vm_config_text.c \
                tests/unit/fake_disk.c tests/unit/fake_fiber.c tests/unit/fake_kernel.c $(UNIT_LIB)
UNIT_stores = $(SRC_ds) kernel/store/stores.c kernel/store/stores_shared.c kernel/store/partition.c kernel/store/ds_disk.c kernel/store/blkdev.c \
              tests/unit/fake_fiber.c tests/unit/fake_kernel.c $(UNIT_LIB)
UNIT_ds_disk = $(SRC_ds) kernel/store/ds_disk.c kernel/store/blkdev.c tests/unit/fake_fiber.c tests/unit/fake_kernel.c $(UNIT_LIB)
UNIT_save = $(sort $(UNIT_MOVES) $(filter-out migrate/commands_save.c,$(SRC_save)) $(SRC_ds) tests/unit/fake_disk.c)
UNITS += snapshot
UNIT_snapshot = $(sort $(UNIT_save) $(filter-out migrate/commands_snapshot.c,$(SRC_snapshot)) vmm/vm_config_text.c)

UNITS += cold faults
UNIT_cold = $(sort $(filter-out tests/unit/fake_cold.c,$(UNIT_MOVES)) $(SRC_cold) $(SRC_ds) tests/unit/cold_world.c \
              kernel/store/ds_disk.c kernel/store/blkdev.c vmm/vm_disks.c vmm/vm_store.c vmm/vm_log.c vmm/vm_config_text.c)
UNIT_faults = $(sort $(UNIT_cold) $(filter-out migrate/commands_save.c,$(SRC_save)) tests/unit/fault_world.c)

define UNIT_RULE
$(B)/unit/test_$(1): tests/unit/test_$(1).c $$(UNIT_$(1)) $$(wildcard tests/unit/*.h)
	@mkdir -p $$(@D)
	$(CC) $$(UNIT_CFLAGS) -MMD -MP -MF $$@.d -o $$@ $$(sort $$< $$(UNIT_$(1))) -lcmocka
endef
$(foreach u,$(UNITS),$(eval $(call UNIT_RULE,$(u))))

unit: $(foreach u,$(UNITS),$(B)/unit/test_$(u))
	@for t in $^; do $$t || exit 1; done

# ---- guests, gates and demonstration (tests/, tools/) -----------------------
include tests/guests/guests.mk
include tests/bench/bench.mk
include tests/guests/life.mk
include tests/guests/direct.mk
include tests/guests/smp.mk
include tests/fuzz/fuzz.mk

deps:
	@tools/deps.sh
# One part of it: make check CHECK=tests/gates/test_unit.py
CHECK := tests
check:
	@mkdir -p $(B)
	@$(PYTHON) -m pytest -c tests/pytest.ini --rootdir=tests --basetemp=$(B)/tmp $(CHECK)
MOVE :=
demo:
	@$(PYTHON) tools/demo/demo.py $(MOVE)
# Broken on purpose, and a test must fail: make mutants MUTANTS="--quick"
MUTANTS :=
mutants:
	@$(PYTHON) tests/mutants/run.py $(MUTANTS)
# For scripts: make -s print-UNITS
print-%:
	@echo $($*)

clean:
	rm -rf $(B)

-include $(OBJ:.o=.d) $(wildcard $(B)/unit/*.d)
