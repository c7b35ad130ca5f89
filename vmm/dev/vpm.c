/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fixed ACPI hardware (ACPI 4.0, "ACPI Hardware Specification") and the two
 * ports of a keyboard controller that is not there. What "off" and "reset" then
 * do is the VM's affair; reset port 0xCF9 is vpci's, whose ports surround it.
 */
#include "vmm/dev/vpm.h"
#include "kernel/mem.h"
#include "vmm/guest_map.h"

#define PM_BLOCK_LEN 14

#define PM1_TMR	   BIT(0)
#define PM1_GBL	   BIT(5)
#define PM1_PWRBTN BIT(8)
#define PM1_RTC	   BIT(10)
#define PM1_WAK	   BIT(15)

#define PM1_STS_STORED (PM1_GBL | PM1_PWRBTN | PM1_RTC | PM1_WAK)
#define PM1_EN_BITS    (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_RTC)

#define PM1_CNT_SCI_EN	     BIT(0)
#define PM1_CNT_BITS	     (BIT(1) | 7 << 10) /* BM_RLD, SLP_TYP; SLP_EN reads as 0 */
#define PM1_CNT_SLP_TYP(cnt) (((cnt) >> 10) & 7)
#define PM1_CNT_SLP_EN	     BIT(13)

/* Registers of the block, by offset */
#define REG_STS 0
#define REG_EN	2
#define REG_CNT 4
#define REG_TMR 8
#define REG_GPE 12 /* a byte of status, a byte of enables */

#define GPE_BITS BIT(VPM_GPE_GENERATION)

#define KBD_DATA	0x60
#define KBD_COMMAND	0x64
#define KBD_PULSE_RESET 0xfe /* pulse output line 0, which is the CPU's reset */
#define KBD_NOT_PRESENT 0xff

static struct vpm *to_vpm(struct vdev *d)
{
	return container_of(d, struct vpm, vdev);
}

/* Whole seconds apart: ns * 3579545 overflows after 85 minutes. */
static uint64_t timer_ticks(const struct vpm *pm)
{
	uint64_t ns = vm_now_ns(pm->vdev.vm);

	return ns / NS_PER_S * VPM_TMR_HZ + ns % NS_PER_S * VPM_TMR_HZ / NS_PER_S;
}

/* The first guest time at which ticks have passed. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks / VPM_TMR_HZ * NS_PER_S +
	       (ticks % VPM_TMR_HZ * NS_PER_S + VPM_TMR_HZ - 1) / VPM_TMR_HZ;
}

/* TMR_STS says that the 32-bit timer's top bit changed since it was cleared. */
static uint16_t status(const struct vpm *pm)
{
	bool flipped = timer_ticks(pm) >> 31 != pm->s.tmr_msb_seen;

	return pm->s.pm1_sts | (flipped ? PM1_TMR : 0);
}

/* Drive the SCI, and wait for the next flip where someone wants to hear of it. */
static void update(struct vpm *pm)
{
	uint16_t sts = status(pm);

	vm_irq_set(pm->vdev.vm, GUEST_SCI_GSI,
		   (sts & pm->s.pm1_en) || (pm->s.gpe_sts & pm->s.gpe_en));
	if ((pm->s.pm1_en & PM1_TMR) && !(sts & PM1_TMR))
		vtimer_arm(&pm->timer, ticks_to_ns((pm->s.tmr_msb_seen + 1) << 31));
	else
		vtimer_cancel(&pm->timer);
}

static void timer_flipped(struct vtimer *t)
{
	update(container_of(t, struct vpm, timer));
}

static uint64_t block_value(const struct vpm *pm, unsigned reg)
{
	switch (reg) {
	case REG_STS:
		return status(pm) | (uint64_t)pm->s.pm1_en << 16;
	case REG_CNT:
		return pm->s.pm1_cnt | PM1_CNT_SCI_EN;
	case REG_GPE:
		return pm->s.gpe_sts | pm->s.gpe_en << 8;
	default:
		return (uint32_t)timer_ticks(pm);
	}
}

