/* SPDX-License-Identifier: BSD-2-Clause */
/* Two hosts in one process; see fake_pair.h. */
#include <stdlib.h>
#include <string.h>

#include "kernel/entropy.h"
#include "kernel/sched.h"
#include "kernel/files.h"
#include "kernel/lib/crc32c.h"
#include "tests/unit/fake_pair.h"
#include "migrate/validate.h"
#include "migrate/snapshot.h"
#include "vmm/vm_nics.h"
#include "vmm/vm_store.h"

uint64_t fake_stopped_ns, fake_skipped_ns;
bool fake_pair_rests;
struct vgenid *fake_pair_vgenid;
#include "vmm/vm_build.h"

struct fake_faults fake_faults;
struct fake_storage fake_storage;
struct migrate_state fake_states[HOSTS];
uint64_t fake_stream_bytes[HOSTS];
uint64_t fake_record_ends[4096];
unsigned fake_record_count;
unsigned fake_guest_writes;
uint64_t fake_boot_ids[HOSTS];

struct migrate_state *migrate_state(void)
{
	return &fake_states[fake_host];
}

/* ---- entropy, peers ---- */

void entropy_fill(void *buf, size_t len)
{
	static uint32_t seed = 1;
	uint8_t *p = buf;

	while (len--) {
		seed = seed * 1664525 + 1013904223;
		*p++ = (uint8_t)(seed >> 24);
	}
}

static struct peer peers[HOSTS];

const struct peer *peers_self(void)
{
	return &peers[fake_host];
}

const struct peer *peers_find(const char *name)
{
	for (int i = 0; i < HOSTS; i++)
		if (!strcmp(peers[i].name, name) && !fake_faults.partition)
			return &peers[i];
	return NULL;
}

/* ---- link ---- */

struct link {
	struct link *other;
	int host;
	bool first;	   /* faults apply */
	bool dead, closed; /* dead: nothing arrives any more; closed: peer left */
	uint8_t *buf;	   /* received, not read */
	size_t len, at, room;
	uint64_t sent, silent_since;
	struct waitq wq;
};

static bool links_seen;
static struct link *all_links[4096];
static unsigned link_count;

static struct link *link_new(int host)
{
	struct link *l = calloc(1, sizeof(*l));

	l->host = host;
	waitq_init(&l->wq);
	assert_true(link_count < ARRAY_SIZE(all_links));
	all_links[link_count++] = l;
	return l;
}

static bool (*accepts[HOSTS])(struct link *l, void *ctx);

void link_listen(bool (*accept)(struct link *l, void *ctx), void *ctx)
{
	accepts[fake_host] = accept;
}

int link_connect(const struct peer *to, struct link **out)
{
	int there = (int)(to - peers) >= 0 && (int)(to - peers) < HOSTS ? (int)(to - peers) : -1;
	struct link *a, *b;
	int me = fake_host;
	bool ok;

	for (int i = 0; i < HOSTS; i++)
		if (!strcmp(peers[i].name, to->name))
			there = i;
	if (fake_faults.partition || fake_hosts_down & (1u << there)) {
		task_sleep_until(time_ns() + LINK_SILENCE_NS);
		return -E_TIMEDOUT;
	}
	a = link_new(me);
	b = link_new(there);
	a->other = b;
	b->other = a;
	a->first = b->first = !links_seen;
	links_seen = true;
	fake_host = there;
	ok = accepts[there] && accepts[there](b, NULL);
	fake_host = me;
	if (!ok)
		return -E_CLOSED;
	*out = a;
	return 0;
}

static int link_alive(struct link *l)
{
	if (!l->dead && !fake_faults.partition)
		return 0;
	task_sleep_until(MAX(time_ns(), l->silent_since + LINK_SILENCE_NS));
	return -E_TIMEDOUT;
}

static void deliver(struct link *to, const uint8_t *data, size_t len)
{
	if (!len)
		return;
	if (to->len + len > to->room) {
		to->room = (to->len + len) * 2;
		to->buf = realloc(to->buf, to->room);
	}
	memcpy(to->buf + to->len, data, len);
	to->len += len;
	waitq_wake_all(&to->wq);
}

static void die(struct link *l)
{
	l->dead = l->other->dead = true;
	fake_faults.partition |= fake_faults.cut_parts;
	l->silent_since = l->other->silent_since = time_ns();
	waitq_wake_all(&l->wq);
	waitq_wake_all(&l->other->wq);
}

