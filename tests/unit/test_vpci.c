/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration mechanism 1, BARs, capabilities, shared INTA lines, reset port. */
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_vm.h"
#include "vmm/dev/msix.h"
#include "vmm/guest_map.h"

struct toy_state {
	struct vpci_regs pci;
	struct msix_state msix;
};

/* A device with a memory BAR, an I/O BAR, one capability register of its own; toys[1] has MSI-X. */
struct toy {
	struct vdev vdev;
	struct toy_state s;
	struct vpci_func pci;
	struct msix msix;
	uint32_t cap_value;
	uint8_t cap;
};

static struct vm *vm;
static struct toy toys[2];

static struct toy *from_func(struct vpci_func *f)
{
	return container_of(f, struct toy, pci);
}

static bool toy_config_read(struct vpci_func *f, unsigned reg, uint32_t *value)
{
	*value = from_func(f)->cap_value;
	return from_func(f)->cap && reg == from_func(f)->cap + 4u;
}

static bool toy_config_write(struct vpci_func *f, unsigned reg, uint32_t value, uint32_t mask)
{
	if (reg != from_func(f)->cap + 4u)
		return false;
	from_func(f)->cap_value = (from_func(f)->cap_value & ~mask) | value;
	return true;
}

static uint64_t toy_read(struct io_region *r, uint64_t offset, unsigned size)
{
	return 0x1000 + offset;
}

static void toy_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
}

static void toy_reset(struct vdev *d)
{
	struct toy *t = container_of(d, struct toy, vdev);

	vpci_func_reset(&t->pci);
	if (t->pci.msix)
		msix_reset(&t->msix);
}

static void toy_destroy(struct vdev *d)
{
	vpci_func_detach(&container_of(d, struct toy, vdev)->pci);
	list_remove(&d->node);
}

static const struct state_field toy_fields[] = {VPCI_STATE_FIELDS(struct toy_state, pci),
						MSIX_STATE_FIELDS(struct toy_state, msix)};
static const struct state_table toy_table = {.name = "toy",
					     .struct_size = sizeof(struct toy_state),
					     .fields = toy_fields,
					     .field_count = ARRAY_SIZE(toy_fields)};
static const struct vdev_ops toy_ops = {
    .table = &toy_table, .reset = toy_reset, .destroy = toy_destroy};
static const struct vpci_func_ops toy_func_ops = {toy_config_read, toy_config_write};
static const struct io_ops toy_io = {toy_read, toy_write};

static void toy_create(struct toy *t, unsigned slot)
{
	static const struct vpci_ids ids = {0x1234, 0x5678, 0x9abc, 0xdef0, 0x018000, 7, true};
	uint8_t body[14] = {16, 1};

	memset(t, 0, sizeof(*t));
	t->vdev.vm = vm;
	vpci_func_init(&t->pci, &t->vdev, &t->s.pci, &ids, &toy_func_ops);
	vpci_func_set_bar(&t->pci, 0, 0x4000, false, &toy_io, "toy");
	vpci_func_set_bar(&t->pci, 2, 0x20, true, &toy_io, "toy-io");
	if (t == &toys[1])
		msix_init(&t->msix, &t->pci, &t->s.msix, 3);
	t->cap = vpci_func_add_cap(&t->pci, PCI_CAP_VENDOR, body, sizeof(body));
	assert_int_equal(vpci_func_attach(vm, &t->pci, slot), 0);
	vdev_add(vm, &t->vdev, &toy_ops, slot, &t->s);
}

static int setup(void **state)
{
	vm = fake_vm_create(64 * MiB, 1);
	fake_resets = 0;
	assert_int_equal(vpci_create(vm), 0);
	toy_create(&toys[0], 3);
	toy_create(&toys[1], 11); /* 3 + 8: the same line */
	return 0;
}

static int teardown(void **state)
{
	fake_vm_destroy(vm);
	return 0;
}

static void select_reg(unsigned slot, unsigned reg)
{
	iobus_write(&vm->ports, 0xcf8, 4, 0x80000000 | slot << 11 | (reg & 0xfc));
}

