/* SPDX-License-Identifier: BSD-2-Clause */
/* The UART; other: text typed to the guest. */
#include "tests/fuzz/device.h"
#include "vmm/dev/vuart.h"

static struct vuart *uart;

static void create(struct vm *vm)
{
	assert_int_equal(vuart_create(vm, &uart), 0);
}

static void other(struct vm *vm, struct fuzz *f)
{
	size_t want = fuzz_u16(f) % 600, len;
	const uint8_t *text = fuzz_take(f, want, &len);

	assert_true(vuart_input(uart, (const char *)text, len) <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{false, VUART_BASE, 8}};
	static const struct fuzz_device fd = {windows, 1, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