static void guest_writes(void);

int link_send(struct link *l, const void *data, size_t len)
{
	uint64_t cut = l->host == 0 ? fake_faults.cut_at : fake_faults.cut_back_at;
	uint8_t *copy = malloc(len ? len : 1);
	size_t go = len;

	memcpy(copy, data, len);
	if (l->closed || l->dead || fake_faults.partition) {
		free(copy);
		return l->closed ? -E_CLOSED : link_alive(l);
	}
	if (l->first && l->sent + len > cut)
		go = cut - l->sent;
	if (l->first && !l->host && fake_faults.flip_at >= l->sent &&
	    fake_faults.flip_at < l->sent + len)
		copy[fake_faults.flip_at - l->sent] ^= 0x10;
	deliver(l->other, copy, go);
	l->sent += go;
	if (l->first)
		fake_stream_bytes[l->host] = l->sent;
	if (l->first && !l->host && fake_record_count < ARRAY_SIZE(fake_record_ends))
		fake_record_ends[fake_record_count++] = l->sent;
	free(copy);
	if (l->first && l->sent >= cut)
		die(l);
	guest_writes();
	if (fake_faults.rate)
		task_sleep_until(time_ns() + len * NS_PER_S / fake_faults.rate);
	else
		task_yield();
	return 0;
}

/* What a host's own work costs is not the matter here. */
uint64_t sched_work_ticks(void)
{
	return 0;
}

int link_push(struct link *l)
{
	return l->closed ? -E_CLOSED : 0;
}

int link_drain(struct link *l, uint64_t deadline_ns)
{
	if (l->dead || fake_faults.partition)
		return link_alive(l);
	return l->closed ? -E_CLOSED : 0;
}

int link_recv(struct link *l, void *buf, size_t len, uint64_t deadline_ns)
{
	while (l->len - l->at < len) {
		uint64_t until = deadline_ns;

		if (l->closed)
			return -E_CLOSED;
		if (fake_faults.partition && !l->dead) {
			l->dead = true;
			l->silent_since = time_ns();
		}
		if (l->dead && time_ns() >= l->silent_since + LINK_SILENCE_NS)
			return -E_TIMEDOUT;
		if (l->dead)
			until = MIN(until, l->silent_since + LINK_SILENCE_NS);
		if (waitq_wait(&l->wq, until) && time_ns() >= deadline_ns)
			return -E_TIMEDOUT;
	}
	memcpy(buf, l->buf + l->at, len);
	l->at += len;
	return 0;
}

size_t link_recv_ready(const struct link *l)
{
	return l->len - l->at;
}

void link_close(struct link *l)
{
	l->other->closed = true;
	if (!l->dead && !fake_faults.partition)
		waitq_wake_all(&l->other->wq);
}

void link_abort(struct link *l)
{
	link_close(l);
}

void link_set_rate(struct link *l, uint64_t bytes_per_s)
{
}

void link_get_stats(const struct link *l, struct link_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->tx_bytes = l->sent;
	out->rx_bytes = l->len;
	out->srtt_ns = NS_PER_MS;
}

/* ---- storage ---- */

struct aoe_disk {
	struct blkdev bd;
	uint8_t mac[ETH_ALEN];
};

void fake_storage_restart(void)
{
	fake_storage.count = 0;
	fake_storage.config_len = 0;
}

/* Each command takes a moment; a silent storage lets the deadline pass. */
static int storage_command(uint64_t deadline_ns)
{
	fake_storage.commands++;
	if (fake_faults.storage_restart_after >= 0 && !fake_faults.storage_restart_after--)
		fake_storage_restart();
	if (fake_faults.storage_silent || fake_faults.storage_silent_to == fake_host) {
		task_sleep_until(deadline_ns);
		return -E_TIMEDOUT;
	}
	task_sleep_until(time_ns() + 100 * NS_PER_US);
	return 0;
}

/* The answer is on its way: what it says may be outdated when it arrives. */
static int storage_answer(int err)
{
	task_sleep_until(time_ns() + fake_faults.storage_lag[fake_host]);
	return err;
}

static bool storage_listed(const uint8_t *mac)
{
	for (unsigned i = 0; i < fake_storage.count; i++)
		if (!memcmp(fake_storage.list[i], mac, ETH_ALEN))
			return true;
	return false;
}

