/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `host`, `cpu` and `log`: this machine in words. What is on the wire (`peers`,
 * `store`, `net`) is in commands_net.c.
 */
#include "kernel/commands_host.h"

#include "arch/x86/io.h"
#include "arch/x86/virt.h"
#include "boot/handoff.h"
#include "kernel/commands_host_inner.h"
#include "kernel/console_json.h"
#include "kernel/drivers/serial.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/sched.h"
#include "kernel/time.h"

#define LOG_DEFAULT_LINES 40
#define BUSY_SPAN_NS	  (500 * NS_PER_MS)

const struct host_facts *host_facts;

static int (*print_vm_log)(struct console *con, const char *vm);

void commands_host_set_vm_log(int (*print)(struct console *con, const char *vm))
{
	print_vm_log = print;
}

void commands_host_init(const struct host_facts *facts)
{
	host_facts = facts;
}

/* CPUID leaves 80000002h-80000004h (SDM vol. 2A, CPUID, "Processor Brand String"). */
static const char *cpu_model(char out[49])
{
	struct cpuid_regs r;

	str_copy(out, "unknown model", 49);
	if (cpuid(0x80000000, 0).eax < 0x80000004)
		return out;
	for (unsigned i = 0; i < 3; i++) {
		r = cpuid(0x80000002 + i, 0);
		memcpy(out + 16 * i, &r, sizeof(r));
	}
	out[48] = '\0';
	while (*out == ' ')
		out++;
	return out;
}

static void print_uptime(struct console *con)
{
	uint64_t s = time_ns() / NS_PER_S;

	console_printf(con, "uptime   %lu days %02lu:%02lu:%02lu\n", (unsigned long)(s / 86400),
		       (unsigned long)(s / 3600 % 24), (unsigned long)(s / 60 % 60),
		       (unsigned long)(s % 60));
}

static void print_memory(struct console *con)
{
	char total[16], free_text[16], image[16];
	struct mem_stats m;

	mem_get_stats(&m);
	console_printf(con,
		       "memory   %s, %s free (%lu whole 2 MiB blocks), %s of it Pagurus itself\n",
		       format_size(total, m.total_pages * PAGE_SIZE),
		       format_size(free_text, m.free_pages * PAGE_SIZE), (unsigned long)m.free_2m,
		       format_size(image, m.image_pages * PAGE_SIZE));
}

static void host_json(struct console *con)
{
	struct json *j;
	struct mem_stats m;

	mem_get_stats(&m);
	console_json_begin(con);
	j = console_json_row();
	json_str(j, "host", host_facts->config->name);
	json_str(j, "pool", host_facts->config->pool);
	json_str(j, "version", host_facts->version);
	json_u64(j, "uptime_s", time_ns() / NS_PER_S);
	json_u64(j, "cpus", host_facts->cpu_count);
	json_u64(j, "memory_bytes", m.total_pages * PAGE_SIZE);
	json_u64(j, "free_bytes", m.free_2m * SIZE_2M);
	json_bool(j, "runs_guests", host_facts->virt->usable);
	console_json_row_end(con);
	console_json_end(con);
}

static int run_host(struct console *con, int argc, char **argv)
{
	bool json = console_json_wanted(&argc, argv);
	const struct host_config *c = host_facts->config;
	const struct virt_caps *v = host_facts->virt;
	struct serial_stats serial;
	char model[49];

	if (argc > 1)
		return console_fail(con, -E_INVAL, "'%.20s': the only option is --json", argv[1]);
	if (json) {
		host_json(con);
		return 0;
	}
	serial_get_stats(&serial);
	console_printf(con, "name     %s, pool %s\n", c->name, c->pool);
	console_printf(con, "version  Pagurus %s\n", host_facts->version);
	print_uptime(con);
	console_printf(con, "cpus     %u, %s\n", host_facts->cpu_count, cpu_model(model));
	print_memory(con);
	if (v->usable)
		console_printf(con, "guests   yes: VT-x with EPT ('cpu' shows more)\n");
	else
		console_printf(con, "guests   no: %s\n", v->why_not);
	console_printf(con, "console  port %#x, %u baud, %lu bytes lost on input\n",
		       c->console_port, c->console_baud, (unsigned long)serial.rx_lost);
	return 0;
}

static void print_ability(struct console *con, const char *name, bool have, const char *use)
{
	table_cell(con, "%s", name);
	table_cell(con, "%s", have ? "yes" : "no");
	table_cell(con, "%s", use);
}

static void print_abilities(struct console *con, const struct virt_caps *v)
{
	table_begin(con, "VT-X FEATURE|HERE|USE");
	print_ability(con, "page-modification log", v->pml, "finds pages that a guest changed");
	print_ability(con, "EPT dirty flags", v->ad_bits, "finds pages that a guest changed");
	print_ability(con, "EPT 1 GiB pages", v->page_1g, "fewer page-table levels");
	print_ability(con, "VPID", v->vpid, "guests keep their TLB entries");
	print_ability(con, "preemption timer", v->preemption_timer,
		      "timers end guest time exactly");
	print_ability(con, "TSC scaling", v->tsc_scaling,
		      "takes guests from hosts of another TSC frequency");
	table_end(con);
}

