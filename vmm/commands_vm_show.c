/* SPDX-License-Identifier: BSD-2-Clause */
/* `list` and `info`: VMs, their configuration and their counters. */
#include "vmm/commands_vm_inner.h"

#include "arch/x86/virt.h"
#include "kernel/console_json.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "vmm/dev/vgenid.h"

#define TEXT_PART 400 /* of long texts, below console_printf's limit */

const char *commands_state_name(const struct vm *vm)
{
	return vm->state == VM_OFF && stores_saved(vm->cfg.name) ? "saved"
								 : vm_state_name(vm->state);
}

static void list_json(struct console *con)
{
	const struct vm *vm;

	console_json_begin(con);
	for (unsigned i = 0; (vm = vm_at(i)); i++) {
		struct json *j = console_json_row();

		json_str(j, "name", vm->cfg.name);
		json_str(j, "state", commands_state_name(vm));
		json_u64(j, "vcpus", vm->cfg.vcpus);
		json_u64(j, "memory_bytes", vm->cfg.memory);
		json_u64(j, "disks", vm->cfg.disk_count);
		json_bool(j, "moving", vm->move_under_way);
		if (vm->state == VM_OFF && vm->test_ended)
			json_u64(j, "test_status", vm->test_status);
		console_json_row_end(con);
	}
	console_json_end(con);
}

int commands_run_list(struct console *con, int argc, char **argv)
{
	bool json = console_json_wanted(&argc, argv);
	const struct vm *vm;
	char size[16];

	if (argc > 1)
		return console_fail(con, -E_INVAL, "'%.20s': the only option is --json", argv[1]);
	if (json) {
		list_json(con);
		return 0;
	}
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
		if (vm->state == VM_OFF && vm->test_ended)
			table_cell(con, "off, test status %u", vm->test_status);
		else
			table_cell(con, "%s", commands_state_name(vm));
		table_cell(con, "%u", vm->cfg.vcpus);
		table_cell(con, "%s", format_size(size, vm->cfg.memory));
		table_cell(con, "%u", vm->cfg.disk_count);
		table_cell(con, "%s", vm->move_under_way ? "under way" : "-");
	}
	table_end(con);
	return 0;
}

/* ---- info --------------------------------------------------------------------- */

static void print_uuid(struct console *con, const char *name, const uint8_t u[16])
{
	console_printf(con, "%-8s  ", name);
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

	print_uuid(con, "uuid", c->uuid);
	console_printf(con, "memory    %s\n", format_size(size, c->memory));
	console_printf(con, "vcpus     %u, weight %u\n", c->vcpus, c->weight);
	console_printf(con, "%-8s  %s\n", c->firmware ? "firmware" : "kernel", c->kernel);
	if (c->initrd[0])
		console_printf(con, "initrd    %s\n", c->initrd);
	for (uint32_t i = 0; i < c->module_count && i < VM_MAX_MODULES; i++)
		console_printf(con, "module    %s %s\n", c->modules[i].path, c->modules[i].args);
	if (c->cmdline[0])
		print_long(con, "cmdline", c->cmdline);
	if (c->cpu_hide[0])
		console_printf(con, "cpu_hide  %s\n", c->cpu_hide);
	if (c->testdev)
		console_printf(con, "testdev   on\n");
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
		else if (c->in_store)
			console_printf(con, "%s in store %s", c->object, c->local);
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
	uint8_t generation[16];
	bool has_generation;

	if (!vm)
		return -E_NOENT;
	copy = *vm;
	has_generation = vm->vgenid;
	if (has_generation)
		memcpy(generation, vm->vgenid->s.id, sizeof(generation));
	console_printf(con, "name      %s\nstate     %s\n", copy.cfg.name,
		       commands_state_name(&copy));
	if (copy.state == VM_CRASHED)
		console_printf(con, "reason    %s\n", copy.crash_reason);
	if (copy.state == VM_OFF && copy.test_ended)
		console_printf(con, "ended     by its test device, test status %u\n",
			       copy.test_status);
	if (copy.validated[0])
		console_printf(con, "validated %s\n", copy.validated);
	print_config(con, &copy.cfg);
	if (has_generation)
		print_uuid(con, "gen. id", generation);
	print_disks(con, &copy);
	print_nics(con, &copy.cfg);
	if (copy.stats.starts)
		print_exits(con, &copy);
	return 0;
}