static void storage_set(const uint8_t macs[][ETH_ALEN], unsigned count)
{
	fake_storage.count = count;
	for (unsigned i = 0; i < count; i++)
		memcpy(fake_storage.list[i], macs[i], ETH_ALEN);
}

void aoe_fresh_mac(uint8_t mac[ETH_ALEN])
{
	entropy_fill(mac, ETH_ALEN);
	mac[0] = (mac[0] & 0xfc) | 2;
}

int aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN], struct aoe_disk **out)
{
	struct aoe_disk *d;
	int err = storage_command(time_ns() + NS_PER_S);

	if (err)
		return err;
	d = kzalloc(sizeof(*d));
	memcpy(d->mac, mac, ETH_ALEN);
	d->bd.sectors = 2048;
	strcpy(d->bd.name, "e1.0");
	*out = d;
	return 0;
}

void aoe_close(struct aoe_disk *d)
{
	kfree(d);
}

struct blkdev *aoe_blkdev(struct aoe_disk *d)
{
	return &d->bd;
}

const uint8_t *aoe_mac(const struct aoe_disk *d)
{
	return d->mac;
}

void aoe_set_mac(struct aoe_disk *d, const uint8_t mac[ETH_ALEN])
{
	memcpy(d->mac, mac, ETH_ALEN);
}

int aoe_drain(struct aoe_disk *d, uint64_t deadline_ns)
{
	return 0;
}

int aoe_flush(struct aoe_disk *d, uint64_t deadline_ns)
{
	return storage_command(time_ns() + NS_PER_S);
}

int aoe_reserve_read(struct aoe_disk *d, struct aoe_reservation *out, uint64_t deadline_ns)
{
	int err = storage_command(deadline_ns);

	if (err)
		return err;
	out->count = (uint16_t)fake_storage.count;
	memcpy(out->macs, fake_storage.list, sizeof(out->macs));
	return storage_answer(0);
}

int aoe_reserve_set(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		    uint64_t deadline_ns)
{
	int err = storage_command(deadline_ns);

	if (!err && fake_faults.storage_loses_sets_of == fake_host) {
		task_sleep_until(deadline_ns);
		err = -E_TIMEDOUT;
	}
	if (err)
		return err;
	if (fake_storage.count && !storage_listed(d->mac))
		return storage_answer(-E_FENCED);
	storage_set(macs, count);
	if (fake_faults.storage_doubles && !storage_listed(d->mac))
		return storage_answer(-E_FENCED);
	return storage_answer(0);
}

int aoe_reserve_force(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		      uint64_t deadline_ns)
{
	int err = storage_command(deadline_ns);

	if (err)
		return err;
	storage_set(macs, count);
	return 0;
}

int aoe_config_read(struct aoe_disk *d, void *buf, size_t room, size_t *len, uint64_t deadline_ns)
{
	int err = storage_command(deadline_ns);

	if (err)
		return err;
	*len = fake_storage.config_len;
	memcpy(buf, fake_storage.config, MIN(room, *len));
	return storage_answer(0);
}

int aoe_config_force(struct aoe_disk *d, const void *text, size_t len, uint64_t deadline_ns)
{
	int err = storage_command(deadline_ns);

	if (err)
		return err;
	memcpy(fake_storage.config, text, len);
	fake_storage.config_len = len;
	return 0;
}

/* ---- files ---- */

static struct file files[HOSTS][4];
static bool file_used[HOSTS][4], file_filling[HOSTS][4];

static int file_slot(const char *path)
{
	for (int i = 0; i < 4; i++)
		if (file_used[fake_host][i] && !strcmp(files[fake_host][i].path, path))
			return i;
	return -1;
}

void fake_pair_add_file(int host, const char *path, const uint8_t *data, uint64_t size)
{
	int was = fake_host;
	uint8_t *copy;

	fake_host = host;
	assert_int_equal(files_create(path, size, &copy), 0);
	memcpy(copy, data, size);
	files_commit(path);
	fake_host = was;
}

unsigned fake_pair_files(int host)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n += file_used[host][i];
	return n;
}

const struct file *files_find(const char *path)
{
	int i = file_slot(path);

	return i < 0 || file_filling[fake_host][i] ? NULL : &files[fake_host][i];
}

const struct file *files_find_content(uint64_t size, uint32_t crc)
{
	for (int i = 0; i < 4; i++)
		if (file_used[fake_host][i] && !file_filling[fake_host][i] &&
		    files[fake_host][i].size == size && files[fake_host][i].crc == crc)
			return &files[fake_host][i];
	return NULL;
}

