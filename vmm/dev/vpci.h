/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PCI bus 0: configuration mechanism 1, a host bridge at 00:00.0, one
 * single-function device a slot, BARs on the VM's buses, INTA by slot.
 * Source: PCI Local Bus Specification 3.0, chapter 6 "Configuration Space".
 */
#ifndef VMM_DEV_VPCI_H
#define VMM_DEV_VPCI_H

#include "vmm/vm.h"

#define VPCI_SLOTS 32
#define VPCI_BARS  6

#define PCI_VENDOR_REDHAT 0x1af4 /* virtio, and other paravirtual devices */

#define PCI_COMMAND_IO		 BIT(0)
#define PCI_COMMAND_MEMORY	 BIT(1)
#define PCI_COMMAND_BUS_MASTER	 BIT(2)
#define PCI_COMMAND_INTX_DISABLE BIT(10)

#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11

/* Message control of MSI-X */
#define PCI_MSIX_ENABLE	  BIT(15)
#define PCI_MSIX_MASK_ALL BIT(14)

/*
 * The part of a function's configuration space that the guest can change: a
 * member of the device's own state struct, in its table by VPCI_STATE_FIELDS.
 */
struct vpci_regs {
	uint32_t bar[VPCI_BARS]; /* as the guest reads them */
	uint16_t command;
	uint8_t int_line;
	uint8_t intx;	       /* the device asserts INTA */
	uint16_t msix_control; /* enable and function mask; 0 without MSI-X */
	uint16_t reserved;
};

#define VPCI_STATE_FIELDS(type, m)                                                                 \
	STATE_ARRAY(type, m.bar), STATE_FIELD(type, m.command), STATE_FIELD(type, m.int_line),     \
	    STATE_FIELD(type, m.intx), STATE_FIELD(type, m.msix_control),                          \
	    STATE_FIELD(type, m.reserved)

struct vpci_func;
struct msix;

/*
 * Configuration registers that the device itself keeps (inside a capability),
 * by aligned 4-byte register. Return false for those it does not know. write
 * gets the bytes that were written in mask (0xff each).
 */
struct vpci_func_ops {
	bool (*config_read)(struct vpci_func *f, unsigned reg, uint32_t *value);
	bool (*config_write)(struct vpci_func *f, unsigned reg, uint32_t value, uint32_t mask);
};

struct vpci_ids {
	uint16_t vendor, device, subsys_vendor, subsys;
	uint32_t class_code; /* base class, sub-class, interface */
	uint8_t revision;
	bool has_intx;
};

/* A device embeds this; set up once, in this order: init, set_bar, add_cap, attach. */
struct vpci_func {
	struct vdev *dev;
	struct vpci_regs *regs; /* in the device's state */
	const struct vpci_func_ops *ops;
	struct msix *msix; /* NULL: INTA alone */
	struct vpci *bus;
	uint8_t slot, last_cap, cap_end;
	uint8_t config[256]; /* read-only fields and capabilities */
	uint32_t bar_size[VPCI_BARS];
	bool bar_is_io[VPCI_BARS];
	struct io_region bar[VPCI_BARS];
};

struct vpci_state {
	struct vpci_regs bridge;
	uint32_t address;      /* 0xCF8 */
	uint8_t reset_control; /* 0xCF9 */
	uint8_t reserved[3];
	uint8_t pam[8]; /* of the bridge: 58H to 5FH */
};

struct vpci {
	struct vdev vdev;
	struct vpci_state s;
	struct io_region address_port, data_port;
	struct vpci_func bridge;
	struct vpci_func *slots[VPCI_SLOTS];
};

/* Bus and host bridge; sets vm->vpci. -E_NOMEM, -E_EXIST. Before any device on it. */
int must_check vpci_create(struct vm *vm);
/*
 * The part of firmware, for guests that are started without one: give every
 * memory and I/O BAR an address and switch decoding on. After all devices were
 * created and reset.
 */
void vpci_assign(struct vpci *bus);

void vpci_func_init(struct vpci_func *f, struct vdev *dev, struct vpci_regs *regs,
		    const struct vpci_ids *ids, const struct vpci_func_ops *ops);
/* size: a power of two, memory at least 4096, I/O at least 4. */
void vpci_func_set_bar(struct vpci_func *f, unsigned n, uint32_t size, bool is_io,
		       const struct io_ops *ops, const char *name);
/* Append a capability: id, then body. Returns its offset, or 0 when there is no room. */
uint8_t vpci_func_add_cap(struct vpci_func *f, uint8_t id, const void *body, size_t len);
/* 0, -E_EXIST when the slot is taken, -E_RANGE for no such slot. */
int must_check vpci_func_attach(struct vm *vm, struct vpci_func *f, unsigned slot);
void vpci_func_detach(struct vpci_func *f);

/* For the device's own vdev ops. check: as vdev_ops.check. */
void vpci_func_reset(struct vpci_func *f);
int must_check vpci_func_check(const struct vpci_func *f, const struct vpci_regs *incoming);
void vpci_func_resume(struct vpci_func *f);
/* Assert or release INTA; slots that share a line are ORed. */
void vpci_func_intx(struct vpci_func *f, bool level);

#endif
