/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lines of host.conf that repeat: 'net' NAME nic0|none [vlan N] [mtu N], and
 * 'store' NAME aoe SHELF.SLOT. Each error says
 * what this line should have been; kernel/net/network.c trusts the result.
 */
#include "kernel/host_config_inner.h"

#include "kernel/lib/string.h"

#define VLAN_MAX 4094 /* IEEE 802.1Q, 9.6: 4095 is reserved */
#define MTU_MIN	 1280 /* RFC 8200, 5: below it there is no IPv6 */
#define MTU_MAX	 9000
#define WORD_MAX 64

/* AoEr11: 65535 and 255 are for all */
#define SHELF_MAX 65534
#define SLOT_MAX  254

/* The next word of *s, cut to fit (too long for any that is accepted); "" at the end. */
static void take_word(const char **s, char word[WORD_MAX])
{
	unsigned len = 0;

	while (**s == ' ' || **s == '\t')
		(*s)++;
	while (**s && **s != ' ' && **s != '\t') {
		if (len < WORD_MAX - 1)
			word[len++] = **s;
		(*s)++;
	}
	word[len] = '\0';
}

static bool take_number(const char **s, uint64_t min, uint64_t max, uint16_t *out)
{
	char word[WORD_MAX];
	uint64_t v;

	take_word(s, word);
	if (str_to_u64(word, &v) || v < min || v > max)
		return false;
	*out = (uint16_t)v;
	return true;
}

/* What follows the NIC. */
static const char *parse_options(struct host_net *net, const char *value)
{
	char word[WORD_MAX];

	for (take_word(&value, word); *word; take_word(&value, word)) {
		if (strcmp(word, "vlan") == 0 && !net->vlan) {
			if (!take_number(&value, 1, VLAN_MAX, &net->vlan))
				return "after vlan a number from 1 to 4094";
		} else if (strcmp(word, "mtu") == 0 && !net->mtu) {
			if (!take_number(&value, MTU_MIN, MTU_MAX, &net->mtu))
				return "after mtu a number from 1280 to 9000";
		} else {
			return "nothing after the NIC but 'vlan NUMBER' and 'mtu NUMBER', each "
			       "once";
		}
	}
	return NULL;
}

static const char *check_unique(const struct host_config *c, const struct host_net *net)
{
	for (unsigned i = 0; i < c->net_count; i++) {
		const struct host_net *other = &c->nets[i];

		if (strcmp(other->name, net->name) == 0)
			return "each name once in the file";
		if (net->uplink && other->uplink && other->vlan == net->vlan)
			return net->vlan ? "one network for each VLAN"
					 : "one network without vlan for each NIC";
	}
	return NULL;
}

const char *host_config_parse_net(struct host_config *c, const char *value)
{
	struct host_net net = {.uplink = true};
	const char *expected;
	char word[WORD_MAX];

	if (c->net_count == HOST_NETS_MAX)
		return "at most 8 networks";
	take_word(&value, word);
	if (!host_config_parse_word(net.name, word))
		return "NAME NIC: a name of letters, digits and '-', at most 31";
	take_word(&value, word);
	if (strcmp(word, "none") == 0)
		net.uplink = false;
	else if (strcmp(word, "nic0") != 0)
		return "NAME and nic0 (the one NIC that is driven; see 'nic') or none";
	expected = parse_options(&net, value);
	if (expected)
		return expected;
	if (!net.uplink && net.vlan)
		return "no vlan after none: such a network reaches no wire";
	expected = check_unique(c, &net);
	if (!expected)
		c->nets[c->net_count++] = net;
	return expected;
}

/* "1.0" */
static bool take_address(const char **s, struct host_store *out)
{
	char word[WORD_MAX], *dot;
	uint64_t shelf, slot;

	take_word(s, word);
	dot = strchr(word, '.');
	if (!dot)
		return false;
	*dot = 0;
	if (str_to_u64(word, &shelf) || str_to_u64(dot + 1, &slot) || shelf > SHELF_MAX ||
	    slot > SLOT_MAX)
		return false;
	out->shelf = (uint16_t)shelf;
	out->slot = (uint8_t)slot;
	return true;
}

const char *host_config_parse_store(struct host_config *c, const char *value)
{
	struct host_store st = {.shelf = 0};
	char word[WORD_MAX];

	if (c->store_count == HOST_STORES_MAX)
		return "at most 4 datastores on shared storage";
	take_word(&value, word);
	if (!host_config_parse_word(st.name, word))
		return "NAME aoe SHELF.SLOT: a name of letters, digits and '-', at most 31";
	take_word(&value, word);
	if (strcmp(word, "aoe") != 0 || !take_address(&value, &st))
		return "NAME aoe SHELF.SLOT like 1.0 (up to 65534.254)";
	take_word(&value, word);
	if (*word)
		return "nothing after NAME aoe SHELF.SLOT";
	for (unsigned i = 0; i < c->store_count; i++)
		if (strcmp(c->stores[i].name, st.name) == 0)
			return "each datastore once in the file";
	c->stores[c->store_count++] = st;
	return NULL;
}