int files_create(const char *path, uint64_t size, uint8_t **data)
{
	if (file_slot(path) >= 0)
		return -E_EXIST;
	if (size > 64 * MiB)
		return -E_NOSPC;
	for (int i = 0; i < 4; i++) {
		struct file *f = &files[fake_host][i];

		if (file_used[fake_host][i])
			continue;
		*data = kzalloc(size);
		memset(f, 0, sizeof(*f));
		strncpy(f->path, path, sizeof(f->path) - 1);
		f->data = *data;
		f->size = size;
		file_used[fake_host][i] = file_filling[fake_host][i] = true;
		return 0;
	}
	return -E_NOSPC;
}

void files_commit(const char *path)
{
	int i = file_slot(path);
	struct file *f = &files[fake_host][i];

	f->crc = crc32c(0, f->data, f->size);
	file_filling[fake_host][i] = false;
}

void files_discard(const char *path)
{
	int i = file_slot(path);

	if (i < 0)
		return;
	kfree((void *)files[fake_host][i].data);
	file_used[fake_host][i] = false;
}

/* ---- CPUID ---- */

void cpuid_policy_host(struct cpuid_policy *out)
{
	memset(out, 0, sizeof(*out));
	out->count = 1;
	out->tsc_khz = 1000000;
	out->tsc_scaling = fake_faults.scaling;
}

unsigned cpuid_policy_compare(const struct cpuid_policy *guest, const struct cpuid_policy *host,
			      void (*differ)(void *ctx, const char *what, uint64_t guest_value,
					     uint64_t host_value),
			      void *ctx)
{
	if (guest->count <= host->count)
		return 0;
	differ(ctx, "avx2", guest->count, host->count);
	return 1;
}

void mem_get_stats(struct mem_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->free_2m = 512;
	out->total_pages = 1024 * (SIZE_2M / PAGE_SIZE);
}

/* Weak: tests with real datastores have the real ones. */
__attribute__((weak)) bool vm_store_undefined(const char *name)
{
	return false;
}

__attribute__((weak)) int vm_store_mark(const char *name, bool undefined)
{
	return 0;
}

__attribute__((weak)) int vm_store_keep(const struct vm *vm, char *why, size_t why_size)
{
	return -E_NOENT;
}

__attribute__((weak)) int vm_store_read(struct datastore *ds, const char *name,
					struct vm_config *out, char *why, size_t why_size)
{
	return -E_NOENT;
}

__attribute__((weak)) int vm_store_gone(const char *name)
{
	return 0;
}

__attribute__((weak)) int vm_store_check_arrival(struct datastore *ds, const char *name, char *why,
						 size_t why_size)
{
	return -E_NOENT;
}

/* ---- VMs: vCPU and one device are their tables ---- */

struct dev_state {
	uint32_t counter;
	uint8_t bytes[4];
};
static const struct state_field dev_fields[] = {STATE_FIELD(struct dev_state, counter),
						STATE_ARRAY(struct dev_state, bytes)};
static const struct state_table dev_table = {"vtest", 3, sizeof(struct dev_state), dev_fields,
					     ARRAY_SIZE(dev_fields)};

static const struct state_field cpu_fields[] = {STATE_FIELD(struct cpu_state, rip),
						STATE_ARRAY(struct cpu_state, gpr),
						STATE_ARRAY(struct cpu_state, xsave)};
const struct state_table vcpu_state_table = {"vcpu", 1, sizeof(struct cpu_state), cpu_fields,
					     ARRAY_SIZE(cpu_fields)};

struct fake_vm_extra {
	struct vdev dev;
	struct dev_state state;
	struct vcpu vcpus[2];
	struct cpu_state cpu[2];
};

static struct vm *vms[HOSTS][4];

static void dev_nop(struct vdev *d)
{
}

static int dev_check(const struct vdev *d, const void *state)
{
	const struct dev_state *s = state;

	return s->counter > 1000000 ? -E_INVAL : 0;
}

static const struct vdev_ops dev_ops = {&dev_table, dev_nop, dev_nop, dev_check, dev_nop, dev_nop};

const char *vm_state_name(enum vm_state s)
{
	return s == VM_RUNNING ? "running" : "not running";
}

struct vm *vm_find(const char *name)
{
	return fake_pair_find(fake_host, name);
}

