/* SPDX-License-Identifier: BSD-2-Clause */
/* host.conf: any text is either refused with words or gives a configuration within its limits. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "kernel/host_config.h"

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	return names[level];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_config_error why;
	struct host_config c;

	memset(&why, 0xee, sizeof(why));
	host_config_defaults(&c);
	if (host_config_parse((const char *)data, size, &c, &why)) {
		assert_true(strnlen(why.text, sizeof(why.text)) < sizeof(why.text));
		assert_int_not_equal(why.text[0], 0);
		return 0;
	}
	assert_in_range(strnlen(c.name, sizeof(c.name)), 1, sizeof(c.name) - 1);
	assert_in_range(strnlen(c.pool, sizeof(c.pool)), 0, sizeof(c.pool) - 1);
	assert_in_range(strnlen(c.nic, sizeof(c.nic)), 1, sizeof(c.nic) - 1);
	assert_in_range(c.mtu, 576, 9000);
	assert_true(c.console_port == 0x3f8 || c.console_port == 0x2f8);
	assert_int_not_equal(c.console_baud, 0);
	assert_in_range(c.net_count, 1, HOST_NETS_MAX);
	for (unsigned i = 0; i < c.net_count; i++) {
		assert_in_range(strnlen(c.nets[i].name, 32), 1, 31);
		assert_true(!c.nets[i].mtu || (c.nets[i].mtu >= 1280 && c.nets[i].mtu <= 9000));
		assert_in_range(c.nets[i].vlan, 0, c.nets[i].uplink ? 4094 : 0);
	}
	return 0;
}
