/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who receives an interrupt message, and what each delivery mode does there
 * (SDM "Determining IPI Destination", "Issuing Interprocessor Interrupts").
 */
#include "vmm/dev/vlapic.h"

#include "vmm/vcpu.h"

#define DEST_ALL 0xffffffffu

#define ICR_LOGICAL	 0x00800u
#define ICR_ASSERT	 0x04000u
#define ICR_LEVEL	 0x08000u
#define ICR_SHORTHAND(i) (((i) >> 18) & 3)

enum icr_shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

struct apic_message {
	uint32_t dest; /* DEST_ALL: everybody */
	bool logical;
	enum apic_delivery mode;
	uint8_t vector;
	bool level;
};

static bool logical_match(const struct vlapic *v, uint32_t dest)
{
	uint32_t ldr = v->s.ldr;

	if (vlapic_mode(v->s.apic_base) == VLAPIC_X2APIC)
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	ldr >>= 24;
	if (v->s.dfr >> 28 == 0xf) /* flat */
		return ldr & dest & 0xff;
	if (v->s.dfr >> 28 != 0) /* neither flat nor cluster */
		return false;
	return (dest >> 4 == 0xf || ldr >> 4 == dest >> 4) && (ldr & dest & 0xf);
}

static bool message_is_for(const struct apic_message *m, const struct vlapic *v)
{
	if (vlapic_mode(v->s.apic_base) == VLAPIC_OFF)
		return false;
	if (m->dest == DEST_ALL)
		return true;
	return m->logical ? logical_match(v, m->dest) : m->dest == v->vdev.instance;
}

/* Lowest-priority arbitration goes to the CPU with the least urgent work. */
static struct vlapic *lowest_priority(struct vm *vm, const struct apic_message *m)
{
	struct vlapic *best = NULL;

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vlapic *v = vm->vlapics[i];

		if (!v || !message_is_for(m, v) || !(v->s.svr & APIC_SVR_ENABLE))
			continue;
		if (!best || vlapic_ppr(v) < vlapic_ppr(best))
			best = v;
	}
	return best;
}

static unsigned message_receive(struct vlapic *v, const struct apic_message *m)
{
	switch (m->mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		vlapic_set_irq(v, m->vector, m->level);
		return v->s.svr & APIC_SVR_ENABLE ? 1 : 0;
	case APIC_NMI:
		vcpu_nmi(v->vcpu);
		return 1;
	case APIC_INIT:
		vlapic_init_reset(v);
		vcpu_init_ipi(v->vcpu);
		return 1;
	case APIC_STARTUP:
		vcpu_sipi(v->vcpu, m->vector);
		return 1;
	case APIC_SMI:	  /* there is no system-management mode */
	case APIC_EXTINT: /* the 8259s reach a CPU by LINT0, see vlapic_lint0_extint */
		break;
	}
	return 0;
}

static unsigned message_deliver(struct vm *vm, const struct apic_message *m,
				const struct vlapic *except)
{
	unsigned taken = 0;

	if (m->mode == APIC_LOWEST) {
		struct vlapic *v = lowest_priority(vm, m);

		return v ? message_receive(v, m) : 0;
	}
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vlapic *v = vm->vlapics[i];

		if (v && v != except && message_is_for(m, v))
			taken += message_receive(v, m);
	}
	return taken;
}

unsigned vlapic_deliver(struct vm *vm, uint8_t dest, bool logical, enum apic_delivery mode,
			uint8_t vector, bool level)
{
	struct apic_message m = {
	    .dest = dest == 0xff ? DEST_ALL : dest,
	    .logical = logical,
	    .mode = mode,
	    .vector = vector,
	    .level = level,
	};

	return message_deliver(vm, &m, NULL);
}

static uint32_t icr_dest(const struct vlapic *self, uint64_t icr)
{
	if (vlapic_mode(self->s.apic_base) == VLAPIC_X2APIC)
		return (uint32_t)(icr >> 32);
	return icr >> 56 == 0xff ? DEST_ALL : (uint32_t)(icr >> 56);
}

void vlapic_send_ipi(struct vlapic *self, uint64_t icr)
{
	struct apic_message m = {
	    .dest = icr_dest(self, icr),
	    .logical = icr & ICR_LOGICAL,
	    .mode = (enum apic_delivery)((icr >> 8) & 7),
	    .vector = (uint8_t)icr,
	};

	if ((m.mode == APIC_FIXED || m.mode == APIC_LOWEST) && m.vector < 16) {
		vlapic_error(self, ESR_SEND_VECTOR);
		return;
	}
	/* INIT level de-assert only synchronised arbitration ids, long ago */
	if (m.mode == APIC_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
		return;
	switch ((enum icr_shorthand)ICR_SHORTHAND(icr)) {
	case TO_DEST:
		message_deliver(self->vdev.vm, &m, NULL);
		break;
	case TO_SELF:
		message_receive(self, &m);
		break;
	case TO_ALL:
		m.dest = DEST_ALL;
		message_deliver(self->vdev.vm, &m, NULL);
		break;
	case TO_OTHERS:
		m.dest = DEST_ALL;
		message_deliver(self->vdev.vm, &m, self);
		break;
	}
}
