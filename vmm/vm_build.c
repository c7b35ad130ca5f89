/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds a VM's machine in order and takes it down in the reverse one. */
#include "vmm/vm_build.h"
#include "arch/x86/virt.h"
#include "kernel/files.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/rtc.h"
#include "vmm/acpi_tables.h"
#include "vmm/dev/vblk.h"
#include "vmm/dev/vfwcfg.h"
#include "vmm/dev/vgenid.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"
#include "vmm/dev/vpci.h"
#include "vmm/dev/vpic.h"
#include "vmm/dev/vpit.h"
#include "vmm/dev/vpm.h"
#include "vmm/dev/vrng.h"
#include "vmm/dev/vrtc.h"
#include "vmm/dev/vtestdev.h"
#include "vmm/dev/vuart.h"
#include "vmm/firmware.h"
#include "vmm/guest_map.h"
#include "vmm/load_elf.h"
#include "vmm/load_linux.h"
#include "vmm/load_multiboot.h"
#include "vmm/smbios.h"
#include "vmm/vm_nics.h"
#include "vmm/vcpu.h"

void *vm_guest_page(void *ctx, gpa_t gpa)
{
	struct vm *vm = ctx;

	return guest_mem_page(&vm->mem, gpa >> PAGE_SHIFT);
}

/* Neighbouring blocks are mapped together, so that 1 GiB pages come about where memory allows. */
static int map_memory(struct vm *vm)
{
	const struct guest_mem *m = &vm->mem;
	uint32_t i = 0;
	int err;

	while (i < m->block_count) {
		gpa_t gpa = guest_mem_index_to_gfn(m, (uint64_t)i * (SIZE_2M / PAGE_SIZE))
			    << PAGE_SHIFT;
		hpa_t hpa = virt_to_hpa(m->blocks[i]);
		uint32_t n = 1;

		while (i + n < m->block_count && gpa + n * SIZE_2M != GUEST_LOW_MAX &&
		       virt_to_hpa(m->blocks[i + n]) == hpa + n * SIZE_2M)
			n++;
		err = slat_map(vm->slat, gpa, hpa, n * SIZE_2M);
		if (err)
			return err;
		i += n;
	}
	return 0;
}

static int build_memory(struct vm *vm)
{
	int err;

	err = guest_mem_create(&vm->mem, vm->cfg.memory);
	if (err) {
		log_error("vm %s: no %lu MiB of memory free", vm->cfg.name, vm->cfg.memory / MiB);
		return err;
	}
	vm->slat = slat_create();
	if (!vm->slat)
		return -E_NOMEM;
	return map_memory(vm);
}

static int build_platform(struct vm *vm)
{
	struct vtestdev *testdev;
	struct vfwcfg *fw_cfg;
	int err;

	err = vpic_create(vm, &vm->vpic);
	if (err)
		return err;
	err = vioapic_create(vm, &vm->vioapic);
	if (err)
		return err;
	err = vpit_create(vm, &vm->vpit);
	if (err)
		return err;
	err = vrtc_create(vm, rtc_now(), &vm->vrtc);
	if (err)
		return err;
	err = vpm_create(vm, &vm->vpm);
	if (err)
		return err;
	err = vuart_create(vm, &vm->console);
	if (err)
		return err;
	err = vgenid_create(vm, &vm->vgenid);
	if (err)
		return err;
	if (vm->cfg.testdev) {
		err = vtestdev_create(vm, &testdev);
		if (err)
			return err;
	}
	err = vfwcfg_create(vm, &fw_cfg);
	if (err)
		return err;
	return vpci_create(vm);
}

static int build_vcpus(struct vm *vm)
{
	int err;

	for (uint32_t i = 0; i < vm->cfg.vcpus; i++) {
		err = vcpu_create(vm, i);
		if (err)
			return err;
		vm->vcpu_count = i + 1;
	}
	return 0;
}

static int build_disks(struct vm *vm)
{
	struct vblk *blk;
	int err;

	err = vm_open_disks(vm);
	if (err)
		return err;
	for (uint32_t i = 0; i < vm->disk_count; i++) {
		err = vblk_create(vm, VBLK_FIRST_SLOT + i, &vm->disks[i], &blk);
		if (err)
			return err;
	}
	return 0;
}

static int choose_cpuid(struct vm *vm, const struct cpuid_policy *cpuid)
{
	const char *bad;

	if (cpuid) {
		if (!cpuid_policy_is_sane(cpuid)) {
			log_error("vm %s: the CPUID policy that came with it is damaged",
				  vm->cfg.name);
			return -E_INVAL;
		}
		vm->cpuid = *cpuid;
		return 0;
	}
	if (cpuid_policy_build(vm->cfg.cpu_hide, &vm->cpuid, &bad) == 0)
		return 0;
	log_error("vm %s: cpu_hide: unknown feature '%s'", vm->cfg.name, bad);
	return -E_INVAL;
}

