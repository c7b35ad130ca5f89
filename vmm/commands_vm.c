/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of VM commands, and those that change a VM's state. Showing is in
 * commands_vm_show.c, attaching in commands_vm_console.c, defining in
 * commands_vm_define.c.
 */
#include "kernel/commands_stores.h"
#include "vmm/commands_vm_inner.h"

#include "kernel/lib/string.h"
#include "kernel/store/stores.h"
#include "vmm/vm_store.h"

static int (*decide)(struct vm *vm, bool keep);

void commands_vm_set_decide(int (*fn)(struct vm *vm, bool keep))
{
	decide = fn;
}

struct vm *commands_find_vm(struct console *con, const char *name)
{
	struct vm *vm = vm_find(name);

	if (!vm)
		console_fail(con, -E_NOENT, "vm '%.31s': not found; 'list' shows the VMs", name);
	return vm;
}

void commands_complete_vm(struct completion *c, int argc, char **argv)
{
	const struct vm *vm;

	for (unsigned i = 0; argc == 1 && (vm = vm_at(i)); i++)
		completion_add(c, vm->cfg.name);
}

/* Bits of (1 << enum vm_state). */
#define IN_STATE(s) (1u << (s))

/*
 * The VM if it is in one of these states and no move holds it; else *err and
 * words with what would help.
 */
static struct vm *find_ready(struct console *con, const char *name, unsigned states,
			     const char *help, int *err)
{
	struct vm *vm = commands_find_vm(con, name);

	if (!vm) {
		*err = -E_NOENT;
		return NULL;
	}
	if (vm->move_under_way && vm->state != VM_IN_DOUBT) { /* in doubt the operator may decide */
		*err = console_fail(con, -E_BUSY,
				    "vm '%s': a move is under way; 'migrate-cancel %s' stops it",
				    vm->cfg.name, vm->cfg.name);
		return NULL;
	}
	if (vm->serving) {
		*err = console_fail(con, -E_BUSY,
				    "vm '%s' is just being reset or switched off; try again",
				    vm->cfg.name);
		return NULL;
	}
	if (!(states & IN_STATE(vm->state))) {
		*err = console_fail(con, -E_STATE, "vm '%s' is %s; %s", vm->cfg.name,
				    vm_state_name(vm->state), help);
		return NULL;
	}
	return vm;
}

/* Words for an operation that failed. */
static int worded(struct console *con, int err, const char *name, const char *what)
{
	if (err)
		console_fail(con, err, "vm '%.31s': cannot %s: %s; 'log' may say more", name, what,
			     err_text(err));
	return err;
}

/* A mistyped option must not be taken for none. */
static int check_force(struct console *con, int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[2], "--force") == 0)
		return 0;
	return console_fail(con, -E_INVAL, "'%.20s': the only option is --force; nothing was done",
			    argv[2]);
}

static int run_start(struct console *con, int argc, char **argv)
{
	int err;
	struct vm *vm = find_ready(con, argv[1], IN_STATE(VM_OFF) | IN_STATE(VM_CRASHED),
				   "only one that is off or crashed can be started", &err);

	if (!vm)
		return err;
	err = check_force(con, argc, argv);
	if (err)
		return err;
	if (argc < 3 && stores_saved(vm->cfg.name))
		return console_fail(
		    con, -E_STATE,
		    "vm '%s' is saved: 'restore %s' lets it go on; 'start %s --force' "
		    "boots it, and the saved state does not fit its disks any more",
		    argv[1], argv[1], argv[1]);
	if (argc < 3 && stores_reverting(vm->cfg.name))
		return console_fail(
		    con, -E_STATE,
		    "vm '%s': putting it back to a snapshot was cut off, its disks are of several "
		    "moments: 'revert' again; 'start %s --force' boots it as it is",
		    argv[1], argv[1]);
	vm->force_disks = argc == 3;
	err = vm_start(vm);
	vm->force_disks = false;
	return worded(con, err, argv[1], "start");
}

