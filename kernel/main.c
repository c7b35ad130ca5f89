/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The composition root: brings the host up in order, hands each room what it
 * needs from above, and starts the tasks. The only file that may include from
 * everywhere. Everything missing is said in words; the host then goes on without.
 */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/tsc.h"
#include "arch/x86/virt.h"
#include "boot/handoff.h"
#include "kernel/acpi.h"
#include "kernel/console.h"
#include "kernel/commands_host.h"
#include "kernel/drivers/ahci.h"
#include "kernel/commands_stores.h"
#include "kernel/drivers/ata.h"
#include "kernel/drivers/e1000.h"
#include "kernel/drivers/e1000e.h"
#include "kernel/drivers/nvme.h"
#include "kernel/drivers/serial.h"
#include "kernel/drivers/virtio_net.h"
#include "kernel/entropy.h"
#include "kernel/entropy_source.h"
#include "kernel/files.h"
#include "kernel/host_config.h"
#include "kernel/irq_init.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/lib/use_average.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/mem_init.h"
#include "kernel/net/link.h"
#include "kernel/net/network.h"
#include "kernel/net/peers.h"
#include "kernel/net/switch.h"
#include "kernel/panic.h"
#include "kernel/pci.h"
#include "kernel/rtc.h"
#include "kernel/sched.h"
#include "kernel/store/aoe.h"
#include "kernel/store/stores.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "migrate/commands_move.h"
#include "migrate/commands_pool.h"
#include "migrate/cold.h"
#include "migrate/migrate.h"
#include "migrate/queue.h"
#include "vmm/commands_vm.h"
#include "vmm/vm.h"
#include "vmm/vm_use.h"
#include "vmm/vm_log.h"

#define PAGURUS_VERSION "0.1"

void kernel_main(const struct handoff *ho);

static struct host_config config;
static const struct virt_caps *virt;

/* The stack protector's guard; replaced by random bytes before any task runs. */
uintptr_t __stack_chk_guard = 0x5167a2c3b4d5e6f7ull;
_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
	panic("stack protector: a stack buffer was overrun");
}

/* ---- before the console exists ------------------------------------------------------ */

static void arch_log(const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("%s", text);
}

/* Other CPUs spin on the lock that the panicking CPU holds, or exit into it soon. */
static void stop_other_cpus(void)
{
	for (unsigned i = 0; i < cpu_count; i++)
		if (&cpus[i] != this_cpu())
			apic_send_init(cpus[i].apic_id);
}

static void read_config(void)
{
	const struct file *f = files_find("host.conf");
	struct host_config_error err;

	host_config_defaults(&config);
	if (!f) {
		log_warn(
		    "host.conf: not on the boot volume, defaults are used; this host is named '%s'",
		    config.name);
		return;
	}
	if (host_config_parse((const char *)f->data, f->size, &config, &err) != 0)
		log_error(
		    "host.conf line %u: %s; nothing in the file counts, defaults are used; this "
		    "host is named '%s'",
		    err.line, err.text, config.name);
}

static void mix_identity(void)
{
	uint64_t now = rtc_now();

	entropy_mix(config.name, sizeof(config.name));
	entropy_mix(&now, sizeof(now));
}

/* ---- processors --------------------------------------------------------------------- */

static void ap_run(void)
{
	host_lock();
	if (virt->usable && virt_enable_cpu() != 0)
		log_error("cpu %u: VT-x cannot be switched on", this_cpu()->index);
	sched_run();
}

/* A page below 640 KiB for the start of other CPUs: any RAM there that the firmware left free. */
static hpa_t find_low_page(const struct handoff *ho)
{
	for (uint32_t i = 0; i < ho->mem_count; i++) {
		const struct handoff_mem *m = &ho->mem[i];
		hpa_t page = MAX(m->base, PAGE_SIZE);

		if (m->type == HANDOFF_MEM_RAM && page + PAGE_SIZE <= m->base + m->size &&
		    page + PAGE_SIZE <= 0xa0000)
			return page;
	}
	return 0;
}

static void start_cpus(const struct handoff *ho, const struct acpi_facts *acpi)
{
	bool from_firmware = ho->cpu_count > 0;
	uint32_t count =
	    from_firmware ? MIN(ho->cpu_count, (uint32_t)HANDOFF_MAX_CPUS) : acpi->cpu_count;
	hpa_t low = find_low_page(ho);

	if (count > 1 && !low)
		log_warn("cpu: no free page below 640 KiB, only one CPU runs");
	else if (count > 1)
		cpu_start_aps(from_firmware ? ho->apic_ids : acpi->apic_ids, count, low, ap_run);
	log_info("cpu: %u of %u CPUs run, TSC %lu.%03lu MHz", cpu_count, MAX(count, 1u),
		 time_tsc_khz() / 1000, time_tsc_khz() % 1000);
}