static uint32_t cfg_read(unsigned slot, unsigned reg, unsigned size)
{
	select_reg(slot, reg);
	return iobus_read(&vm->ports, 0xcfc + (reg & 3), size);
}

static void cfg_write(unsigned slot, unsigned reg, unsigned size, uint32_t value)
{
	select_reg(slot, reg);
	iobus_write(&vm->ports, 0xcfc + (reg & 3), size, value);
}

static void ids_and_absent_devices(void **state)
{
	assert_int_equal(cfg_read(3, 0, 4), 0x56781234);
	assert_int_equal(cfg_read(3, 2, 2), 0x5678);
	assert_int_equal(cfg_read(3, 1, 1), 0x12);
	assert_int_equal(cfg_read(3, 8, 4), 0x01800007);
	assert_int_equal(cfg_read(3, 0x2c, 4), 0xdef09abc);
	assert_int_equal(cfg_read(3, 0x0e, 1), 0); /* header type 0, single function */
	assert_int_equal(cfg_read(0, 8, 4) >> 8, 0x060000);
	assert_int_equal(cfg_read(0, 0, 4), 0x12378086);
	assert_int_equal(cfg_read(0, 0x2c, 4), 0x11001af4);
	assert_int_equal(cfg_read(1, 0, 4), 0xffffffff);
	assert_int_equal(cfg_read(31, 0, 2), 0xffff);
	iobus_write(&vm->ports, 0xcf8, 4, 0x80010000 | 3 << 11); /* bus 1 */
	assert_int_equal(iobus_read(&vm->ports, 0xcfc, 4), 0xffffffff);
	iobus_write(&vm->ports, 0xcf8, 4, 0x80000100 | 3 << 11); /* function 1 */
	assert_int_equal(iobus_read(&vm->ports, 0xcfc, 4), 0xffffffff);
	iobus_write(&vm->ports, 0xcf8, 4, 3 << 11); /* not enabled */
	assert_int_equal(iobus_read(&vm->ports, 0xcfc, 4), 0xffffffff);
	iobus_write(&vm->ports, 0xcf8, 4, UINT32_MAX);
	assert_int_equal(iobus_read(&vm->ports, 0xcf8, 4), 0x80fffffc);
}

/* Firmware makes the RAM below 1 MiB writable by these, byte by byte or four at once. */
static void bridge_keeps_pam_registers(void **state)
{
	assert_int_equal(cfg_read(0, 0x58, 4), 0);
	cfg_write(0, 0x59, 1, 0x30);
	cfg_write(0, 0x5c, 4, 0x33333333);
	cfg_write(0, 0x5a, 2, 0x2211);
	assert_int_equal(cfg_read(0, 0x58, 4), 0x22113000);
	assert_int_equal(cfg_read(0, 0x5c, 4), 0x33333333);
	cfg_write(0, 0x60, 4, UINT32_MAX); /* its neighbours stay what they were */
	cfg_write(0, 0x54, 4, UINT32_MAX);
	assert_int_equal(cfg_read(0, 0x60, 4) | cfg_read(0, 0x54, 4), 0);
	vm->vpci->vdev.ops->reset(&vm->vpci->vdev);
	assert_int_equal(cfg_read(0, 0x58, 4) | cfg_read(0, 0x5c, 4), 0);
}