/* Weak: a test of commands has a list of its own. */
__attribute__((weak)) struct vm *vm_at(unsigned index)
{
	for (unsigned i = 0; i < 4; i++)
		if (vms[fake_host][i] && !index--)
			return vms[fake_host][i];
	return NULL;
}

struct vm *fake_pair_find(int host, const char *name)
{
	for (int i = 0; i < 4; i++)
		if (vms[host][i] && !strcmp(vms[host][i]->cfg.name, name))
			return vms[host][i];
	return NULL;
}

static struct fake_vm_extra *extra(struct vm *vm)
{
	return container_of(list_entry(vm->devices.next, struct vdev, node), struct fake_vm_extra,
			    dev);
}

static int open_shared(struct vm_disk *d)
{
	int err;

	d->deciding = 1;
	aoe_fresh_mac(d->owner_mac);
	err = aoe_open(1, 0, d->owner_mac, &d->aoe);
	if (!err)
		d->blk = aoe_blkdev(d->aoe);
	return err;
}

static int open_disks(struct vm *vm, struct ds_object **received)
{
	int err = 0;

	for (unsigned i = 0; !err && i < vm->cfg.disk_count; i++) {
		struct vm_disk *d = &vm->disks[vm->disk_count++];

		d->cfg = vm->cfg.disks[i];
		if (d->cfg.shared)
			err = open_shared(d);
		else
			err = fake_pair_disk->open(d, received ? &received[i] : NULL);
	}
	return err;
}

static void close_disks(struct vm *vm)
{
	for (unsigned i = 0; i < vm->disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		disk_log_stop(&d->log);
		if (d->aoe)
			aoe_close(d->aoe);
		else if (d->blk)
			fake_pair_disk->close(d);
	}
	vm->disk_count = 0;
}

int vm_create_incoming(const struct vm_config *cfg, const struct cpuid_policy *cpuid,
		       struct ds_object *disks[VM_MAX_DISKS], struct vm **out)
{
	struct vm *vm = kzalloc(sizeof(*vm));
	struct fake_vm_extra *x = kzalloc(sizeof(*x));
	int err;

	vm->cfg = *cfg;
	vm->cpuid = *cpuid;
	vm->clock.tsc_khz = cpuid->tsc_khz;
	vm->state = VM_INCOMING;
	vm->vgenid = fake_pair_vgenid;
	waitq_init(&vm->state_changed);
	list_init(&vm->devices);
	x->dev.ops = &dev_ops;
	x->dev.vm = vm;
	x->dev.state = &x->state;
	list_append(&vm->devices, &x->dev.node);
	vm->vcpu_count = cfg->vcpus;
	vm->nic_count = cfg->nic_count;
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		x->vcpus[i].id = i;
		x->vcpus[i].vm = vm;
		vm->vcpus[i] = &x->vcpus[i];
	}
	for (int i = 0; i < 4; i++)
		if (!vms[fake_host][i]) {
			vms[fake_host][i] = vm;
			break;
		}
	err = guest_mem_create(&vm->mem, cfg->memory);
	if (!err)
		err = open_disks(vm, disks);
	if (err) {
		vm_destroy(vm);
		(void)!vm_undefine(vm);
		return err;
	}
	*out = vm;
	return 0;
}

void vm_destroy(struct vm *vm)
{
	if (vm->state != VM_INCOMING && !vm->gave_away && vm->disk_count && vm->disks[0].aoe)
		(void)!aoe_reserve_set(vm->disks[0].aoe, NULL, 0, time_ns() + NS_PER_S);
	dirty_log_stop(vm);
	guest_mem_destroy(&vm->mem);
	close_disks(vm);
	vm->state = VM_OFF;
}

int vm_define(const struct vm_config *cfg, struct vm **out)
{
	struct fake_vm_extra *x;
	struct vm *vm;

	if (vm_find(cfg->name))
		return -E_EXIST;
	vm = kzalloc(sizeof(*vm));
	x = kzalloc(sizeof(*x));
	vm->cfg = *cfg;
	if (out)
		*out = vm;
	waitq_init(&vm->state_changed);
	list_init(&vm->devices);
	list_append(&vm->devices, &x->dev.node);
	for (int i = 0; i < 4; i++) {
		if (vms[fake_host][i])
			continue;
		vms[fake_host][i] = vm;
		if (out)
			*out = vm;
		return 0;
	}
	return -E_NOMEM;
}

