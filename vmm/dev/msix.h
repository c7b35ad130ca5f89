/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message-signalled interrupts of a PCI function: the MSI-X capability, its
 * table and its pending bits (PCI Local Bus Specification 3.0, section 6.8.2).
 */
#ifndef VMM_DEV_MSIX_H
#define VMM_DEV_MSIX_H

#include "vmm/dev/vpci.h"

#define MSIX_MAX_VECTORS 8
#define MSIX_BAR	 1
#define MSIX_NO_VECTOR	 0xffff

/* Guest-visible state; a member of the device's state struct, MSIX_STATE_FIELDS in its table. */
struct msix_state {
	uint64_t addr[MSIX_MAX_VECTORS];
	uint32_t data[MSIX_MAX_VECTORS];
	uint32_t masked; /* vector control's mask bits, one bit a vector */
	uint32_t pending;
};

#define MSIX_STATE_FIELDS(type, m)                                                                 \
	STATE_ARRAY(type, m.addr), STATE_ARRAY(type, m.data), STATE_FIELD(type, m.masked),         \
	    STATE_FIELD(type, m.pending)

struct msix {
	struct vpci_func *f;
	struct msix_state *s;
	unsigned count; /* vectors, at most MSIX_MAX_VECTORS */
	uint8_t cap;	/* its offset in configuration space */
};

/* Give the function BAR 1 and the capability. Between vpci_func_init and _attach. */
void msix_init(struct msix *x, struct vpci_func *f, struct msix_state *s, unsigned count);
/* Power-on state: everything masked (6.8.2.9). */
void msix_reset(struct msix *x);
/* Does the function signal by messages? Then it does not by INTA (6.8.3.3). */
bool msix_enabled(const struct msix *x);
/* Send the vector's message, or remember it while it is masked. Any number; only ours do anything.
 */
void msix_raise(struct msix *x, unsigned vector);
/* The message control register after a write: messages that were masked go out now. */
void msix_control_changed(struct msix *x);
int must_check msix_check(const struct msix *x, const struct msix_state *in);

#endif
