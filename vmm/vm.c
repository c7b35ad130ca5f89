/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of VMs and their running life: start, pause, resume, stop. What a VM
 * is made of is built and torn down in vm_build.c.
 */
#include "vmm/vm.h"
#include "arch/x86/virt.h"
#include "kernel/entropy.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/aoe.h"
#include "kernel/time.h"
#include "vmm/dev/vpm.h"
#include "vmm/dev/vuart.h"
#include "vmm/vcpu.h"
#include "vmm/vm_build.h"

#define LAST_OUTPUT	 (16 * KiB)
#define DISK_PATIENCE_NS (2 * NS_PER_S)
/* Between two resets by the guest: one in a loop must not keep the host loading kernels. */
#define RESET_PACE_NS NS_PER_S

static struct list vms = LIST_INIT(vms);
static struct waitq service_wq; /* the service task waits here for guests' requests */

const char *vm_state_name(enum vm_state s)
{
	static const char *const names[] = {"off",	"running",  "paused",
					    "incoming", "in doubt", "crashed"};

	return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "?";
}

struct vm *vm_find(const char *name)
{
	struct list *node;

	list_for_each (node, &vms) {
		struct vm *vm = list_entry(node, struct vm, node);

		if (strcmp(vm->cfg.name, name) == 0)
			return vm;
	}
	return NULL;
}

struct vm *vm_at(unsigned index)
{
	struct list *node;

	list_for_each (node, &vms) {
		if (index-- == 0)
			return list_entry(node, struct vm, node);
	}
	return NULL;
}

static void set_state(struct vm *vm, enum vm_state state)
{
	vm->state = state;
	waitq_wake_all(&vm->state_changed);
}

static void ensure_uuid(struct vm *vm)
{
	static const uint8_t none[16];

	if (memcmp(vm->cfg.uuid, none, sizeof(none)) == 0) {
		entropy_fill(vm->cfg.uuid, sizeof(vm->cfg.uuid));
		vm->cfg.uuid[6] = (vm->cfg.uuid[6] & 0x0f) | 0x40; /* RFC 4122, version 4 */
		vm->cfg.uuid[8] = (vm->cfg.uuid[8] & 0x3f) | 0x80;
	}
	memcpy(vm->uuid, vm->cfg.uuid, sizeof(vm->uuid));
}

int vm_define(const struct vm_config *cfg, struct vm **out)
{
	struct vm *vm;

	if (vm_find(cfg->name))
		return -E_EXIST;
	vm = kzalloc(sizeof(*vm));
	if (!vm)
		return -E_NOMEM;
	vm->cfg = *cfg;
	ensure_uuid(vm);
	vm->state = VM_OFF;
	list_init(&vm->devices);
	waitq_init(&vm->state_changed);
	list_append(&vms, &vm->node);
	if (out)
		*out = vm;
	return 0;
}

static void forget_output(struct vm *vm)
{
	kfree(vm->last_output);
	vm->last_output = NULL;
	vm->last_output_len = 0;
}

/* What the guest said last is what tells why it is off: a test's verdict, for one. */
static void keep_output(struct vm *vm)
{
	forget_output(vm);
	if (vm->console)
		vm->last_output = kzalloc(LAST_OUTPUT);
	if (vm->last_output)
		vm->last_output_len = vuart_history(vm->console, vm->last_output, LAST_OUTPUT);
}

/* A crashed VM keeps its machine, for a look at it, and its disks' reservations. */
static void drop_crashed(struct vm *vm)
{
	if (!vm->gave_away)
		vm_release_disks(vm);
	vm_teardown(vm);
	forget_output(vm);
}

int vm_undefine(struct vm *vm)
{
	if ((vm->state != VM_OFF && vm->state != VM_CRASHED) || vm->move_under_way || vm->serving)
		return -E_STATE;
	drop_crashed(vm);
	list_remove(&vm->node);
	kfree(vm);
	return 0;
}

/* ---- all vCPUs and devices together ------------------------------------------------- */

static void stop_vcpus(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) /* all at once, then wait */
		vcpu_request_stop(vm->vcpus[i]);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_wait_stopped(vm->vcpus[i]);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_take_signals(vm->vcpus[i]); /* one that stopped later may have sent some */
}

static void request_stop_all(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_request_stop(vm->vcpus[i]);
	waitq_wake_all(&service_wq);
}