static void bar_sizing_and_decoding(void **state)
{
	cfg_write(3, 0x10, 4, UINT32_MAX);
	assert_int_equal(cfg_read(3, 0x10, 4), 0xffffc000);
	cfg_write(3, 0x14, 4, UINT32_MAX);
	assert_int_equal(cfg_read(3, 0x14, 4), 0); /* not implemented */
	cfg_write(3, 0x18, 4, UINT32_MAX);
	assert_int_equal(cfg_read(3, 0x18, 4), 0xffffffe1);
	cfg_write(3, 0x10, 4, 0xc0004000);
	assert_int_equal(iobus_read(&vm->mmio, 0xc0004010, 4), 0xffffffff); /* decoding off */
	cfg_write(3, 0x04, 2, 2);
	assert_int_equal(iobus_read(&vm->mmio, 0xc0004010, 4), 0x1010);
	cfg_write(3, 0x12, 2, 0xc010); /* by halves */
	assert_int_equal(iobus_read(&vm->mmio, 0xc0004010, 4), 0xffffffff);
	assert_int_equal(iobus_read(&vm->mmio, 0xc0104010, 4), 0x1010);
	cfg_write(3, 0x18, 4, 0xd020);
	assert_int_equal(iobus_read(&vm->ports, 0xd024, 1), 0xff);
	cfg_write(3, 0x04, 1, 3);
	assert_int_equal(iobus_read(&vm->ports, 0xd024, 1), 4);
	/* over RAM, the APICs or system ports: claims nothing */
	cfg_write(3, 0x10, 4, 0x100000);
	assert_int_equal(iobus_read(&vm->mmio, 0x100000, 4), 0xffffffff);
	cfg_write(3, 0x10, 4, 0xfec00000);
	assert_int_equal(iobus_read(&vm->mmio, 0xfec00000, 4), 0xffffffff);
	cfg_write(3, 0x18, 4, 0x60);
	assert_int_equal(iobus_read(&vm->ports, 0x60, 1), 0xff);
}

static void capabilities(void **state)
{
	assert_int_equal(cfg_read(3, 6, 2) & 0x10, 0x10);
	assert_int_equal(cfg_read(0, 6, 2) & 0x10, 0);
	unsigned at = cfg_read(3, 0x34, 1);

	assert_int_equal(at, toys[0].cap);
	assert_int_equal(cfg_read(3, at, 4), 0x01100009);
	cfg_write(3, at + 4, 4, 0x11223344);
	cfg_write(3, at + 5, 1, 0xee);
	assert_int_equal(cfg_read(3, at + 4, 4), 0x1122ee44);
	uint8_t body[60] = {0};
	unsigned added = 0, second = vpci_func_add_cap(&toys[0].pci, 5, body, 60);

	assert_int_equal(cfg_read(3, at + 1, 1), second); /* linked */
	while (vpci_func_add_cap(&toys[0].pci, 5, body, 60))
		added++;
	assert_true(added < 4);
}

static void shared_line_is_ored(void **state)
{
	assert_int_equal(cfg_read(3, 0x3d, 1), 1);
	vpci_func_intx(&toys[0].pci, true);
	assert_true(fake_irq_level[19]);
	assert_int_equal(cfg_read(3, 6, 2) & 8, 8);
	vpci_func_intx(&toys[1].pci, true);
	vpci_func_intx(&toys[0].pci, false);
	assert_true(fake_irq_level[19]);
	cfg_write(11, 4, 2, 0x400); /* interrupt disable */
	assert_false(fake_irq_level[19]);
	assert_int_equal(cfg_read(11, 6, 2) & 8, 8); /* pending all the same */
	cfg_write(11, 4, 2, 0);
	assert_true(fake_irq_level[19]);
	vpci_func_reset(&toys[1].pci);
	assert_false(fake_irq_level[19]);
	cfg_write(3, 0x3c, 1, 11);
	assert_int_equal(cfg_read(3, 0x3c, 2), 0x10b);
}

static gpa_t msix_table(void)
{
	vpci_assign(vm->vpci);
	return cfg_read(11, 0x14, 4);
}

static void set_vector(gpa_t table, unsigned i, uint64_t addr, uint32_t data, bool masked)
{
	iobus_write(&vm->mmio, table + 16 * i, 8, addr);
	iobus_write(&vm->mmio, table + 16 * i + 8, 4, data);
	iobus_write(&vm->mmio, table + 16 * i + 12, 4, masked);
}

/* PCI 3.0, 6.8.3: control is at the capability + 2. */
static void msix_control(uint16_t value)
{
	cfg_write(11, toys[1].msix.cap + 2, 2, value);
}

