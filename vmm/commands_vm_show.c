/* SPDX-License-Identifier: BSD-2-Clause */
/* `list`, `info` and `top`: VMs, their configuration and their counters. */
#include "vmm/commands_vm_inner.h"

#include "arch/x86/virt.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"
#include "vmm/vcpu.h"

#define TOP_ROWS  64
#define TOP_TIMES 1000
#define TEXT_PART 400 /* of long texts, below console_printf's limit */

int commands_run_list(struct console *con, int argc, char **argv)
{
	const struct vm *vm;
	char size[16];

	if (!vm_at(0)) {
		console_printf(con,
			       "no VMs; 'define' makes one known, 'migrate' on a peer sends one\n");
		return 0;
	}
	table_begin(con, "NAME|STATE|>VCPUS|>MEMORY|>DISKS|MOVE");
	for (unsigned i = 0;; i++) {
		table_row(con);
		vm = vm_at(i);
		if (!vm)
			break;
		table_cell(con, "%s", vm->cfg.name);
		table_cell(con, "%s", vm_state_name(vm->state));
		table_cell(con, "%u", vm->cfg.vcpus);
		table_cell(con, "%s", format_size(size, vm->cfg.memory));
		table_cell(con, "%u", vm->cfg.disk_count);
		table_cell(con, "%s", vm->move_under_way ? "under way" : "-");
	}
	table_end(con);
	return 0;
}

/* ---- info --------------------------------------------------------------------- */

static void print_uuid(struct console *con, const uint8_t u[16])
{
	console_printf(con, "uuid      ");
	for (unsigned i = 0; i < 16; i++)
		console_printf(con, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			       u[i]);
	console_printf(con, "\n");
}

static void print_long(struct console *con, const char *name, const char *text)
{
	console_printf(con, "%-8s  ", name);
	for (; strlen(text) > TEXT_PART; text += TEXT_PART)
		console_printf(con, "%.*s", TEXT_PART, text);
	console_printf(con, "%s\n", text);
}

static void print_config(struct console *con, const struct vm_config *c)
{
	char size[16];

	print_uuid(con, c->uuid);
	console_printf(con, "memory    %s\n", format_size(size, c->memory));
	console_printf(con, "vcpus     %u, weight %u\n", c->vcpus, c->weight);
	console_printf(con, "kernel    %s\n", c->kernel);
	if (c->initrd[0])
		console_printf(con, "initrd    %s\n", c->initrd);
	if (c->cmdline[0])
		print_long(con, "cmdline", c->cmdline);
	if (c->cpu_hide[0])
		console_printf(con, "cpu_hide  %s\n", c->cpu_hide);
	console_printf(con, "start     %s\n", c->autostart ? "with the host" : "by command");
}

static void print_disks(struct console *con, const struct vm *vm)
{
	const struct vm_disk_config *c;
	char mac[18];

	for (uint32_t i = 0; i < vm->cfg.disk_count && i < VM_MAX_DISKS; i++) {
		c = &vm->cfg.disks[i];
		console_printf(con, "disk      %s ", c->name);
		if (c->shared)
			console_printf(con, "aoe e%u.%u", c->shelf, c->slot);
		else
			console_printf(con, "local %s", c->local);
		if (c->readonly)
			console_printf(con, " readonly");
		if (c->shared && vm->disks[i].blk)
			console_printf(con, ", this host's MAC for it %s%s",
				       format_mac(mac, vm->disks[i].owner_mac),
				       vm->disks[i].deciding ? ", decides who owns the VM" : "");
		console_printf(con, "\n");
	}
}

static void print_nics(struct console *con, const struct vm_config *c)
{
	char mac[18];

	for (uint32_t i = 0; i < c->nic_count && i < VM_MAX_NICS; i++)
		console_printf(con, "nic       %s on network %s, MAC %s%s\n", c->nics[i].name,
			       c->nics[i].network, format_mac(mac, c->nics[i].mac),
			       c->nics[i].unfiltered ? ", unfiltered" : "");
}

