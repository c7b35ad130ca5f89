/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses across pages, RAM and devices; what RAM is not goes to the MMIO bus. */
#include "vmm/guest_access.h"
#include "kernel/lib/string.h"
#include "vmm/dev/vlapic.h"
#include "vmm/exits.h"
#include "vmm/guest_map.h"
#include "vmm/guest_walk.h"

#define LAPIC_PAGE PAGE_SIZE

/* Firmware's image, which the guest itself reads through EPT. */
static bool rom_read(const struct vm *vm, gpa_t gpa, unsigned size, uint64_t *value)
{
	uint64_t offset = gpa - (GUEST_ROM_END - vm->rom_size);

	if (offset >= vm->rom_size || vm->rom_size - offset < size)
		return false;
	*value = 0;
	memcpy(value, vm->rom + offset, size);
	return true;
}

static uint64_t bus_read(struct vcpu *v, gpa_t gpa, unsigned size)
{
	gpa_t lapic = vlapic_mmio_gpa(v->lapic);
	uint64_t value;

	if (gpa - lapic < LAPIC_PAGE)
		return vlapic_mmio_read(v->lapic, gpa - lapic, size);
	if (rom_read(v->vm, gpa, size, &value))
		return value;
	return iobus_read(&v->vm->mmio, gpa, size);
}

static void bus_write(struct vcpu *v, gpa_t gpa, unsigned size, uint64_t value)
{
	gpa_t lapic = vlapic_mmio_gpa(v->lapic);

	if (gpa - lapic < LAPIC_PAGE)
		vlapic_mmio_write(v->lapic, gpa - lapic, size, value);
	else
		iobus_write(&v->vm->mmio, gpa, size, value);
}

/* A device sees 1, 2, 4 or 8 bytes; what crosses a page reaches it byte by byte. */
static bool is_one_access(unsigned len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

static void part_read(struct vcpu *v, gpa_t gpa, uint8_t *to, unsigned len, bool whole)
{
	uint64_t value;

	if (guest_mem_read(v->vm, gpa, to, len) == 0)
		return;
	if (whole && is_one_access(len)) {
		value = bus_read(v, gpa, len);
		memcpy(to, &value, len);
		return;
	}
	for (unsigned i = 0; i < len; i++)
		to[i] = (uint8_t)bus_read(v, gpa + i, 1);
}

static void part_write(struct vcpu *v, gpa_t gpa, const uint8_t *from, unsigned len, bool whole)
{
	uint64_t value = 0;

	if (guest_mem_write(v->vm, gpa, from, len) == 0)
		return;
	if (whole && is_one_access(len)) {
		memcpy(&value, from, len);
		bus_write(v, gpa, len, value);
		return;
	}
	for (unsigned i = 0; i < len; i++)
		bus_write(v, gpa + i, 1, from[i]);
}

bool guest_span_crosses(uint64_t linear, unsigned size)
{
	return (linear & (PAGE_SIZE - 1)) + size > PAGE_SIZE;
}

/* Outside 64-bit code addresses wrap at 4 GiB, in compatibility mode, too. */
static uint64_t linear_cut(const struct guest_access *a, uint64_t linear)
{
	return a->paging.mode_bits == 64 ? linear : linear & 0xffffffff;
}

int guest_span_find(struct guest_access *a, uint64_t linear, unsigned size, unsigned how,
		    struct guest_span *out)
{
	unsigned parts = guest_span_crosses(linear, size) ? 2 : 1;
	uint64_t at[2];
	int err;

	out->size = size;
	out->first = parts == 2 ? PAGE_SIZE - (linear & (PAGE_SIZE - 1)) : size;
	at[0] = linear_cut(a, linear);
	at[1] = linear_cut(a, linear + out->first);
	/* both are looked up before either is marked */
	for (unsigned i = 0; i < parts; i++) {
		a->fault_at = at[i];
		err = guest_walk_probe(a->v->vm, &a->paging, a->fault_at, how, &out->gpa[i],
				       &a->fault);
		if (err)
			return err;
	}
	for (unsigned i = 0; i < parts; i++) {
		gpa_t same;

		(void)!guest_walk(a->v->vm, &a->paging, at[i], how, &same, &a->fault);
	}
	return 0;
}

uint64_t guest_span_read(struct guest_access *a, const struct guest_span *s)
{
	bool whole = s->first == s->size;
	uint8_t bytes[8] = {0};
	uint64_t value;

	part_read(a->v, s->gpa[0], bytes, s->first, whole);
	if (!whole)
		part_read(a->v, s->gpa[1], bytes + s->first, s->size - s->first, false);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

void guest_span_write(struct guest_access *a, const struct guest_span *s, uint64_t value)
{
	bool whole = s->first == s->size;
	uint8_t bytes[8];

	memcpy(bytes, &value, sizeof(bytes));
	part_write(a->v, s->gpa[0], bytes, s->first, whole);
	if (!whole)
		part_write(a->v, s->gpa[1], bytes + s->first, s->size - s->first, false);
}

void guest_access_fault(struct guest_access *a)
{
	hw_vcpu_set_cr2(a->v->hw, a->fault_at);
	hw_vcpu_inject_exception(a->v->hw, VECTOR_PF, true, a->fault);
}