static uint64_t pm_read(struct io_region *r, uint64_t offset, unsigned size)
{
	uint64_t v = block_value(to_vpm(r->dev), offset & ~3u);

	return v >> (8 * (offset & 3));
}

static void write_status(struct vpm *pm, uint16_t v)
{
	pm->s.pm1_sts &= ~v; /* write one to clear */
	if (v & PM1_TMR)
		pm->s.tmr_msb_seen = timer_ticks(pm) >> 31;
	update(pm);
}

static void write_enable(struct vpm *pm, uint16_t v)
{
	pm->s.pm1_en = v & PM1_EN_BITS;
	update(pm);
}

static void write_control(struct vpm *pm, uint16_t v)
{
	pm->s.pm1_cnt = v & PM1_CNT_BITS;
	if ((v & PM1_CNT_SLP_EN) && PM1_CNT_SLP_TYP(v) == VPM_SLP_TYP_S5)
		vm_guest_poweroff(pm->vdev.vm);
}

/* One byte; the others of a 16-bit register keep (or, of the status, do not clear) theirs. */
static void pm_write_byte(struct vpm *pm, unsigned offset, uint8_t v)
{
	unsigned shift = 8 * (offset & 1);
	uint16_t mask = 0xff << shift, value = v << shift;

	switch (offset & ~1u) {
	case REG_STS:
		write_status(pm, value);
		break;
	case REG_EN:
		write_enable(pm, (pm->s.pm1_en & ~mask) | value);
		break;
	case REG_CNT:
		write_control(pm, (pm->s.pm1_cnt & ~mask) | value);
		break;
	case REG_GPE:
		if (offset & 1)
			pm->s.gpe_en = v & GPE_BITS;
		else
			pm->s.gpe_sts &= ~v;
		update(pm);
		break;
	}
}

static void pm_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpm *pm = to_vpm(r->dev);

	for (unsigned i = 0; i < size; i++) {
		/* a 16-bit write of the control block must act once, not by halves */
		if (offset + i == REG_CNT && size - i >= 2) {
			write_control(pm, value >> (8 * i));
			i++;
			continue;
		}
		pm_write_byte(pm, offset + i, value >> (8 * i));
	}
}

static uint64_t kbd_read(struct io_region *r, uint64_t offset, unsigned size)
{
	return KBD_NOT_PRESENT;
}

static void kbd_data_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
}

static void kbd_command_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	if ((value & 0xff) == KBD_PULSE_RESET)
		vm_guest_reset(r->dev->vm);
}

void vpm_press_button(struct vpm *pm)
{
	pm->s.pm1_sts |= PM1_PWRBTN;
	update(pm);
}

void vpm_raise_gpe(struct vpm *pm, unsigned gpe)
{
	pm->s.gpe_sts |= BIT(gpe);
	update(pm);
}

static void vpm_reset(struct vdev *d)
{
	struct vpm *pm = to_vpm(d);

	pm->s = (struct vpm_state){.tmr_msb_seen = timer_ticks(pm) >> 31};
	update(pm);
}

static void vpm_quiesce(struct vdev *d)
{
	vtimer_cancel(&to_vpm(d)->timer);
}

static int vpm_check(const struct vdev *d, const void *state)
{
	const struct vpm_state *s = state;

	if (s->pm1_sts & ~PM1_STS_STORED)
		return vdev_refuse(d, "pm1_sts", s->pm1_sts, "no unknown bits");
	if (s->pm1_en & ~PM1_EN_BITS)
		return vdev_refuse(d, "pm1_en", s->pm1_en, "no unknown bits");
	if (s->pm1_cnt & ~PM1_CNT_BITS)
		return vdev_refuse(d, "pm1_cnt", s->pm1_cnt, "no unknown bits");
	if ((s->gpe_sts | s->gpe_en) & ~GPE_BITS)
		return vdev_refuse(d, "gpe_sts or gpe_en", s->gpe_sts | s->gpe_en,
				   "no unknown bits");
	if (s->tmr_msb_seen > UINT64_MAX >> 32)
		return vdev_refuse(d, "tmr_msb_seen", s->tmr_msb_seen, "at most 0xffffffff");
	return 0;
}