static void for_each_device(struct vm *vm, void (*op)(struct vdev *d))
{
	struct list *node;

	list_for_each (node, &vm->devices)
		op(list_entry(node, struct vdev, node));
}

static void quiesce_device(struct vdev *d)
{
	if (d->ops->quiesce)
		d->ops->quiesce(d);
}

static void resume_device(struct vdev *d)
{
	if (d->ops->resume)
		d->ops->resume(d);
}

static void reset_device(struct vdev *d)
{
	d->ops->reset(d);
}

/*
 * A store that is away must not hold up a pause or a power-off: what it does not
 * answer in time is taken back; vblk keeps it and sends it again when it resumes.
 */
static void settle_disks(struct vm *vm)
{
	uint64_t deadline = time_ns() + DISK_PATIENCE_NS;

	for (uint32_t i = 0; i < vm->disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		if (!d->aoe || aoe_drain(d->aoe, deadline) != -E_TIMEDOUT)
			continue;
		log_warn("vm %s: disk %s does not answer, its requests are kept for later",
			 vm->cfg.name, d->cfg.name);
		aoe_cancel(d->aoe);
	}
}

static void halt(struct vm *vm)
{
	stop_vcpus(vm);
	vm_clock_freeze(vm);
	settle_disks(vm);
	for_each_device(vm, quiesce_device);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_take_signals(vm->vcpus[i]); /* a disk's last interrupt may have been one */
}

static void run(struct vm *vm)
{
	vm_clock_run(vm);
	for_each_device(vm, resume_device);
	set_state(vm, VM_RUNNING);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vcpu_run(vm->vcpus[i]);
	/* The guest asked while it was being paused: it must not run on, but be served. */
	if (vm->poweroff_requested || vm->reset_requested || vm->crash_requested)
		request_stop_all(vm);
}

int vm_pause(struct vm *vm)
{
	if (vm->state != VM_RUNNING)
		return -E_STATE;
	set_state(vm, VM_PAUSED);
	halt(vm);
	return 0;
}

int vm_resume(struct vm *vm)
{
	if (vm->state != VM_PAUSED && vm->state != VM_IN_DOUBT && vm->state != VM_INCOMING)
		return -E_STATE;
	run(vm);
	return 0;
}

/* ---- start and stop ----------------------------------------------------------------- */

static int start(struct vm *vm)
{
	int err;

	drop_crashed(vm);
	vm->test_ended = false;
	err = vm_build(vm, NULL);
	if (err) {
		set_state(vm, VM_OFF); /* also one that had crashed: its machine is gone */
		return err;
	}
	err = vm_own_disks(vm);
	if (err)
		goto undo_build;
	err = vm_boot(vm);
	if (err)
		goto undo_disks;
	vm->crash_reason[0] = vm->validated[0] = 0;
	vm->stats.starts++;
	log_info("vm %s: started", vm->cfg.name);
	run(vm);
	return 0;

undo_disks:
	vm_release_disks(vm);
undo_build:
	vm_teardown(vm);
	set_state(vm, VM_OFF);
	return err;
}

int vm_start(struct vm *vm)
{
	int err;

	if ((vm->state != VM_OFF && vm->state != VM_CRASHED) || vm->serving)
		return -E_STATE;
	vm->serving = true; /* building blocks: commands and moves keep off */
	err = start(vm);
	vm->serving = false;
	return err;
}

void vm_destroy(struct vm *vm)
{
	bool owner = vm->state != VM_INCOMING && !vm->gave_away;

	if (vm->state == VM_OFF)
		return;
	vm->poweroff_requested = vm->reset_requested = vm->crash_requested = false;
	if (vm->state == VM_RUNNING)
		set_state(vm, VM_PAUSED); /* halting blocks: nobody else may take it for running */
	halt(vm);
	if (owner) {
		vm_release_disks(vm);
		keep_output(vm);
	}
	vm_teardown(vm);
	vm->gave_away = false;
	set_state(vm, VM_OFF);
}

int vm_shutdown(struct vm *vm)
{
	if (vm->state != VM_RUNNING)
		return -E_STATE;
	vpm_press_button(vm->vpm);
	return 0;
}

int vm_create_incoming(const struct vm_config *cfg, const struct cpuid_policy *cpuid,
		       struct ds_object *disks[VM_MAX_DISKS], struct vm **out)
{
	struct vm *vm;
	int err;

