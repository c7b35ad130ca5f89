/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.conf: one "key value" a line, '#' comments.
 *   name alpha            its name (obligatory)
 *   pool lab
 *   nic auto | 00:03.0    for link, storage
 *   mtu 1500              up to 9000
 *   console com1 115200
 *   net dmz nic0 vlan 20  NAME nic0|none [vlan N] [mtu N]
 *   loglevel info
 *   escape ^]             leaves a guest's console
 *   apicv auto | on | off  guests' APICs by the CPU
 *   store NAME aoe 1.0    a datastore on shared storage
 *   default_store NAME    where definitions, logs and saved VMs go
 */
#ifndef KERNEL_HOST_CONFIG_H
#define KERNEL_HOST_CONFIG_H

#include "kernel/lib/base.h"

#define HOST_NETS_MAX	8
#define HOST_STORES_MAX 4

struct host_net {
	char name[32];
	bool uplink;   /* on the NIC; false: guests of this host only */
	uint16_t vlan; /* 1 to 4094, 0: untagged */
	uint16_t mtu;  /* at most; 0: the NIC's */
};

/* A datastore on an AoE target; those on local disks are found. */
struct host_store {
	char name[32];
	uint16_t shelf;
	uint8_t slot;
};

enum host_apicv { APICV_OFF, APICV_AUTO, APICV_ON };

struct host_config {
	char name[32];
	char pool[32];
	char nic[16];
	uint32_t mtu;
	uint16_t console_port; /* I/O base: 0x3f8 for com1, 0x2f8 for com2 */
	uint32_t console_baud;
	uint8_t loglevel;
	uint8_t escape; /* control character */
	struct host_net nets[HOST_NETS_MAX];
	unsigned net_count; /* never 0: 'lan' on the NIC when the file names none */
	uint8_t apicv;	    /* enum host_apicv */
	struct host_store stores[HOST_STORES_MAX];
	unsigned store_count;
	char default_store[32]; /* empty: the first local one */
};

struct host_config_error {
	unsigned line;
	char text[128];
};

void host_config_defaults(struct host_config *out);
/* 0, or -E_INVAL with *err naming line and what was expected. */
int must_check host_config_parse(const char *text, size_t len, struct host_config *out,
				 struct host_config_error *err);

#endif
