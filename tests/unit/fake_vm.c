/* SPDX-License-Identifier: BSD-2-Clause */
/* Fakes of what vmm/vm.h and vmm/vcpu.h give to devices; see fake_vm.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_vm.h"

uint64_t fake_guest_base;
uint64_t fake_guest_tsc_per_ns = 2;
bool fake_irq_level[FAKE_GSIS];
unsigned fake_irq_edges[FAKE_GSIS];
unsigned fake_kicks;
unsigned fake_msis;
uint64_t fake_msi_addr;
uint32_t fake_msi_data;
struct vcpu *fake_kicked;
unsigned fake_inits[VM_MAX_VCPUS], fake_nmis[VM_MAX_VCPUS], fake_sipis[VM_MAX_VCPUS];
uint8_t fake_sipi_vector;

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	assert_true(gsi < FAKE_GSIS);
	fake_irq_edges[gsi] += level && !fake_irq_level[gsi];
	fake_irq_level[gsi] = level;
}

void vm_msi(struct vm *vm, uint64_t addr, uint32_t data)
{
	fake_msis++;
	fake_msi_addr = addr;
	fake_msi_data = data;
}

uint64_t vm_now_ns(const struct vm *vm)
{
	return fake_time_ns - fake_guest_base;
}

uint64_t vm_guest_tsc(const struct vm *vm)
{
	return vm_now_ns(vm) * fake_guest_tsc_per_ns;
}

uint64_t vcpu_guest_tsc(const struct vcpu *v)
{
	return vm_guest_tsc(v->vm) + v->state->msrs[CPU_MSR_TSC_ADJUST];
}

uint64_t vm_tsc_to_ns(const struct vm *vm, uint64_t guest_tsc)
{
	return guest_tsc / fake_guest_tsc_per_ns;
}

void vcpu_kick(struct vcpu *v)
{
	fake_kicks++;
	fake_kicked = v;
}

void vcpu_init_ipi(struct vcpu *v)
{
	fake_inits[v->id]++;
}

void vcpu_sipi(struct vcpu *v, uint8_t vector)
{
	fake_sipis[v->id]++;
	fake_sipi_vector = vector;
}

void vcpu_nmi(struct vcpu *v)
{
	fake_nmis[v->id]++;
}

static void fake_vtimer_fire(struct timer *t)
{
	struct vtimer *vt = container_of(t, struct vtimer, timer);

	vt->fn(vt);
}

void vtimer_init(struct vtimer *t, struct vm *vm, void (*fn)(struct vtimer *t))
{
	timer_init(&t->timer, fake_vtimer_fire);
	t->vm = vm;
	t->fn = fn;
}

void vtimer_arm(struct vtimer *t, uint64_t guest_ns)
{
	timer_arm(&t->timer, guest_ns + fake_guest_base);
}

uint64_t vtimer_pace_ns(struct vtimer *t)
{
	return 50 * NS_PER_US;
}

void vtimer_cancel(struct vtimer *t)
{
	timer_cancel(&t->timer);
}

static unsigned live_vms;

static void fake_vm_reset(void)
{
	fake_kernel_reset();
	fake_guest_base = 0;
	fake_guest_tsc_per_ns = 2;
	memset(fake_irq_level, 0, sizeof(fake_irq_level));
	memset(fake_irq_edges, 0, sizeof(fake_irq_edges));
	memset(fake_inits, 0, sizeof(fake_inits));
	memset(fake_nmis, 0, sizeof(fake_nmis));
	memset(fake_sipis, 0, sizeof(fake_sipis));
	fake_kicks = 0;
}

struct vm *fake_vm_create(uint64_t mem_size, unsigned vcpus)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	assert_non_null(vm);
	vm->clock.running = true;
	if (live_vms++ == 0)
		fake_vm_reset();
	list_init(&vm->devices);
	iobus_init(&vm->ports);
	iobus_init(&vm->mmio);
	vm->mem.size = mem_size;
	vm->cpuid.phys_bits = 40;
	vm->vcpu_count = vcpus;
	vm->cfg.vcpus = vcpus;
	for (unsigned i = 0; i < vcpus; i++) {
		vm->vcpus[i] = calloc(1, sizeof(struct vcpu));
		assert_non_null(vm->vcpus[i]);
		vm->vcpus[i]->state = calloc(1, sizeof(struct cpu_state));
		assert_non_null(vm->vcpus[i]->state);
		vm->vcpus[i]->vm = vm;
		vm->vcpus[i]->id = i;
	}
	return vm;
}

void fake_vm_destroy(struct vm *vm)
{
	while (!list_empty(&vm->devices)) {
		struct vdev *d = list_entry(vm->devices.prev, struct vdev, node);

		d->ops->destroy(d);
	}
	assert_true(list_empty(&vm->ports.regions));
	assert_true(list_empty(&vm->mmio.regions));
	if (--live_vms == 0) {
		assert_int_equal(fake_timers_armed(), 0);
		assert_int_equal(fake_alloc_live, 0);
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		free(vm->vcpus[i]->state);
		free(vm->vcpus[i]);
	}
	free(vm);
}

void fake_run(uint64_t ns)
{
	fake_timers_run_until(fake_time_ns + ns);
}

void fake_move(struct vdev *src, struct vdev *dst)
{
	const struct state_table *t = src->ops->table;
	size_t size = state_wire_size(t);
	uint8_t *wire = malloc(size);
	void *incoming = calloc(1, t->struct_size);

	assert_non_null(wire);
	assert_non_null(incoming);
	assert_int_equal(state_table_gap(t), 0);
	src->ops->quiesce(src);
	assert_int_equal(state_save(t, src->state, wire, size), (int)size);
	assert_int_equal(state_load(t, incoming, wire, size), 0);
	assert_memory_equal(incoming, src->state, t->struct_size);
	assert_int_equal(dst->ops->check(dst, incoming), 0);
	memcpy(dst->state, incoming, t->struct_size);
	dst->ops->resume(dst);
	free(incoming);
	free(wire);
}

uint8_t fake_in(struct vm *vm, uint16_t port)
{
	return (uint8_t)iobus_read(&vm->ports, port, 1);
}

void fake_out(struct vm *vm, uint16_t port, uint8_t value)
{
	iobus_write(&vm->ports, port, 1, value);
}
