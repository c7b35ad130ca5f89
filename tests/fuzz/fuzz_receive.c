/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole receiver of a move, from accepting the link to running the VM or
 * giving up. The input is a list of records: a good one of some kind with bytes
 * changed, or any bytes; the harness gives them their CRC and number (also wrong
 * ones), so that the search gets past these.
 */
#include <string.h>

#include "tests/fuzz/receive_world.h"
#include "kernel/lib/crc32c.h"
#include "migrate/disks.h"
#include "vmm/vcpu.h"

#define LINKS_MAX  3
#define FILE_BYTES 200

struct link {
	uint32_t seq;
	size_t have, at;
	uint8_t wire[sizeof(struct stream_header) + STREAM_PAYLOAD_MAX];
};

static struct fuzz in;
static struct link links[LINKS_MAX];
static unsigned link_count, links_open;

/* ---- a good record of each kind ---- */

static size_t good_hello(uint8_t *p)
{
	struct stream_hello h = {.magic = STREAM_MAGIC,
				 .version = STREAM_VERSION,
				 .purpose = STREAM_FOR_MOVE,
				 .boot_id = 11,
				 .host = "alpha",
				 .pool = "lab"};

	memcpy(p, &h, sizeof(h));
	return sizeof(h);
}

static struct stream_file good_file(void)
{
	static const uint8_t content[FILE_BYTES];

	return (struct stream_file){
	    .path = "vms/web/linux", .size = FILE_BYTES, .crc = crc32c(0, content, FILE_BYTES)};
}

static size_t good_offer(uint8_t *p)
{
	static struct stream_offer o;

	memset(&o, 0, sizeof(o));
	strcpy(o.cfg.name, "web");
	strcpy(o.cfg.kernel, "vms/web/linux");
	strcpy(o.cfg.cmdline, "quiet");
	o.cfg.memory = SIZE_2M;
	o.cfg.vcpus = 2;
	o.cfg.weight = 100;
	o.cfg.disk_count = in.left & 1;
	if (in.left % 8 == 6) {	      /* one that is copied */
		o.cfg.disk_count = 2; /* the first one is shared */
		o.cfg.disks[1] = (struct vm_disk_config){.name = "vdb", .used = 1, .local = "ata0"};
		o.disks[1] = (struct stream_disk){.name = "vdb", .sectors = WORLD_SECTORS};
	}
	o.cfg.disks[0] =
	    (struct vm_disk_config){.name = "vda", .used = 1, .shared = 1, .shelf = 7, .slot = 3};
	cpuid_policy_host(&o.cpuid);
	o.disks[0] = (struct stream_disk){.name = "vda",
					  .mac = {2, 0, 0, 0, 0, 0xa1},
					  .shared = 1,
					  .deciding = 1,
					  .sectors = WORLD_SECTORS};
	o.files[0] = good_file();
	o.file_count = 1;
	memcpy(p, &o, sizeof(o));
	return sizeof(o);
}

/* One that is off: with a shared disk, one that is copied, to be started there. */
static size_t good_cold_offer(uint8_t *p)
{
	uint8_t what = fuzz_u8(&in);
	struct stream_offer o;

	good_offer(p);
	memcpy(&o, p, sizeof(o));
	o.flags = OFFER_COLD | (what & 1 ? OFFER_START : 0);
	o.cfg.disk_count = (what >> 1) % 3;
	o.cfg.disks[1] = (struct vm_disk_config){.name = "vdb", .used = 1, .local = "ata0"};
	o.disks[1] = (struct stream_disk){.name = "vdb", .sectors = WORLD_SECTORS};
	if (o.cfg.disk_count < 2)
		memset(&o.cfg.disks[1], 0, sizeof(o.cfg.disks[1]));
	memcpy(p, &o, sizeof(o));
	return sizeof(o);
}

static size_t good_state(uint8_t *p, const struct state_table *t, unsigned instance,
			 const void *state)
{
	struct stream_device head = {
	    .version = t->version, .instance = instance, .length = state_wire_size(t)};

	memcpy(head.name, t->name, strlen(t->name));
	memcpy(p, &head, sizeof(head));
	return sizeof(head) + (size_t)state_save(t, state, p + sizeof(head), STREAM_CHUNK);
}

static size_t good_vcpu(uint8_t *p)
{
	struct vcpu *v = world.vm ? world.vm->vcpus[fuzz_u8(&in) % world.vm->vcpu_count] : NULL;

	return v ? good_state(p, &vcpu_state_table, v->id, v->state) : 0;
}

static size_t good_device(uint8_t *p)
{
	unsigned skip = fuzz_u8(&in) % 16;
	struct list *n;

	if (!world.vm)
		return 0;
	list_for_each (n, &world.vm->devices) {
		struct vdev *d = list_entry(n, struct vdev, node);

		if (!skip--)
			return good_state(p, d->ops->table, d->instance, d->state);
	}
	return 0;
}

