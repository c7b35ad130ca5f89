/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI power management: PM1a event and control blocks, PM timer, power button, events;
 * and the keyboard controller's ports, of which only the reset line exists.
 */
#ifndef VMM_DEV_VPM_H
#define VMM_DEV_VPM_H

#include "vmm/vm.h"

#define VPM_TMR_HZ     3579545
#define VPM_SLP_TYP_S5 5 /* as \_S5 in vmm/dsdt.asl says */

struct vpm_state {
	uint64_t tmr_msb_seen; /* PM timer ticks >> 31 when TMR_STS was last cleared */
	uint16_t pm1_sts;      /* without TMR_STS, which is computed */
	uint16_t pm1_en;
	uint16_t pm1_cnt;
	uint8_t gpe_sts, gpe_en; /* general-purpose events: bit n is \_GPE._E0n in vmm/dsdt.asl */
};

struct vpm {
	struct vdev vdev;
	struct vpm_state s;
	struct io_region pm, kbd_data, kbd_cmd;
	struct vtimer timer; /* next flip of the timer's top bit, while TMR_EN */
};

/* -E_NOMEM, -E_EXIST (ports taken). Uses gsi 9 (SCI). */
int must_check vpm_create(struct vm *vm, struct vpm **out);
/* Press the power button: PWRBTN_STS, and an SCI when the guest enabled it. */
void vpm_press_button(struct vpm *pm);
#define VPM_GPE_GENERATION 0 /* the VM generation id is another one */
/* A general-purpose event, and an SCI when the guest enabled it. */
void vpm_raise_gpe(struct vpm *pm, unsigned gpe);

#endif
