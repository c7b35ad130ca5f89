/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a validation sees of a VM at two moments, with things that happen between them: counters
 * that go on or begin anew, a disk's target that says who has it, a VM that moves on.
 */
#include <string.h>

#include "migrate/move.h"
#include "migrate/validate.h"
#include "tests/unit/fake_kernel.h"
#include "vmm/dev/vlapic.h"
#include "vmm/dev/vnet.h"
#include "vmm/dev/vuart.h"
#include "vmm/vcpu.h"

static const uint8_t ours[ETH_ALEN] = {2, 1}, others[ETH_ALEN] = {2, 9}, newer[ETH_ALEN] = {2, 2};

static struct vm vm;
static struct vcpu cpu;
static struct vlapic lapic;
static struct vuart uart;
static struct blkdev blk;
static struct migrate_state moves;
static struct validate_list list;
static bool present;
static const char *console;
static uint64_t due_ns;
static int open_err;
static unsigned opened, asked;
static const uint8_t *listed;
static void (*meanwhile)(void); /* during the sleep between the two moments */
static void (*while_asked)(void);
static void (*later)(void *arg);
static void *later_arg;

struct vm *vm_find(const char *name)
{
	return present && !strcmp(name, vm.cfg.name) ? &vm : NULL;
}

const char *vm_state_name(enum vm_state s)
{
	return "running";
}

uint64_t vm_now_ns(const struct vm *v)
{
	return fake_time_ns;
}

uint64_t vlapic_timer_due(const struct vlapic *v)
{
	return due_ns;
}

bool announce_is_running(const struct announce *a)
{
	return false;
}

size_t vuart_history(const struct vuart *u, char *buf, size_t room)
{
	assert_true(strlen(console) <= room);
	memcpy(buf, console, strlen(console));
	return strlen(console);
}

struct migrate_state *migrate_state(void)
{
	return &moves;
}

void aoe_fresh_mac(uint8_t mac[ETH_ALEN])
{
	memset(mac, 0x22, ETH_ALEN);
}

int aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN], struct aoe_disk **out)
{
	assert_true(memcmp(mac, ours, ETH_ALEN)); /* never with the VM's own */
	*out = (struct aoe_disk *)&blk;
	opened += !open_err;
	return open_err;
}

void aoe_close(struct aoe_disk *d)
{
	opened--;
}

int aoe_reserve_read(struct aoe_disk *d, struct aoe_reservation *out, uint64_t deadline_ns)
{
	*out = (struct aoe_reservation){.count = 1};
	memcpy(out->macs[0], listed, ETH_ALEN);
	if (!asked++ && while_asked)
		while_asked();
	return 0;
}

void task_sleep_until(uint64_t deadline_ns)
{
	fake_time_ns = MAX(fake_time_ns, deadline_ns);
	if (meanwhile)
		meanwhile();
}

struct task *task_create(const char *name, void (*fn)(void *arg), void *arg)
{
	later = fn;
	later_arg = arg;
	return (struct task *)&vm;
}

/* ---- a VM that is well ------------------------------------------------------------------- */

static void goes_on(void)
{
	cpu.exits += 10;
	vm.stats.timer_irqs += 5;
}

static void begin(void)
{
	fake_kernel_reset();
	memset(&vm, 0, sizeof(vm));
	memset(&moves, 0, sizeof(moves));
	cpu = (struct vcpu){.exits = 100};
	strcpy(vm.cfg.name, "web");
	vm.cfg.uuid[0] = 7;
	vm.state = VM_RUNNING;
	vm.cfg.vcpus = vm.vcpu_count = 1;
	vm.vcpus[0] = &cpu;
	vm.vlapics[0] = &lapic;
	vm.console = &uart;
	vm.disk_count = 1;
	strcpy(vm.disks[0].cfg.name, "vda");
	vm.disks[0].cfg.shared = vm.disks[0].owned = true;
	vm.disks[0].blk = &blk;
	memcpy(vm.disks[0].owner_mac, ours, ETH_ALEN);
	listed = ours;
	console = "login: ";
	uart.tx_bytes = strlen(console);
	present = true;
	due_ns = asked = 0;
	open_err = 0;
	meanwhile = goes_on;
	while_asked = NULL;
}

