/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What differs when the VM is off: it need not be able to run there, but it must be kept
 * there. What would be in the way of its next start is a note, or, with --start, a failure.
 */
#include "kernel/lib/string.h"
#include "migrate/checks_inner.h"

static void check_power(struct check_list *l, const struct checks_input *in)
{
	bool off = in->state == VM_OFF;

	check_words(l, off, "power state", vm_state_name(in->state),
		    off ? "cold move" : "no cold move: switched on");
}

void check_definition(struct check_list *l, const struct checks_input *in)
{
	static const uint8_t none[sizeof(in->facts->store)];
	bool there = memcmp(in->facts->store, none, sizeof(none));

	check_words(l, there, "definition kept", in->keeps_definitions ? "in a datastore" : "no",
		    there ? "in a datastore" : "no datastore is open there");
	if (in->keeps_definitions)
		return;
	check_words(l, false, "gone for good here", "no: the boot volume may define it", "-");
	check_soften(l, l->count - 1);
}

void checks_cold(struct check_list *l, const struct checks_input *in)
{
	unsigned before;

	check_power(l, in);
	check_definition(l, in);
	check_admission(l, in);
	before = l->count;
	check_capacity(l, in);
	if (!in->start)
		check_soften(l, before);
	before = l->count;
	check_cpu_features(l, in); /* it boots anew: it will find what is there */
	check_soften(l, before);
}