static int run_shutdown(struct console *con, int argc, char **argv)
{
	int err;
	struct vm *vm =
	    find_ready(con, argv[1], IN_STATE(VM_RUNNING),
		       "only a running guest can shut down; 'destroy' works always", &err);

	if (!vm)
		return err;
	err = vm_shutdown(vm);
	if (!err)
		console_printf(con,
			       "the power button of %s was pressed; 'list' shows when it is off\n",
			       argv[1]);
	return worded(con, err, argv[1], "shut down");
}

/* The storage knows who owns such a VM; nobody may guess. */
static bool has_deciding_disk(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->disk_count; i++) {
		if (vm->disks[i].deciding)
			return true;
	}
	return false;
}

/* An operator's word on a VM in doubt; against its storage only with --force. */
static int settle_doubt(struct console *con, struct vm *vm, bool force, char **argv, bool keep)
{
	if (has_deciding_disk(vm) && !force)
		return console_fail(con, -E_STATE,
				    "vm '%s' is in doubt: its storage or the other host decides "
				    "as soon as it answers; --force overrides both",
				    vm->cfg.name);
	if (!decide)
		return -E_NOTSUP;
	return worded(con, decide(vm, keep), argv[1], keep ? "keep it" : "give it up");
}

static int run_destroy(struct console *con, int argc, char **argv)
{
	int err;
	struct vm *vm = find_ready(con, argv[1],
				   IN_STATE(VM_RUNNING) | IN_STATE(VM_PAUSED) |
				       IN_STATE(VM_CRASHED) | IN_STATE(VM_IN_DOUBT),
				   "there is nothing to destroy", &err);

	if (!vm)
		return err;
	err = check_force(con, argc, argv);
	if (err)
		return err;
	if (vm->state == VM_IN_DOUBT)
		return settle_doubt(con, vm, argc == 3, argv, false);
	vm_destroy(vm);
	return 0;
}

static int run_pause(struct console *con, int argc, char **argv)
{
	int err;
	struct vm *vm =
	    find_ready(con, argv[1], IN_STATE(VM_RUNNING), "only a running VM can be paused", &err);

	if (!vm)
		return err;
	return worded(con, vm_pause(vm), argv[1], "pause");
}

static int run_unpause(struct console *con, int argc, char **argv)
{
	int err;
	struct vm *vm = find_ready(con, argv[1], IN_STATE(VM_PAUSED) | IN_STATE(VM_IN_DOUBT),
				   "only a paused VM can go on", &err);

	if (!vm)
		return err;
	err = check_force(con, argc, argv);
	if (err)
		return err;
	if (vm->state == VM_IN_DOUBT)
		return settle_doubt(con, vm, argc == 3, argv, true);
	return worded(con, vm_resume(vm), argv[1], "go on");
}

static int run_undefine(struct console *con, int argc, char **argv)
{
	int err;
	struct vm *vm = find_ready(con, argv[1], IN_STATE(VM_OFF) | IN_STATE(VM_CRASHED),
				   "'destroy' or 'shutdown' it first", &err);

	if (!vm)
		return err;
	err = vm_undefine(vm);
	if (!err && vm_store_mark(argv[1], true))
		console_printf(con, "the datastore failed: it is defined again after a restart\n");
	return worded(con, err, argv[1], "undefine");
}

