/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm.conf text, and a configuration as it comes from a peer: what the parser
 * accepts passes the check, and what passes the check has ends to its texts.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "vmm/vm_config.h"

#define ENDED(s) assert_true(strnlen((s), sizeof(s)) < sizeof(s))

static void accepted(const struct vm_config *c)
{
	ENDED(c->name);
	ENDED(c->kernel);
	ENDED(c->initrd);
	ENDED(c->cmdline);
	ENDED(c->cpu_hide);
	assert_in_range(c->vcpus, 1, VM_MAX_VCPUS);
	assert_true(c->memory && c->memory % SIZE_2M == 0);
	assert_in_range(c->disk_count, 0, VM_MAX_DISKS);
	for (unsigned i = 0; i < c->disk_count; i++) {
		ENDED(c->disks[i].name);
		ENDED(c->disks[i].local);
	}
	assert_in_range(c->module_count, 0, VM_MAX_MODULES);
	for (unsigned i = 0; i < c->module_count; i++) {
		ENDED(c->modules[i].path);
		ENDED(c->modules[i].args);
	}
	for (const char *p = c->name; *p; p++)
		assert_in_range((uint8_t)*p, '!', '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char good[] = "memory 64M\nvcpus 2\nkernel vms/web/linux\ncmdline quiet\n"
				   "disk vda aoe 7.3\ndisk vdb local ata0 readonly\n";
	struct fuzz f = {data, size};
	struct config_error why;
	struct vm_config c;
	int err;

	if (fuzz_u8(&f) & 1) {
		memset(&why, 0xee, sizeof(why));
		err = vm_config_parse("web", (const char *)f.at, f.left, &c, &why);
		if (err) {
			ENDED(why.text);
			return 0;
		}
		accepted(&c);
		assert_int_equal(vm_config_check(&c, &why), 0);
		return 0;
	}
	assert_int_equal(vm_config_parse("web", good, strlen(good), &c, &why), 0);
	for (unsigned i = 0; i < 8 && f.left; i++)
		fuzz_spoil(&f, &c, sizeof(c));
	memset(&why, 0xee, sizeof(why));
	if (vm_config_check(&c, &why))
		ENDED(why.text);
	else
		accepted(&c);
	return 0;
}
