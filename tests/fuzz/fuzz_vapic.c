/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three local APICs and the I/O APIC together: registers, MSRs, TPR, messages,
 * pins, and the vCPU loop's taking of interrupts.
 */
#include "tests/fuzz/device.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"

#define CPUS 3

static void create(struct vm *vm)
{
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(vlapic_create(vm, vm->vcpus[i], i, &vm->vlapics[i]), 0);
	vlapic_set_virtual_wire(vm->vlapics[0]);
	assert_int_equal(vioapic_create(vm, &vm->vioapic), 0);
}

static void take(struct vlapic *v)
{
	int vector = vlapic_pending(v);

	assert_in_range(vector + 1, 0, 256);
	if (vector >= 0)
		vlapic_accept(v, (uint8_t)vector);
}

static void msr(struct vlapic *v, struct fuzz *f, bool write)
{
	static const uint32_t others[] = {0x1b, 0x6e0};
	uint8_t which = fuzz_u8(f);
	uint32_t index = which < 2 ? others[which] : 0x800u + (which & 0x7f);
	uint64_t value;

	if (write)
		(void)!vlapic_msr_write(v, index, fuzz_u64(f));
	else
		(void)!vlapic_msr_read(v, index, &value);
}

/* An access where the vCPU loop would make one: the page is this APIC's own now. */
static void mmio(struct vlapic *v, struct fuzz *f, bool write)
{
	uint16_t at = fuzz_u16(f);
	unsigned size = at & 0x2000 ? 1u << (at >> 14) : 4;
	/* mostly whole registers, which lie 16 bytes apart */
	uint64_t offset = at & 0x2000 ? at & 0xfff & ~(uint64_t)(size - 1) : at % 0x40 * 16u;

	if (vlapic_mmio_gpa(v) == UINT64_MAX)
		return;
	if (write)
		vlapic_mmio_write(v, offset, size, fuzz_u32(f));
	else
		(void)vlapic_mmio_read(v, offset, size);
}

static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t what = fuzz_u8(f);
	struct vlapic *v = vm->vlapics[(what >> 5) % CPUS];

	switch (what % 16) {
	case 0:
	case 1:
		mmio(v, f, what & 1);
		break;
	case 2:
	case 3:
		msr(v, f, what & 1);
		break;
	case 4:
		take(v);
		break;
	case 5:
		vlapic_set_cr8(v, fuzz_u8(f));
		assert_in_range(vlapic_get_cr8(v), 0, 15);
		break;
	case 6:
		vioapic_set_line(vm->vioapic, fuzz_u8(f) & 31, what & 0x10);
		break;
	case 7:
		vlapic_deliver(vm, fuzz_u8(f), what & 0x10, fuzz_u8(f) % 8, fuzz_u8(f),
			       what & 0x20);
		break;
	case 8:
		vlapic_tsc_changed(v);
		break;
	case 9:
		mmio(v, f, true);
		break;
	default:
		vlapic_set_irq(v, fuzz_u8(f), what & 0x10);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{true, VIOAPIC_BASE, VIOAPIC_LEN}};
	static const struct fuzz_device fd = {windows, 1, CPUS, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