static void print_exits(struct console *con, const struct vm *vm)
{
	table_begin(con, "EXIT|>COUNT");
	for (unsigned k = 0; k < VCPU_EXIT_KINDS && k < ARRAY_SIZE(vm->stats.exits); k++) {
		if (!vm->stats.exits[k])
			continue;
		table_row(con);
		table_cell(con, "%s", vcpu_exit_name((enum vcpu_exit_kind)k));
		table_cell(con, "%lu", (unsigned long)vm->stats.exits[k]);
	}
	table_end(con);
}

int commands_run_info(struct console *con, int argc, char **argv)
{
	static struct vm copy; /* printing may block, and the VM may leave meanwhile */
	const struct vm *vm = commands_find_vm(con, argv[1]);

	if (!vm)
		return -E_NOENT;
	copy = *vm;
	console_printf(con, "name      %s\nstate     %s\n", copy.cfg.name,
		       vm_state_name(copy.state));
	if (copy.state == VM_CRASHED)
		console_printf(con, "reason    %s\n", copy.crash_reason);
	print_config(con, &copy.cfg);
	print_disks(con, &copy);
	print_nics(con, &copy.cfg);
	if (copy.stats.starts)
		print_exits(con, &copy);
	return 0;
}

/* ---- top ------------------------------------------------------------------------- */

struct top_row {
	char name[VM_NAME_LEN];
	uint32_t vcpu;
	uint64_t ticks;
};

static unsigned top_snapshot(struct top_row *rows)
{
	const struct vm *vm;
	unsigned count = 0;

	for (unsigned i = 0; (vm = vm_at(i)); i++) {
		for (uint32_t v = 0; v < vm->vcpu_count && count < TOP_ROWS; v++) {
			str_copy(rows[count].name, vm->cfg.name, VM_NAME_LEN);
			rows[count].vcpu = v;
			rows[count++].ticks = vm->vcpus[v] ? vm->vcpus[v]->run_ticks : 0;
		}
	}
	return count;
}

/* Thousandths of one CPU that this vCPU ran guest code since the row was taken. */
static unsigned top_share(const struct top_row *row, uint64_t elapsed)
{
	const struct vm *vm = vm_find(row->name);
	uint64_t ticks;

	if (!vm || row->vcpu >= vm->vcpu_count || !vm->vcpus[row->vcpu])
		return 0;
	ticks = vm->vcpus[row->vcpu]->run_ticks;
	ticks = ticks > row->ticks ? ticks - row->ticks : 0;
	return (unsigned)(MIN(ticks, elapsed) / (elapsed / 1000 + 1));
}

int commands_run_top(struct console *con, int argc, char **argv)
{
	static struct top_row rows[TOP_ROWS];
	uint64_t times = 1;

	if (argc > 1 && (str_to_u64(argv[1], &times) || !times || times > TOP_TIMES))
		return console_fail(con, -E_INVAL, "'%s' is not a number from 1 to %d", argv[1],
				    TOP_TIMES);
	for (; times; times--) {
		uint64_t start = time_ticks(), elapsed;
		unsigned count = top_snapshot(rows);

		if (!count) {
			console_printf(con, "no VM runs\n");
			return 0;
		}
		if (console_wait(con, time_ns() + NS_PER_S))
			return 0; /* Ctrl-C is how top ends */
		elapsed = time_ticks() - start;
		table_begin(con, "VM|>VCPU|>CPU");
		for (unsigned i = 0; i < count; i++) {
			unsigned share = top_share(&rows[i], elapsed);

			table_row(con);
			table_cell(con, "%s", rows[i].name);
			table_cell(con, "%u", rows[i].vcpu);
			table_cell(con, "%u.%u %%", share / 10, share % 10);
		}
		table_end(con);
	}
	return 0;
}