int vm_build(struct vm *vm, const struct cpuid_policy *cpuid)
{
	struct vrng *rng;
	int err;

	if (!virt_detect()->usable) {
		log_error("vm %s: this host cannot run guests: %s", vm->cfg.name,
			  virt_detect()->why_not);
		return -E_NOTSUP;
	}
	list_init(&vm->devices);
	iobus_init(&vm->ports);
	iobus_init(&vm->mmio);
	vm->poweroff_requested = vm->reset_requested = vm->crash_requested = false;
	err = choose_cpuid(vm, cpuid);
	if (err)
		return err;
	vm_clock_init(vm);
	err = build_memory(vm);
	if (!err)
		err = firmware_map(vm);
	if (!err)
		err = build_platform(vm);
	if (!err)
		err = build_vcpus(vm);
	if (!err)
		err = build_disks(vm);
	if (!err)
		err = vm_build_nics(vm);
	if (!err)
		err = vrng_create(vm, VRNG_SLOT, &rng);
	if (err)
		vm_teardown(vm);
	return err;
}

void vm_teardown(struct vm *vm)
{
	dirty_log_stop(vm);
	for (uint32_t i = 0; i < VM_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			vcpu_end(vm->vcpus[i]);
	while (!list_empty(&vm->devices)) {
		struct vdev *d = list_entry(vm->devices.prev, struct vdev, node);

		list_remove(&d->node);
		d->ops->destroy(d);
	}
	for (uint32_t i = 0; i < VM_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			vcpu_free(vm->vcpus[i]);
	vm->vcpu_count = 0;
	memset(vm->vlapics, 0, sizeof(vm->vlapics));
	vm->nic_count = 0;
	vm->console = NULL;
	vm->vpic = NULL;
	vm->vioapic = NULL;
	vm->vpci = NULL;
	vm->vpit = NULL;
	vm->vrtc = NULL;
	vm->vpm = NULL;
	vm_close_disks(vm);
	slat_destroy(vm->slat);
	vm->slat = NULL;
	firmware_free(vm);
	guest_mem_destroy(&vm->mem);
}

/* ---- boot --------------------------------------------------------------------------- */

static const struct file *boot_file(struct vm *vm, const char *path, const char *what)
{
	const struct file *f = files_find(path);

	if (!f)
		log_error("vm %s: %s '%s' is not in the file pool", vm->cfg.name, what, path);
	return f;
}

/* The initrd is the first module. */
static int boot_multiboot(struct vm *vm, const struct file *kernel, const struct file *initrd)
{
	struct multiboot_module modules[MULTIBOOT_MAX_MODULES];
	unsigned count = 0;

	if (initrd)
		modules[count++] = (struct multiboot_module){initrd, ""};
	for (uint32_t i = 0; i < vm->cfg.module_count; i++) {
		const struct file *f = boot_file(vm, vm->cfg.modules[i].path, "module");

		if (!f)
			return -E_NOENT;
		modules[count++] = (struct multiboot_module){f, vm->cfg.modules[i].args};
	}
	return load_multiboot(vm, kernel, modules, count, vm->cfg.cmdline, vm->vcpus[0]->state);
}

/* A bzImage says so in its header; a Multiboot kernel may look like any other ELF file. */
static int load_kernel(struct vm *vm, const struct file *kernel, const struct file *initrd)
{
	struct cpu_state *cs = vm->vcpus[0]->state;

	if (!load_linux_is_bzimage(kernel) && load_multiboot_is_multiboot(kernel))
		return boot_multiboot(vm, kernel, initrd);
	if (vm->cfg.module_count) {
		log_error("vm %s: modules are for Multiboot kernels; %s is none", vm->cfg.name,
			  kernel->path);
		return -E_INVAL;
	}
	return load_elf_is_elf(kernel) ? load_elf(vm, kernel, initrd, vm->cfg.cmdline, cs)
				       : load_linux(vm, kernel, initrd, vm->cfg.cmdline, cs);
}

/* What firmware would have done, then the kernel. */
static int boot_kernel(struct vm *vm)
{
	const struct file *kernel = boot_file(vm, vm->cfg.kernel, "kernel"), *initrd = NULL;
	int err;

	if (!kernel)
		return -E_NOENT;
	if (vm->cfg.initrd[0]) {
		initrd = boot_file(vm, vm->cfg.initrd, "initrd");
		if (!initrd)
			return -E_NOENT;
	}
	vpci_assign(vm->vpci);
	err = acpi_tables_write(vm);
	if (!err)
		err = smbios_write(vm);
	if (err)
		return err;
	return load_kernel(vm, kernel, initrd);
}

int vm_boot(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		vcpu_reset_state(vm->vcpus[i]);
		if (i)
			vm->vcpus[i]->state->activity = CPU_WAIT_SIPI;
		vcpu_adopt_state(vm->vcpus[i]);
	}
	/* firmware expects it too: it takes PIT interrupts before it looks at APICs */
	vlapic_set_virtual_wire(vm->vlapics[0]);
	return vm->rom ? firmware_shadow(vm) : boot_kernel(vm);
}

/* ---- interrupt lines ---------------------------------------------------------------- */

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	if (gsi < 16)
		vpic_set_line(vm->vpic, gsi, level);
	vioapic_set_line(vm->vioapic, gsi == 0 ? 2 : gsi, level);
}

/* SDM vol. 3, "Message Signalled Interrupts": address and data register formats. */
void vm_msi(struct vm *vm, uint64_t addr, uint32_t data)
{
	if (addr >> 20 == GUEST_LAPIC >> 20) /* elsewhere it is a write to nothing */
		vlapic_deliver(vm, addr >> 12 & 0xff, addr & 4, data >> 8 & 7, data & 0xff,
			       data & 0x8000);
}