int vm_undefine(struct vm *vm)
{
	assert_int_equal(vm->state, VM_OFF);
	assert_false(vm->move_under_way);
	for (int i = 0; i < 4; i++)
		if (vms[fake_host][i] == vm)
			vms[fake_host][i] = NULL;
	kfree(extra(vm));
	kfree(vm);
	return 0;
}

int vm_pause(struct vm *vm)
{
	vm->state = VM_PAUSED;
	vm->clock.frozen_tsc = 123456789;
	vm->clock.frozen_ns = fake_stopped_ns = time_ns();
	if (fake_pair_disk)
		fake_pair_disk->guest(vm, true);
	task_yield();
	return 0;
}

/* Two copies that run at once is what must never be. */
int vm_resume(struct vm *vm)
{
	struct vm *other = fake_pair_find(!fake_host, vm->cfg.name);

	assert_true(vm->state == VM_PAUSED || vm->state == VM_IN_DOUBT);
	if (fake_faults.refuse_resume == fake_host)
		return -E_IO;
	assert_true(!other || other->state != VM_RUNNING);
	vm->state = VM_RUNNING;
	task_yield();
	return 0;
}

/* ---- frames for the guest ---- */

struct fake_nic fake_nics[HOSTS];

void vm_nic_traffic(const struct vm *vm, unsigned nic, uint64_t *frames, uint64_t *bytes)
{
	*frames = time_ns() / (NS_PER_S / 10); /* ten a second */
	*bytes = *frames * 100;
}

unsigned vm_nic_mtu(const struct vm *vm, unsigned nic)
{
	return 1500;
}

unsigned vm_nic_look(const struct vm_nic_config *cfg, bool *mac_taken)
{
	*mac_taken = false;
	return strcmp(cfg->network, "lan") ? 0 : 1500;
}

struct netbuf *vm_take_frame(struct vm *vm, unsigned *nic)
{
	struct fake_nic *n = &fake_nics[fake_host];
	struct netbuf *nb;

	assert_int_not_equal(vm->state, VM_RUNNING);
	if (!n->waiting)
		return NULL;
	n->waiting--;
	*nic = 0;
	nb = calloc(1, sizeof(*nb) + 100);
	nb->data = (uint8_t *)(nb + 1);
	nb->len = 60 + n->waiting;
	memset(nb->data, 0x40 + n->waiting, nb->len);
	memcpy(nb->data, vm->cfg.nics[0].mac, ETH_ALEN);
	return nb;
}

void netbuf_put(struct netbuf *nb)
{
	free(nb);
}

void vm_give_frame(struct vm *vm, unsigned nic, const void *frame, size_t len)
{
	struct fake_nic *n = &fake_nics[fake_host];

	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(nic, 0);
	n->given++;
	n->bytes += len;
	n->last = ((const uint8_t *)frame)[ETH_ALEN];
}

void vm_service_wake(void)
{
}

unsigned fake_validated[HOSTS];

/* The move is over, and what the VM came by may be looked up. */
void validate_later(const struct vm *vm)
{
	assert_false(vm->move_under_way);
	fake_validated[fake_host]++;
}

/* It must become what went by on the wall since the guest stopped, wherever it goes on. */
void vm_clock_skip(struct vm *vm, uint64_t ns)
{
	fake_skipped_ns = ns;
	/* to a round of the fibers, in which a frame that is delivered waits for its reader */
	if (!fake_pair_rests)
		assert_in_range(time_ns() - fake_stopped_ns - ns, 0, 1000);
}

void vm_clock_set(struct vm *vm, uint64_t guest_tsc)
{
	vm->clock.frozen_tsc = guest_tsc;
}

void vcpu_get_state(struct vcpu *v, struct cpu_state *out)
{
	*out = extra(v->vm)->cpu[v->id];
}

int vcpu_set_state(struct vcpu *v, const struct cpu_state *in)
{
	extra(v->vm)->cpu[v->id] = *in;
	return 0;
}

int vcpu_check_state(const struct vcpu *v, const struct cpu_state *in)
{
	return in->rip == 0xbad ? -E_INVAL : 0;
}

/* Weak: a test of snapshots has the real ones. */
__attribute__((weak)) int snapshot_before_move(struct move *m)
{
	return 0;
}

__attribute__((weak)) void snapshots_stay(const char *vm)
{
}

/* ---- dirty log ---- */

const char *dirty_method_name(enum dirty_method m)
{
	return "wp";
}

