/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the parser of host.conf. */
#ifndef KERNEL_HOST_CONFIG_INNER_H
#define KERNEL_HOST_CONFIG_INNER_H

#include "kernel/host_config.h"

/* Letters, digits, '-', at most 31. */
bool host_config_parse_word(char out[32], const char *value);
/* One 'net' line's value: NULL and the network is in c, or what was expected.  */
const char *host_config_parse_net(struct host_config *c, const char *value);
/* One 'store' line's value, likewise. */
const char *host_config_parse_store(struct host_config *c, const char *value);

#endif