static void vpm_resume(struct vdev *d)
{
	struct vpm *pm = to_vpm(d);
	uint16_t sts = status(pm);

	/* the line's level came with the I/O APIC's state: only the timer is ours to re-arm */
	if ((pm->s.pm1_en & PM1_TMR) && !(sts & PM1_TMR))
		vtimer_arm(&pm->timer, ticks_to_ns((pm->s.tmr_msb_seen + 1) << 31));
	else if (sts & pm->s.pm1_en & PM1_TMR)
		vtimer_arm(&pm->timer, vm_now_ns(d->vm)); /* flipped meanwhile: say so soon */
}

static void vpm_destroy(struct vdev *d)
{
	struct vpm *pm = to_vpm(d);

	vtimer_cancel(&pm->timer);
	iobus_remove(&d->vm->ports, &pm->pm);
	iobus_remove(&d->vm->ports, &pm->kbd_data);
	iobus_remove(&d->vm->ports, &pm->kbd_cmd);
	list_remove(&d->node);
	kfree(pm);
}

static const struct state_field vpm_fields[] = {
    STATE_FIELD(struct vpm_state, tmr_msb_seen), STATE_FIELD(struct vpm_state, pm1_sts),
    STATE_FIELD(struct vpm_state, pm1_en),	 STATE_FIELD(struct vpm_state, pm1_cnt),
    STATE_FIELD(struct vpm_state, gpe_sts),	 STATE_FIELD(struct vpm_state, gpe_en),
};

static const struct state_table vpm_table = {
    .name = "vpm",
    .version = 2,
    .struct_size = sizeof(struct vpm_state),
    .fields = vpm_fields,
    .field_count = ARRAY_SIZE(vpm_fields),
};

static const struct vdev_ops vpm_ops = {
    .table = &vpm_table,
    .reset = vpm_reset,
    .quiesce = vpm_quiesce,
    .check = vpm_check,
    .resume = vpm_resume,
    .destroy = vpm_destroy,
};

static const struct io_ops pm_io_ops = {.read = pm_read, .write = pm_write};
static const struct io_ops kbd_data_ops = {.read = kbd_read, .write = kbd_data_write};
static const struct io_ops kbd_command_ops = {.read = kbd_read, .write = kbd_command_write};

static struct io_region region(struct vpm *pm, const char *name, uint16_t port, uint16_t len,
			       const struct io_ops *ops)
{
	return (struct io_region){
	    .name = name, .base = port, .len = len, .enabled = true, .ops = ops, .dev = &pm->vdev};
}

int vpm_create(struct vm *vm, struct vpm **out)
{
	struct vpm *pm = kzalloc(sizeof(*pm));

	if (!pm)
		return -E_NOMEM;
	pm->pm = region(pm, "acpi-pm", GUEST_PM1_EVT, PM_BLOCK_LEN, &pm_io_ops);
	pm->kbd_data = region(pm, "kbd-data", KBD_DATA, 1, &kbd_data_ops);
	pm->kbd_cmd = region(pm, "kbd-command", KBD_COMMAND, 1, &kbd_command_ops);
	vtimer_init(&pm->timer, vm, timer_flipped);

	int err = iobus_add(&vm->ports, &pm->pm);

	if (err)
		goto undo_alloc;
	err = iobus_add(&vm->ports, &pm->kbd_data);
	if (err)
		goto undo_pm;
	err = iobus_add(&vm->ports, &pm->kbd_cmd);
	if (err)
		goto undo_data;
	vdev_add(vm, &pm->vdev, &vpm_ops, 0, &pm->s);
	*out = pm;
	return 0;

undo_data:
	iobus_remove(&vm->ports, &pm->kbd_data);
undo_pm:
	iobus_remove(&vm->ports, &pm->pm);
undo_alloc:
	kfree(pm);
	return err;
}