static void messages(void **state)
{
	gpa_t table = msix_table();
	unsigned before = fake_msis;

	assert_int_equal(cfg_read(11, toys[1].msix.cap + 2, 2), 2); /* three vectors */
	assert_int_equal(cfg_read(11, toys[1].msix.cap + 4, 4), 1); /* table: BAR 1 */
	assert_int_equal(cfg_read(11, toys[1].msix.cap + 8, 4), 0x801);
	assert_int_equal(iobus_read(&vm->mmio, table + 12, 4), 1); /* masked at power-on */
	set_vector(table, 1, 0xfee01007, 0x4041, false);
	assert_int_equal(iobus_read(&vm->mmio, table + 16, 8), 0xfee01004);
	assert_int_equal(iobus_read(&vm->mmio, table + 24, 4), 0x4041);
	msix_raise(&toys[1].msix, 1); /* not enabled: nothing, not even remembered */
	msix_control(0x8000);
	assert_int_equal(fake_msis, before);
	msix_raise(&toys[1].msix, 1);
	assert_int_equal(fake_msis, before + 1);
	assert_int_equal(fake_msi_addr, 0xfee01004);
	assert_int_equal(fake_msi_data, 0x4041);
	msix_raise(&toys[1].msix, 3);
	msix_raise(&toys[1].msix, MSIX_NO_VECTOR);
	assert_int_equal(fake_msis, before + 1);
	/* what the guest cannot do breaks nothing */
	iobus_write(&vm->mmio, table + 0x800, 4, UINT32_MAX);
	iobus_write(&vm->mmio, table + 48, 8, UINT64_MAX);
	iobus_write(&vm->mmio, table + 17, 1, 0xff);
	assert_int_equal(iobus_read(&vm->mmio, table + 16, 8), 0xfee01004);
}

static void masked_messages_wait(void **state)
{
	gpa_t table = msix_table();

	set_vector(table, 0, 0xfee00000, 0x50, true);
	set_vector(table, 2, 0xfee00000, 0x52, false);
	msix_control(0xc000);
	fake_msis = 0;
	msix_raise(&toys[1].msix, 0);
	msix_raise(&toys[1].msix, 2);
	msix_raise(&toys[1].msix, 2);
	assert_int_equal(fake_msis, 0);
	assert_int_equal(iobus_read(&vm->mmio, table + 0x800, 8), 5);
	msix_control(0x8000); /* the function's mask goes: vector 2, once */
	assert_int_equal(fake_msis, 1);
	assert_int_equal(fake_msi_data, 0x52);
	iobus_write(&vm->mmio, table + 12, 4, 0);
	assert_int_equal(fake_msis, 2);
	assert_int_equal(fake_msi_data, 0x50);
	assert_int_equal(iobus_read(&vm->mmio, table + 0x800, 4), 0);
}

static void messages_take_the_place_of_inta(void **state)
{
	vpci_assign(vm->vpci);
	vpci_func_intx(&toys[1].pci, true);
	assert_true(fake_irq_level[19]);
	msix_control(0x8000);
	assert_false(fake_irq_level[19]);
	msix_control(0);
	assert_true(fake_irq_level[19]);
	vpci_func_intx(&toys[1].pci, false);
}

static void firmware_assignment(void **state)
{
	vpci_assign(vm->vpci);
	uint32_t a = cfg_read(3, 0x10, 4), b = cfg_read(11, 0x10, 4);

	assert_int_equal(a, 0xc0000000);
	assert_int_equal(b, 0xc0004000);
	assert_int_equal(iobus_read(&vm->mmio, b + 8, 4), 0x1008);
	assert_int_equal(cfg_read(3, 0x18, 4), 0xd001);
	assert_int_equal(iobus_read(&vm->ports, 0xd020, 1), 0);
}

static void reset_port(void **state)
{
	select_reg(3, 0);
	iobus_write(&vm->ports, 0xcf9, 1, 2);
	assert_int_equal(fake_resets, 0);
	iobus_write(&vm->ports, 0xcf9, 1, 6);
	assert_int_equal(fake_resets, 1);
	assert_int_equal(iobus_read(&vm->ports, 0xcf9, 1), 6);
	iobus_write(&vm->ports, 0xcf9, 1, 6); /* no rising edge */
	assert_int_equal(fake_resets, 1);
	assert_int_equal(iobus_read(&vm->ports, 0xcfc, 4), 0x56781234); /* address untouched */
	iobus_write(&vm->ports, 0xcfb, 1, 1);
	assert_int_equal(iobus_read(&vm->ports, 0xcfc, 4), 0x56781234);
}

