/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM is: parsed from vm.conf, shown by `info`, sent in a move. Plain
 * bytes, no pointers.
 */
#ifndef VMM_VM_CONFIG_H
#define VMM_VM_CONFIG_H

#include "kernel/lib/base.h"

#define VM_NAME_LEN    32
#define VM_MAX_VCPUS   16
#define VM_MAX_DISKS   8
#define VM_MAX_NICS    4
#define VM_CMDLINE_LEN 1024
#define VM_PATH_LEN    128
#define VM_MAX_MODULES 4
#define VM_ARGS_LEN    128
#define VM_OBJECT_LEN  96 /* DS_NAME_LEN */

/*
 * "disk vda aoe 1.0 [readonly]", "disk vda local ata0 [readonly]" or
 * "disk vda store main [disk/web/vda] [readonly]"
 */
struct vm_disk_config {
	char name[8]; /* "vda" */
	uint8_t used, shared, readonly, in_store;
	uint16_t shelf; /* AoE */
	uint8_t slot, pad2;
	char local[32];		    /* not shared: name of a local blkdev, or of a datastore */
	char object[VM_OBJECT_LEN]; /* in_store: of the datastore */
};

/* "nic eth0 lan [52:54:00:12:34:56] [unfiltered]" */
struct vm_nic_config {
	char name[8];	    /* "eth0" */
	char network[32];   /* of host.conf's `net` lines */
	uint8_t mac[6];	    /* never zero: made from the VM's UUID and names when none is given */
	uint8_t unfiltered; /* the guest may send from other MACs too (it bridges) */
	uint8_t pad;
};

/* "module FILE [args ...]": a Multiboot module beside the initrd. */
struct vm_module_config {
	char path[VM_PATH_LEN];
	char args[VM_ARGS_LEN]; /* what follows the name in the module's own command line */
};

/*
 * vm.conf, one "key value" a line, '#' comments:
 *   memory 256M | vcpus 1 | kernel vmlinuz | initrd initrd.img | firmware bios-256k.bin
 *   cmdline console=ttyS0 ... (rest of the line) | disk ... | autostart yes|no
 *   nic eth0 lan [MAC] [unfiltered]
 *   uuid 8-4-4-4-12 hex | cpu_hide FEATURE ... | weight 100
 *   module FILE [args ...] (Multiboot; repeats) | testdev on|off
 * An equals sign may stand between key and value instead of a space.
 * The name is that of the folder vms/NAME.
 */
struct vm_config {
	char name[VM_NAME_LEN];
	uint8_t uuid[16];
	uint64_t memory; /* bytes, multiple of 2 MiB */
	uint32_t vcpus;
	uint32_t weight;
	uint32_t disk_count;
	uint8_t autostart, testdev, nic_count;
	uint8_t firmware;	  /* `kernel` names a BIOS image, which boots from the first disk */
	char kernel[VM_PATH_LEN]; /* file-pool path: "vms/web/vmlinuz" */
	char initrd[VM_PATH_LEN]; /* empty: none */
	char cmdline[VM_CMDLINE_LEN];
	char cpu_hide[128]; /* feature names to hide from the guest, space separated */
	struct vm_disk_config disks[VM_MAX_DISKS];
	struct vm_nic_config nics[VM_MAX_NICS];
	uint32_t module_count, pad2;
	struct vm_module_config modules[VM_MAX_MODULES];
};

/* Words for the console: line is 1-based. */
struct config_error {
	unsigned line;
	char text[128];
};

/*
 * Parse vm.conf text (need not be terminated). 0, or -E_INVAL with *err filled:
 * unknown keys, bad values and missing obligatory keys (memory, kernel or firmware)
 * name their line and what was expected.
 */
int must_check vm_config_parse(const char *name, const char *text, size_t len,
			       struct vm_config *out, struct config_error *err);
/* MACs for its cards that have none, from UUID and names. */
void vm_config_make_macs(struct vm_config *cfg);
/* The text of a vm.conf with all that cfg says; its length, or -E_NOSPC. */
int must_check vm_config_text(const struct vm_config *cfg, char *buf, size_t size);
/* Is this config (from a peer) sane? The same limits as the parser's. 0 or -E_INVAL. */
int must_check vm_config_check(const struct vm_config *cfg, struct config_error *err);

#endif
