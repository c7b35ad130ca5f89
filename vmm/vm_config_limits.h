/* SPDX-License-Identifier: BSD-2-Clause */
/* What vm.conf's parser and the check of a peer's configuration share. */
#ifndef VMM_VM_CONFIG_LIMITS_H
#define VMM_VM_CONFIG_LIMITS_H

#include "vmm/vm_config.h"

#define MEMORY_MIN    (2 * MiB)
#define MEMORY_MAX    (1024 * GiB)
#define WEIGHT_MAX    10000
#define AOE_SHELF_MAX 65534 /* 65535 addresses all shelves: AoEr11, 2.2 */
#define AOE_SLOT_MAX  254

struct config_parser {
	struct vm_config *cfg;
	struct config_error *err;
	unsigned line;
};

/* Word the error for the present line. Returns -E_INVAL. */
int config_refuse(struct config_parser *p, const char *fmt, ...) printf_like(2, 3);

/* A name of word characters that fits size with its NUL and does not start with a dot. */
bool config_is_name(const char *s, size_t size);
/* Names joined by single slashes: a file-pool path. */
bool config_is_path(const char *s, size_t size);
/* A station's own address: neither a group nor all zero (IEEE 802, 8.2.2). */
bool config_is_mac(const uint8_t mac[6]);
/* Printable text that ends inside its field. */
bool config_is_text(const char *s, size_t size);

#endif