	err = vm_define(cfg, &vm);
	if (err)
		return err;
	vm->state = VM_INCOMING;
	vm->move_under_way = true; /* building blocks: nobody may start or destroy it meanwhile */
	vm->received = disks;
	err = vm_build(vm, cpuid);
	vm->received = NULL;
	if (err) {
		vm->state = VM_OFF;
		vm->move_under_way = false;
		(void)!vm_undefine(vm);
		return err;
	}
	*out = vm;
	return 0;
}

/* ---- what the guest asks for -------------------------------------------------------- */

/* A line of the host's on the guest's console, for whoever watches it. */
static void console_say(struct vm *vm, const char *text)
{
	for (; vm->console && *text; text++)
		vuart_emit(vm->console, *text);
}

void vm_guest_poweroff(struct vm *vm)
{
	vm->poweroff_requested = true;
	request_stop_all(vm);
}

void vm_guest_test_end(struct vm *vm, uint32_t status)
{
	char text[64];

	if (vm->test_ended)
		return;
	vm->test_ended = true;
	vm->test_status = status;
	log_info("vm %s: ended by its test device, status %u", vm->cfg.name, status);
	ksnprintf(text, sizeof(text), "\r\n[test device: status %u]\r\n", status);
	console_say(vm, text);
	vm_guest_poweroff(vm);
}

void vm_guest_reset(struct vm *vm)
{
	vm->reset_requested = true;
	request_stop_all(vm);
}

void vm_crash(struct vm *vm, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(vm->crash_reason, sizeof(vm->crash_reason), fmt, ap);
	va_end(ap);
	log_error("vm %s: stopped: %s", vm->cfg.name, vm->crash_reason);
	vm->crash_requested = true;
	request_stop_all(vm);
}

static void reset(struct vm *vm)
{
	int err;

	log_info("vm %s: reset by the guest", vm->cfg.name);
	vm->reset_not_before_ns = time_ns() + RESET_PACE_NS;
	halt(vm);
	if (vm->crash_requested || vm->poweroff_requested)
		return; /* another CPU of the guest was quicker: that is served next */
	if (vm->state != VM_RUNNING) { /* stopped meanwhile: when it runs again */
		vm->reset_requested = true;
		return;
	}
	for_each_device(vm, reset_device);
	err = vm_boot(vm);
	if (err) {
		log_error("vm %s: cannot be booted again: %s", vm->cfg.name, err_text(err));
		set_state(vm, VM_CRASHED);
		return;
	}
	run(vm);
}

/* What the guest asked for. False when it asked for nothing. */
static bool serve_request(struct vm *vm)
{
	if (vm->crash_requested) {
		vm->crash_requested = false;
		halt(vm);
		set_state(vm, VM_CRASHED);
	} else if (vm->poweroff_requested) {
		vm->poweroff_requested = false;
		log_info("vm %s: powered off by the guest", vm->cfg.name);
		vm_destroy(vm);
	} else if (vm->reset_requested && time_ns() >= vm->reset_not_before_ns) {
		vm->reset_requested = false;
		reset(vm);
	} else {
		return false;
	}
	return true;
}

/* A move must end first: migrate sees the request and cancels. */
static bool serve(struct vm *vm)
{
	bool served;

	if (vm->move_under_way || vm->state != VM_RUNNING)
		return false;
	vm->serving = true; /* all of it may block: commands and moves keep off */
	served = serve_request(vm);
	vm->serving = false;
	return served;
}

/* When a reset that was put off is due. */
static uint64_t next_reset_ns(void)
{
	uint64_t next = TIME_NEVER;
	struct list *node;

	list_for_each (node, &vms) {
		const struct vm *vm = list_entry(node, struct vm, node);

		if (vm->reset_requested && vm->state == VM_RUNNING && !vm->move_under_way)
			next = MIN(next, vm->reset_not_before_ns);
	}
	return next;
}

static void service_task(void *arg)
{
	for (;;) {
		struct list *node;
		bool again = false;

		list_for_each (node, &vms) {
			again = serve(list_entry(node, struct vm, node));
			if (again)
				break; /* it blocked: the list may have changed */
		}
		if (!again)
			waitq_wait(&service_wq, next_reset_ns());
	}
}

void vm_service_wake(void)
{
	waitq_wake_all(&service_wq);
}

int vm_service_start(void)
{
	waitq_init(&service_wq);
	return task_create("vm-service", service_task, NULL) ? 0 : -E_NOMEM;
}