static const struct command commands[] = {
    {
	.name = "list",
	.args = "[--json]",
	.summary = "all VMs of this host and their state",
	.help = "Example: list\n"
		"States: off, saved (in a datastore), running, paused, incoming (being\n"
		"received), in doubt (the storage must say who owns it), crashed ('info'\n"
		"says why).\n",
	.max_args = 1,
	.run = commands_run_list,
    },
    {
	.name = "info",
	.args = "VM",
	.summary = "everything about one VM",
	.help = "Example: info web\n",
	.min_args = 1,
	.max_args = 1,
	.run = commands_run_info,
	.complete = commands_complete_vm,
    },
    {
	.name = "define",
	.args = "VM",
	.summary = "make a VM known that was kept, or is on the boot volume",
	.help = "Example: define web\n"
		"Reads what 'keep' wrote to the datastore, else vms/VM/vm.conf on the boot\n"
		"volume. At the start of the host all of them are defined but those that were\n"
		"undefined.\n",
	.min_args = 1,
	.max_args = 1,
	.run = commands_run_define,
	.complete = commands_complete_undefined,
    },
    {
	.name = "undefine",
	.args = "VM",
	.summary = "forget a VM that is off",
	.help = "Example: undefine web\n"
		"Its files and disks stay; 'define' brings it back. With a datastore it stays\n"
		"undefined after a restart of the host.\n",
	.min_args = 1,
	.max_args = 1,
	.run = run_undefine,
	.complete = commands_complete_vm,
    },
    {
	.name = "keep",
	.args = "VM",
	.summary = "write a VM's definition and boot files to the datastore",
	.help = "Example: keep web\n"
		"It is defined after a restart of the host then, also when it came by a move.\n"
		"What is kept counts before what the boot volume says.\n",
	.min_args = 1,
	.max_args = 1,
	.run = commands_run_keep,
	.complete = commands_complete_vm,
    },
    {
	.name = "disk-delete",
	.args = "STORE OBJECT [--force]",
	.summary = "remove a disk, or an unfinished copy, from a datastore",
	.help =
	    "Example: disk-delete main disk/web/vda\n"
	    "Its bytes are gone for good. Not while a VM that is defined here names it; --force\n"
	    "when a saved VM of that name does not matter any more.\n",
	.min_args = 2,
	.max_args = 3,
	.run = commands_run_disk_delete,
	.complete = commands_complete_disk,
    },
    {
	.name = "start",
	.args = "VM [--force]",
	.summary = "power a VM on",
	.help = "Example: start web\n"
		"Then 'console web' shows its serial console. --force takes a shared disk away\n"
		"from whoever holds it: only when you know that no host runs this VM.\n",
	.min_args = 1,
	.max_args = 2,
	.run = run_start,
	.complete = commands_complete_vm,
    },
    {
	.name = "shutdown",
	.args = "VM",
	.summary = "press the VM's power button",
	.help = "Example: shutdown web\n"
		"The guest decides what it does; 'destroy' does not ask it.\n",
	.min_args = 1,
	.max_args = 1,
	.run = run_shutdown,
	.complete = commands_complete_vm,
    },
    {
	.name = "destroy",
	.args = "VM [--force]",
	.summary = "power a VM off at once",
	.help = "Example: destroy web\n"
		"Like pulling the plug: what the guest did not write is lost. A VM in doubt\n"
		"is given up here; --force does so although its storage may say otherwise.\n",
	.min_args = 1,
	.max_args = 2,
	.run = run_destroy,
	.complete = commands_complete_vm,
    },
    {
	.name = "pause",
	.args = "VM",
	.summary = "stop a VM's CPUs and clock, keep its memory",
	.help = "Example: pause web\n",
	.min_args = 1,
	.max_args = 1,
	.run = run_pause,
	.complete = commands_complete_vm,
    },
    {
	.name = "unpause",
	.args = "VM [--force]",
	.summary = "let a paused VM go on",
	.help = "Example: unpause web\n"
		"A VM in doubt without a shared disk waits for you: unpause it only if it\n"
		"does not run on the other host, else destroy it here. With a shared disk\n"
		"the storage decides; --force overrides it: only if the other host is off.\n",
	.min_args = 1,
	.max_args = 2,
	.run = run_unpause,
	.complete = commands_complete_vm,
    },
    {
	.name = "console",
	.args = "VM",
	.summary = "attach to a VM's serial console",
	.help = "Example: console web\n"
		"Shows its last output, then lets you type to the guest. Ctrl-] detaches\n"
		"(or what 'escape' in host.conf says).\n",
	.min_args = 1,
	.max_args = 1,
	.run = commands_run_console,
	.complete = commands_complete_vm,
    },
    {
	.name = "top",
	.args = "[SECONDS]",
	.summary = "who uses the CPUs: VMs, vCPUs, the host's tasks",
	.help = "Example: top 5\n"
		"Measures for one second unless told. GUEST is time in guest code, HOST the\n"
		"handling of its exits, in parts of one CPU. WEIGHT is the VM's claim on a CPU\n"
		"that several want ('weight' in vm.conf). Idle tasks are not shown.\n",
	.max_args = 1,
	.run = commands_run_top,
    },
};

const struct command_group commands_vm_group = {"Virtual machines", commands, ARRAY_SIZE(commands)};
