/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 'net' lines of host.conf: NAME nic0 [vlan N], or NAME none. Each error says
 * what this line should have been; kernel/net/network.c trusts the result.
 */
#include "kernel/host_config_inner.h"

#include "kernel/lib/string.h"

#define VLAN_MAX 4094 /* IEEE 802.1Q, 9.6: 4095 is reserved */
#define WORD_MAX 64

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

/* What follows the NIC: nothing, or "vlan N". */
static const char *parse_vlan(struct host_net *net, const char *value)
{
	static const char expected[] =
	    "after the NIC nothing, or 'vlan' and a number from 1 to 4094";
	char word[WORD_MAX];
	uint64_t vlan;

	take_word(&value, word);
	if (!*word)
		return NULL;
	if (strcmp(word, "vlan") != 0)
		return expected;
	take_word(&value, word);
	if (str_to_u64(word, &vlan) || vlan < 1 || vlan > VLAN_MAX)
		return expected;
	net->vlan = (uint16_t)vlan;
	take_word(&value, word);
	return *word ? expected : NULL;
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
	expected = parse_vlan(&net, value);
	if (expected)
		return expected;
	if (!net.uplink && net.vlan)
		return "no vlan after none: such a network reaches no wire";
	expected = check_unique(c, &net);
	if (!expected)
		c->nets[c->net_count++] = net;
	return expected;
}