static void start_virt(void)
{
	virt = virt_detect();
	if (config.apicv == APICV_OFF || (config.apicv == APICV_AUTO && !virt->apic_sound))
		virt_forgo_apic();
	if (virt->usable && virt_enable_cpu() != 0) {
		log_error("virt: VT-x could not be switched on by this CPU");
		return;
	}
	if (!virt->usable) {
		log_warn("virt: this host cannot run guests: %s", virt->why_not);
		return;
	}
	log_info("virt: VT-x with EPT; PML %s, dirty flags %s, 1 GiB pages %s, TSC scaling %s, "
		 "local APICs in %s",
		 virt->pml ? "yes" : "no", virt->ad_bits ? "yes" : "no",
		 virt->page_1g ? "yes" : "no", virt->tsc_scaling ? "yes" : "no",
		 virt->apic ? "hardware" : "software");
	if (!virt->xsavec)
		log_warn("virt: XSAVEC of this CPU loses registers (as in Bochs 2.7): guests are "
			 "not shown it");
}

/* ---- network ------------------------------------------------------------------------ */

#define NETBUF_COUNT 2048

static struct net_switch uplink_switch;

static bool nic_wanted(const struct pci_dev *d)
{
	char where[16];

	if (strcmp(config.nic, "auto") == 0)
		return true;
	ksnprintf(where, sizeof(where), "%02x:%02x.%u", d->bus, d->dev, d->fn);
	return strcmp(config.nic, where) == 0;
}

/* The first driver that knows the device. */
static int nic_probe(const struct pci_dev *d, struct netdev **out)
{
	static int (*const probes[])(const struct pci_dev *, struct netdev **) = {
	    e1000_probe,
	    e1000e_probe,
	    virtio_net_probe,
	};
	int err = -E_NOENT;

	for (unsigned i = 0; err == -E_NOENT && i < ARRAY_SIZE(probes); i++)
		err = probes[i](d, out);
	return err;
}

static struct netdev *start_nic(void)
{
	const struct pci_dev *d;
	struct netdev *nd;
	char mac[18];
	int err;

	if (netbuf_pool_init(config.mtu + ETH_HLEN, NETBUF_COUNT) != 0) {
		log_error("net: no memory for %u frame buffers", NETBUF_COUNT);
		return NULL;
	}
	for (unsigned i = 0; (d = pci_at(i)); i++) {
		if (!nic_wanted(d))
			continue;
		err = nic_probe(d, &nd);
		if (err == 0) {
			log_info("net: %s is %s at %02x:%02x.%u, MAC %s", nd->name, nd->model,
				 d->bus, d->dev, d->fn, format_mac(mac, nd->mac));
			return nd;
		}
		if (err != -E_NOENT)
			log_error("net: NIC at %02x:%02x.%u: %s", d->bus, d->dev, d->fn,
				  err_text(err));
	}
	log_warn("net: no NIC that this host can drive (nic %s in host.conf): no moves, no shared "
		 "storage",
		 config.nic);
	return NULL;
}

/* ---- start -------------------------------------------------------------------------- */

static void measure_cpus(struct peer *self)
{
	static struct use_average use;
	uint64_t now = time_ns(), idle = 0, all;

	for (unsigned i = 0; i < cpu_count; i++)
		idle += sched_idle_ns(i);
	all = now * cpu_count;
	/* the clock went on while we added: that must not look like a counter that went back */
	use_average_add(&use, now, MAX(use.used_ns, all - MIN(idle, all)));
	self->cpu_permille = use_average_permille(&use);
}

static void refresh_self(struct peer *self)
{
	struct mem_stats mem;

	mem_get_stats(&mem);
	self->free_bytes = mem.free_2m * SIZE_2M;
	self->total_bytes = mem.total_pages * PAGE_SIZE;
	self->cpus = cpu_count;
	self->vms = 0;
	while (vm_at(self->vms))
		self->vms++;
	self->drained = migrate_drained();
	measure_cpus(self);
	vm_use_sample();
}

static void start_guest_networks(void)
{
	network_init(&uplink_switch, config.mtu);
	for (unsigned i = 0; i < config.net_count; i++) {
		const struct host_net *n = &config.nets[i];
		int err = network_add(n->name, n->uplink, n->vlan);

		if (err)
			log_error("net: network %s: %s", n->name, err_text(err));
		else
			network_find(n->name)->mtu = n->mtu;
	}
}