static void states_are_checked(void **state)
{
	struct vdev *bus = &vm->vpci->vdev;
	struct vpci_state s = vm->vpci->s;
	struct vpci_regs r;

	assert_int_equal(state_table_gap(bus->ops->table), 0);
	assert_int_equal(state_table_gap(&toy_table), 0);
	assert_int_equal(bus->ops->check(bus, &s), 0);
	s.address = 1;
	assert_int_equal(bus->ops->check(bus, &s), -E_INVAL);
	vpci_assign(vm->vpci);
	r = toys[0].s.pci;
	assert_int_equal(vpci_func_check(&toys[0].pci, &r), 0);
	r.bar[0] |= 0x10;
	assert_int_equal(vpci_func_check(&toys[0].pci, &r), -E_INVAL);
	r = toys[0].s.pci;
	r.bar[1] = 0x1000;
	assert_int_equal(vpci_func_check(&toys[0].pci, &r), -E_INVAL);
	r = toys[0].s.pci;
	r.bar[2] &= ~1u;
	assert_int_equal(vpci_func_check(&toys[0].pci, &r), -E_INVAL);
	r = toys[0].s.pci;
	r.command = 0x8000;
	assert_int_equal(vpci_func_check(&toys[0].pci, &r), -E_INVAL);
	r = toys[0].s.pci;
	r.intx = 2;
	assert_int_equal(vpci_func_check(&toys[0].pci, &r), -E_INVAL);
	r = toys[0].s.pci;
	r.msix_control = 0x8000; /* this one has none */
	assert_int_equal(vpci_func_check(&toys[0].pci, &r), -E_INVAL);
	r = toys[1].s.pci;
	r.msix_control = 0xc000;
	assert_int_equal(vpci_func_check(&toys[1].pci, &r), 0);
	r.msix_control = 0xc002;
	assert_int_equal(vpci_func_check(&toys[1].pci, &r), -E_INVAL);
	struct msix_state x = toys[1].s.msix;

	assert_int_equal(msix_check(&toys[1].msix, &x), 0);
	x.pending = 8; /* three vectors: bits 0 to 2 */
	assert_int_equal(msix_check(&toys[1].msix, &x), -E_INVAL);
	x = toys[1].s.msix;
	x.addr[7] = 2;
	assert_int_equal(msix_check(&toys[1].msix, &x), -E_INVAL);
}

static void slots_are_taken_once(void **state)
{
	assert_int_equal(vpci_func_attach(vm, &toys[0].pci, 11), -E_EXIST);
	assert_int_equal(vpci_func_attach(vm, &toys[0].pci, 32), -E_RANGE);
	assert_int_equal(vpci_func_attach(vm, &toys[0].pci, 0), -E_EXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(ids_and_absent_devices, setup, teardown),
	    cmocka_unit_test_setup_teardown(bar_sizing_and_decoding, setup, teardown),
	    cmocka_unit_test_setup_teardown(bridge_keeps_pam_registers, setup, teardown),
	    cmocka_unit_test_setup_teardown(capabilities, setup, teardown),
	    cmocka_unit_test_setup_teardown(shared_line_is_ored, setup, teardown),
	    cmocka_unit_test_setup_teardown(messages, setup, teardown),
	    cmocka_unit_test_setup_teardown(masked_messages_wait, setup, teardown),
	    cmocka_unit_test_setup_teardown(messages_take_the_place_of_inta, setup, teardown),
	    cmocka_unit_test_setup_teardown(firmware_assignment, setup, teardown),
	    cmocka_unit_test_setup_teardown(reset_port, setup, teardown),
	    cmocka_unit_test_setup_teardown(states_are_checked, setup, teardown),
	    cmocka_unit_test_setup_teardown(slots_are_taken_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