static size_t good_digests(uint8_t *p)
{
	struct stream_digests head = {.count = world.vm ? guest_mem_pages(&world.vm->mem) : 1};

	memcpy(p, &head, sizeof(head));
	memset(p + sizeof(head), fuzz_u8(&in), head.count * 4);
	return sizeof(head) + head.count * 4;
}

/* What the disks that came hold by now. */
static void put_digests(uint64_t digests[VM_MAX_DISKS])
{
	static uint64_t buf[DISK_LOG_BLOCK / sizeof(uint64_t)];
	static struct move nobody;

	for (unsigned i = 0; i < world.vm->disk_count; i++)
		if (world.vm->disks[i].cfg.in_store && world.vm->disks[i].blk)
			(void)!disk_digest(&nobody, &world.vm->disks[i], buf, &digests[i]);
}

static size_t good_end(uint8_t *p)
{
	uint8_t what = fuzz_u8(&in);
	struct stream_state_end e = {.flags = what & 7};
	struct list *n;

	if (what & 8 && world.vm)
		put_digests(e.disk_digests);

	if (world.vm) {
		e.vcpus = world.vm->vcpu_count;
		list_for_each (n, &world.vm->devices)
			e.devices++;
	}
	memcpy(p, &e, sizeof(e));
	return sizeof(e);
}

static size_t good_place(uint8_t *p)
{
	struct stream_disk_place place = {.disk = 1, .sectors = WORLD_SECTORS, .store = "main"};

	memcpy(p, &place, sizeof(place));
	return sizeof(place);
}

static size_t good_disk_data(uint8_t *p)
{
	struct stream_disk_data head = {.disk = 1, .offset = fuzz_u8(&in) % 32 * STREAM_BLOCK};

	memcpy(p, &head, sizeof(head));
	return sizeof(head) + (fuzz_u8(&in) % 128 + 1) * SECTOR_SIZE;
}

static size_t good_disk_holes(uint8_t *p)
{
	struct stream_disk_holes head = {.disk = 1};
	struct stream_hole h = {.offset = fuzz_u8(&in) % 32 * STREAM_BLOCK,
				.length = fuzz_u8(&in) % 32 * STREAM_BLOCK};

	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), &h, sizeof(h));
	return sizeof(head) + sizeof(h);
}

static size_t good_log(uint8_t *p)
{
	static const char text[] = "vm web: it ran\n\033[2Jand it ended\n";

	memcpy(p, text, sizeof(text));
	return 1 + fuzz_u16(&in) % STREAM_CHUNK;
}

/* Perhaps this host was restarted since: then its datastore must know. */
static size_t good_cold_query(uint8_t *p)
{
	struct stream_query q = {.asker = MOVE_SOURCE};

	if (fuzz_u8(&in) & 1)
		memset(world.state.outcomes, 0, sizeof(world.state.outcomes));
	memset(q.store, WORLD_STORE_UUID, sizeof(q.store));
	memcpy(p, &q, sizeof(q));
	return sizeof(q);
}

static size_t good_number(uint8_t *p, uint64_t first, uint64_t second)
{
	memcpy(p, &first, sizeof(first));
	memcpy(p + sizeof(first), &second, sizeof(second));
	return 2 * sizeof(first);
}

/* Types that only a target sends stand for other forms of what a source does. */
#define AS_COLD_OFFER STREAM_FACTS
#define AS_COLD_QUERY STREAM_ANSWER

static uint32_t real_type(uint32_t type)
{
	return type == AS_COLD_OFFER ? STREAM_OFFER : type == AS_COLD_QUERY ? STREAM_QUERY : type;
}

static size_t good_record(uint32_t type, uint8_t *p)
{
	struct stream_file file = good_file();

	switch (type) {
	case STREAM_HELLO:
		return good_hello(p);
	case STREAM_OFFER:
		return good_offer(p);
	case STREAM_FILE:
		memcpy(p, &file, sizeof(file));
		return sizeof(file);
	case STREAM_FILE_DATA:
		return FILE_BYTES / 2;
	case STREAM_PAGES:
		good_number(p, fuzz_u16(&in) % 1024, 0);
		return STREAM_PAGE_SIZE;
	case STREAM_ZERO_RUNS:
		return good_number(p, fuzz_u16(&in) % 1024, fuzz_u16(&in) % 1024);
	case STREAM_DISK:
		return good_place(p);
	case STREAM_DISK_DATA:
		return good_disk_data(p);
	case STREAM_DISK_HOLES:
		return good_disk_holes(p);
	case STREAM_ROUND_END:
		return good_number(p, 1, 1);
	case STREAM_VCPU:
		return good_vcpu(p);
	case STREAM_DEVICE:
		return good_device(p);
	case STREAM_CLOCK:
		return good_number(p, 123456789, world.vm ? world.vm->clock.tsc_khz : 0);
	case STREAM_DIGESTS:
		return good_digests(p);
	case STREAM_STATE_END:
		return good_end(p);
	case STREAM_COMMIT:
		return sizeof(struct stream_commit);
	case STREAM_QUERY:
		return sizeof(struct stream_query);
	case STREAM_LOG:
		return good_log(p);
	case AS_COLD_OFFER:
		return good_cold_offer(p);
	case AS_COLD_QUERY:
		return good_cold_query(p);
	default:
		return 0;
	}
}