int dirty_log_start(struct vm *vm, enum dirty_method method)
{
	uint64_t pages = guest_mem_pages(&vm->mem);

	if (vm->dirty.on)
		return -E_BUSY;
	vm->dirty.bits = kzalloc((pages + 63) / 64 * 8);
	memset(vm->dirty.bits, 0xff, pages / 8);
	vm->dirty.pages = vm->dirty.marked = pages;
	vm->dirty.on = true;
	return 0;
}

void dirty_log_stop(struct vm *vm)
{
	if (!vm->dirty.on)
		return;
	kfree(vm->dirty.bits);
	vm->dirty.bits = NULL;
	vm->dirty.on = false;
}

void dirty_log_mark(struct vm *vm, gfn_t gfn)
{
	uint64_t bit = BIT(gfn % 64);

	if (!vm->dirty.on || (vm->dirty.bits[gfn / 64] & bit))
		return;
	vm->dirty.bits[gfn / 64] |= bit;
	vm->dirty.marked++;
}

uint64_t dirty_log_harvest(struct vm *vm, uint64_t *out)
{
	uint64_t n = vm->dirty.marked;

	memcpy(out, vm->dirty.bits, (vm->dirty.pages + 63) / 64 * 8);
	memset(vm->dirty.bits, 0, (vm->dirty.pages + 63) / 64 * 8);
	vm->dirty.marked = 0;
	return n;
}

uint64_t dirty_log_count(struct vm *vm)
{
	return vm->dirty.marked;
}

static void guest_writes(void)
{
	struct vm *vm = fake_pair_find(0, "web");
	static uint32_t n;

	if (fake_pair_disk && vm && vm->state == VM_RUNNING)
		fake_pair_disk->guest(vm, false);
	for (unsigned i = 0; vm && vm->state == VM_RUNNING && i < fake_guest_writes; i++) {
		gfn_t gfn = n++ * 7 % 64;
		uint32_t *p = guest_mem_page(&vm->mem, gfn);

		p[n % 1024] = n;
		dirty_log_mark(vm, gfn);
	}
}

/* ---- power ---- */

/* So that a leak checker still sees what a host had. */
static struct grave {
	struct grave *next;
	struct vm *vms[4];
	struct migrate_state state;
} * graves;

void fake_pair_cut(bool parts)
{
	fake_faults.partition |= parts;
	for (unsigned i = 0; i < link_count; i++)
		if (all_links[i]->other && !all_links[i]->dead && !all_links[i]->closed)
			die(all_links[i]);
}

void fake_pair_power_off(int host)
{
	fake_hosts_down |= 1u << host;
	for (unsigned i = 0; i < link_count; i++)
		if (all_links[i]->host == host && all_links[i]->other)
			die(all_links[i]);
}

void fake_pair_power_on(int host)
{
	struct grave *g = calloc(1, sizeof(*g));

	fake_fibers_kill(host);
	memcpy(g->vms, vms[host], sizeof(vms[host]));
	g->state = fake_states[host];
	g->next = graves;
	graves = g;
	memset(vms[host], 0, sizeof(vms[host]));
	memset(&fake_states[host], 0, sizeof(fake_states[host]));
	peers[host].boot_id = ++fake_boot_ids[host] + 1000;
	fake_hosts_down &= ~(1u << host);
}

/* ---- the pair ---- */

void fake_pair_reset(void)
{
	fake_kernel_reset();
	fake_fibers_reset();
	memset(&fake_storage, 0, sizeof(fake_storage));
	memset(fake_states, 0, sizeof(fake_states));
	memset(fake_stream_bytes, 0, sizeof(fake_stream_bytes));
	memset(fake_nics, 0, sizeof(fake_nics));
	memset(fake_validated, 0, sizeof(fake_validated));
	fake_pair_nic = fake_pair_rests = false;
	fake_pair_disk = NULL;
	fake_faults = (struct fake_faults){.cut_at = UINT64_MAX,
					   .cut_back_at = UINT64_MAX,
					   .flip_at = UINT64_MAX,
					   .storage_restart_after = -1,
					   .refuse_resume = -1,
					   .storage_silent_to = -1,
					   .storage_loses_sets_of = -1};
	fake_guest_writes = 0;
	fake_record_count = 0;
	links_seen = false;
	for (int i = 0; i < HOSTS; i++) {
		strcpy(peers[i].name, i ? "beta" : "alpha");
		strcpy(peers[i].pool, "lab");
		peers[i].boot_id = fake_boot_ids[i] = 77 + i;
		peers[i].version = LINK_VERSION;
		peers[i].cpus = 2;
		peers[i].can_run_guests = true;
		fake_host = i;
		migrate_init();
	}
	fake_host = 0;
}

