/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `console VM`: the host's terminal becomes the guest's. First what came while nobody
 * watched; then the guest's output comes by a sink that may not block: it goes out at
 * once while the serial line has room, else to a ring that this task empties, a piece
 * between two keys. The VM may leave at any time.
 */
#include "vmm/commands_vm_inner.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "vmm/dev/vuart.h"

#define RING	    16384u /* a power of two */
#define CONTEXT	    2048   /* of the last output, shown although it was seen */
#define PIECE	    1024   /* of the ring: a tenth of a second at 115200 baud */
#define POLL_NS	    (20 * NS_PER_MS)
#define INPUT_TRIES 50 /* at POLL_NS, for a guest that does not read */

struct attachment {
	struct console *con;
	char name[VM_NAME_LEN];
	bool direct; /* nothing waits in the ring: write at once */
	uint32_t head, tail;
	uint64_t lost;
	char ring[RING];
	char history[VUART_HISTORY];
};

static void sink(void *ctx, const char *data, size_t len)
{
	struct attachment *a = ctx;

	if (a->direct && a->con->io->room(a->con->io->ctx) >= len) {
		console_write_raw(a->con, data, len);
		return;
	}
	a->direct = false;
	for (size_t i = 0; i < len; i++) {
		/* Once something is lost, so is all until the gap can be told of, in its place. */
		if (a->lost || a->head - a->tail == RING) {
			a->lost += len - i;
			return;
		}
		a->ring[a->head++ % RING] = data[i];
	}
}

/* Blocks: a piece of the ring to the terminal; a guest that floods must not keep us here. */
static void drain(struct attachment *a)
{
	for (unsigned done = 0; a->head != a->tail && done < PIECE;) {
		uint32_t at = a->tail % RING, n = MIN(a->head - a->tail, RING - at);
		char part[256];

		n = MIN(n, (uint32_t)sizeof(part));
		memcpy(part, a->ring + at, n);
		a->tail += n;
		done += n;
		console_write_raw(a->con, part, n);
	}
	if (a->head != a->tail)
		return;
	if (a->lost)
		console_printf(
		    a->con,
		    "\n[%lu bytes left out: the guest writes faster than the serial line]\n",
		    (unsigned long)a->lost);
	a->lost = 0;
	/* Printing may have blocked and let the sink queue more: then next time. */
	a->direct = a->head == a->tail;
}

/* The VM's UART while it is still ours; NULL when the VM left or was powered off. */
static struct vuart *attached(const struct attachment *a)
{
	struct vm *vm = vm_find(a->name);

	return vm && vm->console && vm->console->sink_ctx == a ? vm->console : NULL;
}

/* Give one byte to the guest, waiting a while for room. */
static void type_byte(struct attachment *a, char byte)
{
	for (unsigned tries = 0; tries < INPUT_TRIES; tries++) {
		struct vuart *u = attached(a);

		if (!u || vuart_input(u, &byte, 1) == 1)
			return;
		drain(a);
		task_sleep_until(time_ns() + POLL_NS);
	}
	console_write_raw(a->con, "\a", 1);
}

static void talk(struct attachment *a)
{
	while (attached(a)) {
		int byte = console_read(a->con, time_ns() + POLL_NS);

		if (byte >= 0 && (uint8_t)byte == a->con->escape)
			return;
		if (byte >= 0)
			type_byte(a, (char)byte);
		drain(a);
	}
}

static void attach(struct attachment *a, struct vuart *u)
{
	uint64_t unseen = vuart_unseen(u);
	size_t n = MIN(MAX(unseen, (uint64_t)CONTEXT), sizeof(a->history)), skip = 0;
	bool cut;

	n = vuart_history(u, a->history, n);
	cut = n < u->tx_bytes;
	vuart_set_sink(u, sink, a);
	while (cut && skip < n && a->history[skip] != '\n')
		skip++; /* begin with a whole line */
	skip = skip < n ? skip : 0;
	console_printf(a->con, "attached to %s; Ctrl-%c detaches\n", a->name, a->con->escape | '@');
	a->con->raw = true;
	if (unseen > n - skip)
		console_printf(a->con, "[%lu bytes that came before this were not kept]",
			       (unsigned long)(unseen - (n - skip)));
	console_write_raw(a->con, a->history + skip, n - skip);
	drain(a);
}

/* For a VM that is off. Printing blocks, and the VM may be started meanwhile. */
static void show_last_output(struct console *con, const struct vm *vm)
{
	uint32_t len = vm->last_output_len;
	char *copy = len ? kzalloc(len) : NULL;

	if (!copy)
		return;
	memcpy(copy, vm->last_output, len);
	console_printf(con, "the last that %s printed:\n", vm->cfg.name);
	console_write_raw(con, copy, len);
	console_printf(con, "\n");
	kfree(copy);
}

int commands_run_console(struct console *con, int argc, char **argv)
{
	struct vm *vm = commands_find_vm(con, argv[1]);
	struct attachment *a;
	struct vuart *u;

	if (!vm)
		return -E_NOENT;
	if (!vm->console) {
		const char *state = vm_state_name(vm->state);

		show_last_output(con, vm);
		return console_fail(con, -E_STATE, "vm '%s' is %s; 'start %s' powers it on",
				    argv[1], state, argv[1]);
	}
	a = kzalloc(sizeof(*a));
	if (!a)
		return -E_NOMEM;
	a->con = con;
	str_copy(a->name, argv[1], sizeof(a->name));
	attach(a, vm->console);
	talk(a);
	con->raw = false;
	u = attached(a);
	if (u)
		vuart_clear_sink(u, a->head - a->tail + a->lost);
	console_printf(con, u ? "\ndetached from %s\n" : "\n%s is not here any more\n", a->name);
	kfree(a);
	return 0;
}