static void start_network(void)
{
	struct netdev *nd = start_nic();
	struct peers_config peers = {.refresh = refresh_self};

	switch_init(&uplink_switch, nd);
	start_guest_networks();
	if (!nd)
		return;
	if (nd->frame_max < config.mtu + ETH_HLEN)
		log_error("net: %s takes an MTU of %u, host.conf says %u: large frames are lost; "
			  "set mtu %u there",
			  nd->name, nd->frame_max - ETH_HLEN, config.mtu, nd->frame_max - ETH_HLEN);
	entropy_mix(nd->mac, sizeof(nd->mac));
	str_copy(peers.self.name, config.name, sizeof(peers.self.name));
	str_copy(peers.self.pool, config.pool, sizeof(peers.self.pool));
	memcpy(peers.self.mac, nd->mac, sizeof(peers.self.mac));
	entropy_fill(&peers.self.boot_id, sizeof(peers.self.boot_id));
	peers.self.version = LINK_VERSION;
	peers.self.frame_max = nd->frame_max;
	peers.self.can_run_guests = virt->usable;
	if (peers_init(&uplink_switch, &peers) != 0 || link_init(&uplink_switch, nd->mac) != 0 ||
	    aoe_init(&uplink_switch) != 0)
		log_error("net: out of memory, the network is not whole");
}

/* ---- disks -------------------------------------------------------------------------- */

static void start_disks(void)
{
	const struct pci_dev *d;

	if (ata_init() != 0)
		log_error("ata: out of memory, local disks are not there");
	for (unsigned i = 0; (d = pci_at(i)); i++) {
		int err = ahci_probe(d);

		if (err == -E_NOENT)
			err = nvme_probe(d);
		if (err && err != -E_NOENT)
			log_error("disk: controller at %02x:%02x.%u: %s", d->bus, d->dev, d->fn,
				  err_text(err));
	}
}

static void start_console(void)
{
	static const struct command_group *const groups[] = {
	    &commands_vm_group,	    &commands_move_group,     &commands_pool_group,
	    &commands_save_group,   &commands_snapshot_group, &commands_audit_group,
	    &commands_stores_group, &commands_host_group,     NULL};
	static struct host_facts facts;

	facts = (struct host_facts){PAGURUS_VERSION, &config, virt, &uplink_switch, cpu_count};
	commands_host_init(&facts);
	commands_host_set_vm_log(vm_log_print);
	commands_vm_set_decide(migrate_decide);
	if (console_start(config.name, config.escape, groups) != 0)
		log_error("console: out of memory");
}

static void main_task(void *arg)
{
	struct mem_stats mem;
	char size[2][16];

	mem_get_stats(&mem);
	log_info("mem: %s free of %s", format_size(size[0], mem.free_pages * PAGE_SIZE),
		 format_size(size[1], mem.total_pages * PAGE_SIZE));
	start_network();
	start_disks();
	stores_init(&config);
	migrate_init();
	if (vm_log_start() != 0)
		log_error("log: out of memory, VMs have no logs of their own");
	if (vm_service_start() != 0)
		log_error("vm: out of memory, guests cannot power themselves off");
	log_info("host: %s is up", config.name);
	cold_finish_arrivals();
	vm_define_all();
	cold_ask_about_leaving();
	start_console();
}

static void early_init(const struct handoff *ho)
{
	arch = (struct arch_ops){page_alloc, page_free, irq_interrupt, arch_log, panic};
	cpu_init_boot(ho->apic_ids[0]);
	log_set_sink(console_log_sink);
	panic_set_stop(stop_other_cpus);
	if (ho->magic != HANDOFF_MAGIC || ho->version != HANDOFF_VERSION)
		panic("handoff: the loader speaks version %u, this kernel %u: put both from one "
		      "build on the stick",
		      ho->version, HANDOFF_VERSION);
	mem_init(ho);
	if (paging_init(ho) != 0)
		panic("paging: out of memory for the host's page tables");
	entropy_init(ho->entropy);
}

/* Never returns: a function with a protected frame would notice the new guard. */
__attribute__((no_stack_protector)) void kernel_main(const struct handoff *ho)
{
	struct acpi_facts acpi = {.ioapic = IOAPIC_DEFAULT};
	uintptr_t guard;

	early_init(ho);
	entropy_fill(&guard, sizeof(guard));
	__stack_chk_guard = guard; /* no protected frame is active here */
	tsc_calibrate();
	rtc_init();
	files_init(ho);
	read_config();
	mix_identity();
	if (serial_init(config.console_port, config.console_baud) != 0)
		log_error("console: no serial port at %#x", config.console_port);
	log_set_console_level(config.loglevel);
	log_info("pagurus: starting");
	entropy_source_report();
	acpi_read(ho->rsdp, &acpi);
	if (!acpi.present)
		log_info("acpi: no tables, defaults are used");
	if (apic_init() != 0)
		panic("apic: out of memory for its mapping");
	apic_init_cpu();
	irq_init(acpi.ioapic);
	sched_init();
	host_lock();
	start_virt();
	host_unlock();
	start_cpus(ho, &acpi);
	host_lock();
	serial_start();
	pci_scan();
	if (!task_create("main", main_task, NULL))
		panic("task: out of memory for the first task");
	sched_run();
}