static void fill(struct vm *vm)
{
	struct fake_vm_extra *x = extra(vm);

	x->state.counter = 42;
	x->cpu[0].rip = 0x1000;
	for (unsigned i = 0; i < sizeof(x->cpu[0].xsave); i++)
		x->cpu[0].xsave[i] = (uint8_t)i;
	/* every third page has content */
	for (uint64_t i = 0; i < guest_mem_pages(&vm->mem); i += 3) {
		uint64_t *p = guest_mem_page(&vm->mem, guest_mem_index_to_gfn(&vm->mem, i));

		for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
			p[j] = i * 1000 + j;
	}
}

static struct vm *made;
bool fake_pair_nic;
const struct fake_pair_disk *fake_pair_disk;
static bool make_shared;
static uint64_t make_memory;

static void make_task(void *arg)
{
	struct vm_config cfg;
	struct cpuid_policy policy;

	memset(&cfg, 0, sizeof(cfg));
	strcpy(cfg.name, "web");
	strcpy(cfg.kernel, "vms/web/vmlinuz");
	cfg.memory = make_memory;
	cfg.vcpus = 1;
	cfg.weight = 100;
	if (make_shared) {
		cfg.disk_count = 1;
		strcpy(cfg.disks[0].name, "vda");
		cfg.disks[0].used = cfg.disks[0].shared = 1;
		cfg.disks[0].shelf = 1;
	}
	if (fake_pair_disk) {
		struct vm_disk_config *d = &cfg.disks[cfg.disk_count++];

		strcpy(d->name, "vdb");
		d->used = 1;
		fake_pair_disk->configure(d);
	}
	if (fake_pair_nic) {
		cfg.nic_count = 1;
		strcpy(cfg.nics[0].name, "eth0");
		strcpy(cfg.nics[0].network, "lan");
		cfg.nics[0].mac[5] = 9;
	}
	cpuid_policy_host(&policy);
	assert_int_equal(vm_create_incoming(&cfg, &policy, NULL, &made), 0);
	if (make_shared) {
		uint8_t list[1][ETH_ALEN];

		memcpy(list[0], made->disks[0].owner_mac, ETH_ALEN);
		storage_set(list, 1);
		made->disks[0].owned = true;
	}
	fill(made);
	made->state = VM_RUNNING;
}

struct vm *fake_pair_vm(uint64_t memory, bool shared)
{
	make_memory = memory;
	make_shared = shared;
	made = NULL;
	assert_non_null(task_create("make", make_task, NULL));
	fake_fibers_run(time_ns() + NS_PER_S);
	assert_non_null(made);
	return made;
}

bool fake_pair_same(const uint8_t *memory, const struct vm *vm)
{
	const struct fake_vm_extra *x = extra((struct vm *)vm);

	for (uint64_t i = 0; i < guest_mem_pages(&vm->mem); i++)
		if (memcmp(memory + i * PAGE_SIZE,
			   guest_mem_page(&vm->mem, guest_mem_index_to_gfn(&vm->mem, i)),
			   PAGE_SIZE))
			return false;
	return x->state.counter == 42 && x->cpu[0].rip == 0x1000 && x->cpu[0].xsave[200] == 200;
}

void fake_pair_free(void)
{
	for (fake_host = 0; fake_host < HOSTS; fake_host++) {
		for (int i = 0; i < 4; i++) {
			struct vm *vm = vms[fake_host][i];

			if (vm) {
				vm->move_under_way = false;
				vm->gave_away = true;
				vm_destroy(vm);
				(void)!vm_undefine(vm);
			}
			if (file_used[fake_host][i])
				files_discard(files[fake_host][i].path);
		}
		for (unsigned i = 0; i < MOVES_KEPT; i++)
			if (fake_states[fake_host].moves[i]) {
				kfree(fake_states[fake_host].moves[i]->checks);
				kfree(fake_states[fake_host].moves[i]);
				fake_states[fake_host].moves[i] = NULL;
			}
	}
	fake_host = 0;
	for (unsigned i = 0; i < link_count; i++) {
		free(all_links[i]->buf);
		free(all_links[i]);
	}
	link_count = 0;
}