/* Blocks for the time that it measures. 0, or -E_CANCELLED. */
static int print_busy(struct console *con)
{
	static uint64_t idle[HANDOFF_MAX_CPUS];
	unsigned count = MIN(host_facts->cpu_count, (unsigned)HANDOFF_MAX_CPUS);
	uint64_t start = time_ns(), span;
	int err;

	for (unsigned i = 0; i < count; i++)
		idle[i] = sched_idle_ns(i);
	err = console_wait(con, start + BUSY_SPAN_NS);
	if (err)
		return err;
	span = MAX(time_ns() - start, 1000ull);
	table_begin(con, ">CPU|>BUSY");
	for (unsigned i = 0; i < count; i++) {
		uint64_t idled = MIN(sched_idle_ns(i) - idle[i], span);

		table_row(con);
		table_cell(con, "%u", i);
		table_cell(con, "%lu %%", (unsigned long)((span - idled) * 100 / span));
	}
	table_end(con);
	return 0;
}

static int run_cpu(struct console *con, int argc, char **argv)
{
	const struct virt_caps *v = host_facts->virt;
	char model[49];
	int err;

	console_printf(con, "%s, TSC %lu.%03lu MHz\n", cpu_model(model),
		       (unsigned long)(time_tsc_khz() / 1000),
		       (unsigned long)(time_tsc_khz() % 1000));
	err = print_busy(con);
	if (err)
		return err;
	if (v->usable)
		print_abilities(con, v);
	else
		console_printf(con, "cannot run guests: %s\n", v->why_not);
	return 0;
}

static int run_vm_log(struct console *con, const char *vm)
{
	int err = print_vm_log ? print_vm_log(con, vm) : -E_NOENT;

	if (err == -E_NOENT)
		return console_fail(
		    con, err,
		    "'%.31s' is neither a number of lines nor a VM whose log is in the "
		    "default datastore",
		    vm);
	return err;
}

static int run_log(struct console *con, int argc, char **argv)
{
	uint64_t want = LOG_DEFAULT_LINES, total = 0, cursor = 0;
	char text[LOG_TEXT_MAX + 32];
	struct log_line line;

	if (argc > 1 && str_to_u64(argv[1], &want))
		return run_vm_log(con, argv[1]);
	if (!want)
		return console_fail(con, -E_INVAL, "'%s' is not a number of lines", argv[1]);
	while (log_next(&cursor, &line))
		total++;
	for (cursor = 0; total && log_next(&cursor, &line); total--) {
		if (total > want)
			continue;
		if (console_interrupted(con))
			return -E_CANCELLED;
		console_printf(con, "%s\n", log_line_format(text, &line));
	}
	return 0;
}

static const struct command commands[] = {
    {
	.name = "host",
	.args = "[--json]",
	.summary = "this host: name, version, uptime, CPUs, memory",
	.help = "Example: host\n"
		"'guests no' names what the CPU or the firmware lacks.\n",
	.max_args = 1,
	.run = run_host,
    },
    {
	.name = "cpu",
	.args = "",
	.summary = "the processors, how busy they are, what VT-x offers",
	.help = "Example: cpu\n"
		"Two hosts whose features differ can still move VMs that were not shown\n"
		"the difference; 'migrate VM HOST --dry-run' tells.\n",
	.run = run_cpu,
    },
    {
	.name = "peers",
	.args = "[--json]",
	.summary = "other hosts on the wire",
	.help = "Example: peers\n"
		"Hosts announce themselves about once a second; one that was not heard\n"
		"for 10 s is shown as gone. VMs move within a pool (host.conf). IN USE: CPUs\n"
		"busy, over the last minute; '?': an older version does not say. 'drained':\n"
		"takes no VMs ('help drain').\n",
	.max_args = 1,
	.run = commands_run_peers,
    },
    {
	.name = "store",
	.args = "[test DISK --yes [--leave]]",
	.summary = "local disks, and AoE targets on the wire",
	.help = "Example: store\n"
		"Asks the network for AoE targets and waits half a second for answers.\n"
		"In vm.conf: 'disk vda aoe 1.0' for e1.0, 'disk vda local ata0' for ata0.\n"
		"Example: store test ahci0 --yes\n"
		"Writes 300 KiB to the end of a disk (or target: e1.0), flushes, reads back, "
		"compares,\n"
		"and puts back what was there (not with --leave). No guest may use it meanwhile.\n",
	.max_args = 4,
	.run = commands_run_store,
    },
    {
	.name = "net",
	.args = "",
	.summary = "the network card and who uses it",
	.help =
	    "Example: net\n"
	    "The card, the host's own ports, the networks of host.conf, and the guests' ports on\n"
	    "them: RX is to the guest, TX from it. DROPPED: no room. FILTERED: what a guest may\n"
	    "not send. 'any' after a MAC: its filter is off.\n",
	.run = commands_run_net,
    },
    {
	.name = "log",
	.args = "[LINES | VM]",
	.summary = "what happened: the last lines of the log, or what concerned a VM",
	.help = "Example: log 100\n"
		"Shows 40 lines unless told. The log holds the last 64 KiB since boot;\n"
		"'loglevel' in host.conf says what appears on the console by itself. A VM's own\n"
		"log is in the default datastore and older than the host's last start.\n",
	.max_args = 1,
	.run = run_log,
    },
};

const struct command_group commands_host_group = {"Host", commands, ARRAY_SIZE(commands)};
