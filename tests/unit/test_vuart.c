/* SPDX-License-Identifier: BSD-2-Clause */
/* The UART as Linux' 8250 driver and a bare-metal test would see it. */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vuart.h"

#define DATA 0x3f8
#define IER  0x3f9
#define IIR  0x3fa
#define FCR  0x3fa
#define LCR  0x3fb
#define MCR  0x3fc
#define LSR  0x3fd
#define MSR  0x3fe
#define SCR  0x3ff

static struct vm *vm;
static struct vuart *u;
static char seen[1024];
static size_t seen_len;

static int setup(void **ctx)
{
	vm = fake_vm_create(64 * MiB, 1);
	assert_int_equal(vuart_create(vm, &u), 0);
	seen_len = 0;
	return 0;
}

static int teardown(void **ctx)
{
	fake_vm_destroy(vm);
	return 0;
}

static void watch(void *ctx, const char *data, size_t len)
{
	assert_ptr_equal(ctx, seen);
	assert_true(seen_len + len <= sizeof(seen));
	memcpy(seen + seen_len, data, len);
	seen_len += len;
}

static void test_output(void **ctx)
{
	char buf[16];

	vuart_set_sink(u, watch, seen);
	fake_out(vm, LCR, 3);
	fake_out(vm, DATA, 'h');
	fake_out(vm, DATA, 'i');
	assert_int_equal(seen_len, 2);
	assert_memory_equal(seen, "hi", 2);
	assert_int_equal(fake_in(vm, LSR), 0x60);
	assert_int_equal(vuart_unseen(u), 2);
	vuart_clear_sink(u, 0);
	assert_int_equal(vuart_unseen(u), 0);
	fake_out(vm, DATA, '!');
	assert_int_equal(vuart_unseen(u), 1);
	assert_int_equal(seen_len, 2);
	assert_int_equal(vuart_history(u, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "hi!", 3);
	assert_int_equal(vuart_history(u, buf, 2), 2);
	assert_memory_equal(buf, "i!", 2);
	assert_int_equal(u->tx_bytes, 3);
	vuart_set_sink(u, watch, seen);
	vuart_clear_sink(u, 2); /* two of them never reached the terminal */
	assert_int_equal(vuart_unseen(u), 2);
}

static void test_history_keeps_the_last(void **ctx)
{
	static char buf[VUART_HISTORY + 8];

	for (size_t i = 0; i < VUART_HISTORY + 100; i++)
		fake_out(vm, DATA, (uint8_t)(i % 251));
	assert_int_equal(vuart_history(u, buf, sizeof(buf)), VUART_HISTORY);
	for (size_t i = 0; i < VUART_HISTORY; i++)
		assert_int_equal((uint8_t)buf[i], (i + 100) % 251);
}

static void test_divisor_latch(void **ctx)
{
	fake_out(vm, LCR, 0x83);
	fake_out(vm, DATA, 1);
	fake_out(vm, IER, 2);
	assert_int_equal(fake_in(vm, DATA), 1);
	assert_int_equal(fake_in(vm, IER), 2);
	fake_out(vm, LCR, 3);
	assert_int_equal(fake_in(vm, IER), 0);
	assert_int_equal(u->tx_bytes, 0);
	fake_out(vm, SCR, 0x5a);
	assert_int_equal(fake_in(vm, SCR), 0x5a);
	fake_out(vm, IER, 0xff);
	assert_int_equal(fake_in(vm, IER), 0x0f);
}

/* drivers/tty/serial/8250: autoconfig's questions, answered as a 16550A does */
static void test_autodetect_16550a(void **ctx)
{
	fake_out(vm, MCR, 0x10 | 0x08 | 0x02);
	assert_int_equal(fake_in(vm, MSR) & 0xf0, 0x90);
	fake_out(vm, MCR, 0);
	fake_out(vm, FCR, 1);
	assert_int_equal(fake_in(vm, IIR) >> 6, 3);
	fake_out(vm, FCR, 0);
	assert_int_equal(fake_in(vm, IIR) >> 6, 0);
	/* FIFO size in loopback: 16, and the rest overruns */
	fake_out(vm, FCR, 1 | 2 | 4);
	fake_out(vm, MCR, 0x10);
	for (unsigned i = 0; i < 256; i++)
		fake_out(vm, DATA, (uint8_t)i);
	assert_int_equal(fake_in(vm, LSR), 0x63);
	assert_int_equal(fake_in(vm, LSR), 0x61);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(fake_in(vm, DATA), i);
	assert_int_equal(fake_in(vm, LSR), 0x60);
	assert_int_equal(u->tx_bytes, 0);
}

static void test_thre_interrupt(void **ctx)
{
	fake_out(vm, MCR, 0x08);
	assert_int_equal(fake_in(vm, IIR), 1);
	fake_out(vm, IER, 2);
	assert_true(fake_irq_level[4]);
	assert_int_equal(fake_in(vm, IIR), 2);
	assert_false(fake_irq_level[4]);
	assert_int_equal(fake_in(vm, IIR), 1);
	/* off and on again asks again (the driver's test for a broken THRE) */
	fake_out(vm, IER, 0);
	fake_out(vm, IER, 2);
	assert_int_equal(fake_in(vm, IIR), 2);
	/* each byte gives a new edge, even when the request stands already */
	fake_irq_edges[4] = 0;
	fake_out(vm, DATA, 'a');
	fake_out(vm, DATA, 'b');
	assert_int_equal(fake_irq_edges[4], 2);
	assert_true(fake_irq_level[4]);
	fake_out(vm, IER, 0);
	assert_false(fake_irq_level[4]);
}

static void test_out2_gates(void **ctx)
{
	fake_out(vm, IER, 2);
	assert_false(fake_irq_level[4]);
	assert_int_equal(u->s.line, 0);
	fake_out(vm, MCR, 0x08);
	assert_true(fake_irq_level[4]);
}

static void test_input_and_trigger(void **ctx)
{
	fake_out(vm, MCR, 0x08);
	fake_out(vm, FCR, 0x81); /* trigger 8 */
	fake_out(vm, IER, 1);
	assert_int_equal(vuart_input(u, "abc", 3), 3);
	assert_true(fake_irq_level[4]);
	assert_int_equal(fake_in(vm, IIR), 0xcc);
	assert_int_equal(vuart_input(u, "defgh", 5), 5);
	assert_int_equal(fake_in(vm, IIR), 0xc4);
	for (const char *p = "abcdefgh"; *p; p++) {
		assert_int_equal(fake_in(vm, LSR) & 1, 1);
		assert_int_equal(fake_in(vm, DATA), *p);
	}
	assert_false(fake_irq_level[4]);
	assert_int_equal(fake_in(vm, DATA), 0);
	assert_int_equal(u->rx_bytes, 8);
}

static void test_paste_loses_nothing(void **ctx)
{
	char text[400];
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('A' + i % 50);
	fake_out(vm, FCR, 1);
	sent = vuart_input(u, text, sizeof(text));
	assert_int_equal(sent, VUART_QUEUE + VUART_FIFO);
	while (got < sizeof(text)) {
		assert_int_equal(fake_in(vm, LSR) & 3, 1);
		assert_int_equal(fake_in(vm, DATA), text[got]);
		got++;
		sent += vuart_input(u, text + sent, sizeof(text) - sent);
	}
	assert_int_equal(fake_in(vm, LSR) & 1, 0);
	/* a FIFO reset drops what the receiver holds, not what waits */
	assert_int_equal(vuart_input(u, text, 20), 20);
	fake_out(vm, FCR, 3);
	assert_int_equal(fake_in(vm, DATA), text[16]);
}

static void test_wide_access_is_bytes(void **ctx)
{
	vuart_set_sink(u, watch, seen);
	iobus_write(&vm->ports, SCR, 2, 0x4142);
	assert_int_equal(fake_in(vm, SCR), 0x42);
	assert_int_equal(iobus_read(&vm->ports, LCR, 4), 0xb0600000);
}

static void test_modem_deltas(void **ctx)
{
	fake_out(vm, MCR, 0x08);
	assert_int_equal(fake_in(vm, MSR), 0xb0);
	fake_out(vm, IER, 8);
	fake_out(vm, MCR, 0x1c); /* loop, OUT1, OUT2: CTS and DSR drop, RI rises */
	assert_int_equal(fake_in(vm, IIR), 0);
	assert_true(fake_irq_level[4]);
	assert_int_equal(fake_in(vm, MSR), 0xc3);
	assert_false(fake_irq_level[4]);
	fake_out(vm, MCR, 0x18);
	assert_int_equal(fake_in(vm, MSR), 0x84);
}

static void test_move(void **ctx)
{
	struct vm *src = vm;
	struct vuart *from = u, *to;
	struct vm *dst;

	fake_out(src, MCR, 0x08);
	fake_out(src, FCR, 0x41);
	fake_out(src, IER, 3);
	fake_out(src, SCR, 0x77);
	assert_int_equal(vuart_input(from, "0123456789abcdefghij", 20), 20);
	fake_in(src, DATA);
	dst = fake_vm_create(64 * MiB, 1);
	assert_int_equal(vuart_create(dst, &to), 0);
	fake_move(&from->vdev, &to->vdev);
	assert_int_equal(fake_in(dst, IIR), 0xc4);
	assert_int_equal(fake_in(dst, SCR), 0x77);
	for (const char *p = "123456789abcdefghij"; *p; p++)
		assert_int_equal(fake_in(dst, DATA), *p);
	assert_int_equal(fake_in(dst, LSR), 0x60);
	/* the request line travelled too: the THRE request holds it, then it falls */
	fake_irq_level[4] = true;
	assert_int_equal(fake_in(dst, IIR), 0xc2);
	assert_false(fake_irq_level[4]);
	fake_vm_destroy(dst);
}

static void test_check(void **ctx)
{
	struct vuart_state bad = u->s;

	assert_int_equal(u->vdev.ops->check(&u->vdev, &bad), 0);
	bad.fifo_count = VUART_FIFO + 1;
	assert_int_equal(u->vdev.ops->check(&u->vdev, &bad), -E_INVAL);
	assert_non_null(strstr(fake_log_last, "fifo_count"));
	bad.fifo_count = 2;
	assert_int_equal(u->vdev.ops->check(&u->vdev, &bad), -E_INVAL);
	bad.fcr = 1;
	assert_int_equal(u->vdev.ops->check(&u->vdev, &bad), 0);
	bad.queue_head = VUART_QUEUE;
	assert_int_equal(u->vdev.ops->check(&u->vdev, &bad), -E_INVAL);
	assert_non_null(strstr(fake_log_last, "queue_head"));
	bad.queue_head = 0;
	bad.queue_count = VUART_QUEUE + 1;
	assert_int_equal(u->vdev.ops->check(&u->vdev, &bad), -E_INVAL);
	bad.queue_count = 0;
	bad.line = 2;
	assert_int_equal(u->vdev.ops->check(&u->vdev, &bad), -E_INVAL);
}

static void test_reset_and_no_memory(void **ctx)
{
	struct vuart *other = NULL;
	int live = fake_alloc_live;

	fake_out(vm, MCR, 0x08);
	fake_out(vm, IER, 2);
	assert_true(fake_irq_level[4]);
	u->vdev.ops->reset(&u->vdev);
	assert_false(fake_irq_level[4]);
	assert_int_equal(fake_in(vm, IER), 0);
	assert_int_equal(vuart_create(vm, &other), -E_EXIST);
	fake_alloc_countdown = 0;
	assert_int_equal(vuart_create(vm, &other), -E_NOMEM);
	fake_alloc_countdown = 1;
	assert_int_equal(vuart_create(vm, &other), -E_NOMEM);
	assert_int_equal(fake_alloc_live, live);
	fake_alloc_countdown = -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_output),
	    T(test_history_keeps_the_last),
	    T(test_divisor_latch),
	    T(test_autodetect_16550a),
	    T(test_thre_interrupt),
	    T(test_out2_gates),
	    T(test_input_and_trigger),
	    T(test_paste_loses_nothing),
	    T(test_modem_deltas),
	    T(test_wide_access_is_bytes),
	    T(test_move),
	    T(test_check),
	    T(test_reset_and_no_memory),
	};

	return cmocka_run_group_tests_name("vuart", tests, NULL, NULL);
}
