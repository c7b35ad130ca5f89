/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the guests' networks: who is where, who may send what. */
#ifndef KERNEL_NET_NETWORK_INNER_H
#define KERNEL_NET_NETWORK_INNER_H

#include "kernel/net/network.h"

/* ---- network_learn.c: MACs seen as source ---- */
/* port NULL: the uplink. MACs of attached ports must not be given. */
void network_learn(struct network *net, const uint8_t *mac, struct guest_port *port);
/* The entry that is not too old, or NULL. */
const struct network_mac *network_lookup(const struct network *net, const uint8_t *mac);
void network_forget_port(struct network *net, struct guest_port *port);
void network_forget_mac(struct network *net, const uint8_t *mac);

/* ---- network_filter.c ---- */
/* May the guest at p send this? */
bool network_may_send(const struct guest_port *p, const struct netbuf *nb);
/* May this (untagged by now) go from the wire to guests? */
bool network_may_enter(const struct network *net, const struct netbuf *nb);

/* ---- network_forward.c ---- */
bool network_from_uplink(struct network *net, struct netbuf *nb);
void network_tick(struct timer *t);

#endif