/* ---- the link ---- */

#define WITH_RAW      0x20 /* payload from the input alone */
#define WITH_OPTIONAL 0x40
#define WITH_DAMAGE   0x80 /* header spoilt after the CRC was made */

/* false: the input is used up. */
static bool next_record(struct link *l)
{
	uint8_t how = fuzz_u8(&in), *payload = l->wire + sizeof(struct stream_header);
	struct stream_header h = {.type = how & 0x1f, .seq = l->seq++};
	size_t padded;

	if (!in.left || h.type == 0)
		return false;
	memset(l->wire, 0, sizeof(l->wire));
	if (how & WITH_RAW) {
		h.length = fuzz_u16(&in) % STREAM_PAYLOAD_MAX;
		fuzz_bytes(&in, payload, h.length);
	} else {
		h.length = good_record(h.type, payload);
		fuzz_spoil(&in, payload, h.length);
		h.type = real_type(h.type);
	}
	if (h.type == STREAM_COMMIT && !(how & WITH_DAMAGE)) {
		world.commit_came = true;
		memcpy(world.commit_id, payload, sizeof(world.commit_id));
	}
	if (how & WITH_OPTIONAL)
		h.type |= STREAM_OPTIONAL;
	padded = sizeof(h) + ALIGN_UP(h.length, 8u);
	memcpy(l->wire, &h, sizeof(h));
	h.crc = crc32c(0, l->wire, padded);
	memcpy(l->wire, &h, sizeof(h));
	if (how & WITH_DAMAGE)
		fuzz_spoil(&in, l->wire, sizeof(h));
	l->at = 0;
	l->have = padded;
	return true;
}

int link_recv(struct link *l, void *buf, size_t len, uint64_t deadline_ns)
{
	uint8_t *to = buf;

	while (len) {
		size_t n = MIN(len, l->have - l->at);

		memcpy(to, l->wire + l->at, n);
		l->at += n;
		to += n;
		len -= n;
		if (len && !next_record(l))
			return -E_CLOSED;
	}
	return 0;
}

size_t link_recv_ready(const struct link *l)
{
	return l->have - l->at;
}

/* A source that hears NEVER starts the VM. */
static void check_answer(const struct link *l, const uint8_t *wire)
{
	struct stream_header h;
	struct stream_answer a;
	struct stream_query q;

	memcpy(&h, wire, sizeof(h));
	if (h.type != STREAM_ANSWER)
		return;
	memcpy(&a, wire + sizeof(h), sizeof(a));
	memcpy(&q, l->wire + sizeof(h), sizeof(q));
	if (a.verdict == ANSWER_NEVER && world.must_know)
		assert_true(memcmp(q.move_id, world.arrived_id, sizeof(q.move_id)));
}

int link_send(struct link *l, const void *data, size_t len)
{
	check_answer(l, data);
	assert_in_range(len, sizeof(struct stream_header), sizeof(l->wire));
	return world_ask() > 250 ? -E_CLOSED : 0;
}

int link_push(struct link *l)
{
	return 0;
}

void link_close(struct link *l)
{
	assert_true(l >= links && l < links + link_count);
	links_open--;
}

void link_abort(struct link *l)
{
	link_close(l);
}

void link_get_stats(const struct link *l, struct link_stats *out)
{
	memset(out, 0, sizeof(*out));
}

static struct link *new_link(void)
{
	struct link *l = &links[link_count++];

	l->seq = 0;
	l->have = l->at = 0;
	links_open++;
	return l;
}

/* The receiver asks the source how it ended. */
int link_connect(const struct peer *to, struct link **out)
{
	if (link_count == LINKS_MAX || world_ask() & 1)
		return -E_TIMEDOUT;
	*out = new_link();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct fuzz){data, size};
	world_reset(&in);
	link_count = links_open = 0;
	while (in.left && link_count < LINKS_MAX) {
		world.commit_came = false;
		assert_true(receive_accept(new_link(), NULL));
	}
	assert_int_equal(links_open, 0);
	world_check_and_free();
	return 0;
}