static int look(void)
{
	int err = validate_vm("web", &list);

	assert_int_equal(fake_alloc_live, 0);
	assert_int_equal(opened, 0);
	return err;
}

static enum check_result result(const char *name)
{
	assert_int_equal(look(), 0);
	for (unsigned i = 0; i < list.count; i++)
		if (!strcmp(list.list[i].name, name))
			return list.list[i].result;
	fail_msg("no line '%s'", name);
	return CHECK_FAILED;
}

static void test_well(void **state)
{
	begin();
	assert_int_equal(look(), 0);
	assert_int_equal(list.failed + list.notes, 0);
	assert_int_equal(strncmp(vm.validated, "pass, ", 6), 0);
	assert_int_equal(fake_log_count, list.count); /* each line, for the VM's log */
	assert_int_equal(strncmp(fake_log_last, "migrate: web: validated: pass ", 30), 0);
}

static void nothing_happens(void)
{
}

static void starts_anew(void)
{
	cpu.exits = 3;
	vm.stats.timer_irqs = 0;
}

static void test_two_moments(void **state)
{
	begin();
	meanwhile = nothing_happens;
	assert_int_equal(result("vCPUs"), CHECK_NOTE);
	assert_int_equal(result("timers"), CHECK_NOTE);
	begin(); /* counters that became less are not a large number */
	meanwhile = starts_anew;
	assert_int_equal(result("vCPUs"), CHECK_NOTE);
	begin();
	due_ns = 1;
	assert_int_equal(result("timers"), CHECK_FAILED);
	begin();
	console = "Kernel panic - not syncing";
	assert_int_equal(result("console"), CHECK_FAILED);
}

static void gets_a_new_mac(void)
{
	memcpy(vm.disks[0].owner_mac, newer, ETH_ALEN);
	listed = newer;
}

static void test_disk(void **state)
{
	begin();
	listed = others;
	assert_int_equal(result("disk vda"), CHECK_FAILED);
	begin();
	open_err = -E_TIMEDOUT;
	assert_int_equal(result("disk vda"), CHECK_FAILED);
	assert_int_equal(asked, 0);
	begin(); /* an answer about a MAC that is past means nothing */
	while_asked = gets_a_new_mac;
	assert_int_equal(result("disk vda"), CHECK_PASSED);
	assert_int_equal(asked, 2);
}

static void leaves(void)
{
	present = false;
}

static void another_comes(void)
{
	vm.cfg.uuid[0]++;
}

static void test_gone(void **state)
{
	begin();
	while_asked = leaves;
	assert_int_equal(look(), -E_NOENT);
	begin();
	meanwhile = leaves;
	assert_int_equal(look(), -E_NOENT);
	begin();
	meanwhile = another_comes;
	assert_int_equal(look(), -E_NOENT);
	assert_string_equal(vm.validated, "");
	begin();
	vm.state = VM_OFF;
	assert_int_equal(look(), -E_STATE);
	begin();
	present = false;
	assert_int_equal(look(), -E_NOENT);
}

static void test_no_memory(void **state)
{
	for (int n = 0; n < 2; n++) {
		begin();
		fake_alloc_countdown = n;
		assert_int_equal(look(), -E_NOMEM);
	}
	for (int n = 0; n < 3; n++) { /* the list, the facts, the console */
		begin();
		validate_later(&vm);
		fake_alloc_countdown = n;
		later(later_arg);
		assert_int_equal(fake_alloc_live, 0);
		assert_non_null(strstr(fake_log_last, "no host memory"));
	}
}

static void test_later(void **state)
{
	begin();
	validate_later(&vm);
	assert_string_equal(vm.validated, "");
	later(later_arg);
	assert_int_equal(strncmp(vm.validated, "pass, ", 6), 0);
	assert_int_equal(fake_alloc_live, 0);
	begin();
	validate_later(&vm);
	present = false;
	later(later_arg);
	assert_non_null(strstr(fake_log_last, "no longer here"));
	assert_int_equal(fake_alloc_live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_well),      cmocka_unit_test(test_two_moments),
	    cmocka_unit_test(test_disk),      cmocka_unit_test(test_gone),
	    cmocka_unit_test(test_no_memory), cmocka_unit_test(test_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
