/* SPDX-License-Identifier: BSD-2-Clause */
/* A good record of each type, as a source would send it, for the fuzz target of the receiver. */
#include <string.h>

#include "tests/fuzz/receive_world.h"
#include "kernel/lib/crc32c.h"
#include "migrate/disks.h"
#include "vmm/vcpu.h"

#define FILE_BYTES 200

static struct fuzz *in;

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
	o.cfg.disk_count = in->left & 1;
	if (in->left % 8 == 6) {      /* one that is copied */
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
	uint8_t what = fuzz_u8(in);
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
	struct vcpu *v = world.vm ? world.vm->vcpus[fuzz_u8(in) % world.vm->vcpu_count] : NULL;

	return v ? good_state(p, &vcpu_state_table, v->id, v->state) : 0;
}

static size_t good_device(uint8_t *p)
{
	unsigned skip = fuzz_u8(in) % 16;
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
	memset(p + sizeof(head), fuzz_u8(in), head.count * 4);
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
	uint8_t what = fuzz_u8(in);
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
	struct stream_disk_data head = {.disk = 1, .offset = fuzz_u8(in) % 32 * STREAM_BLOCK};

	memcpy(p, &head, sizeof(head));
	return sizeof(head) + (fuzz_u8(in) % 128 + 1) * SECTOR_SIZE;
}

static size_t good_disk_holes(uint8_t *p)
{
	struct stream_disk_holes head = {.disk = 1};
	struct stream_hole h = {.offset = fuzz_u8(in) % 32 * STREAM_BLOCK,
				.length = fuzz_u8(in) % 32 * STREAM_BLOCK};

	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), &h, sizeof(h));
	return sizeof(head) + sizeof(h);
}

static size_t good_log(uint8_t *p)
{
	static const char text[] = "vm web: it ran\n\033[2Jand it ended\n";

	memcpy(p, text, sizeof(text));
	return 1 + fuzz_u16(in) % STREAM_CHUNK;
}

/* Perhaps this host was restarted since: then its datastore must know. */
static size_t good_cold_query(uint8_t *p)
{
	struct stream_query q = {.asker = MOVE_SOURCE};

	if (fuzz_u8(in) & 1)
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

uint32_t good_record_type(uint32_t type)
{
	return type == AS_COLD_OFFER ? STREAM_OFFER : type == AS_COLD_QUERY ? STREAM_QUERY : type;
}

size_t good_record(struct fuzz *input, uint32_t type, uint8_t *p)
{
	struct stream_file file = good_file();

	in = input;
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
		good_number(p, fuzz_u16(in) % 1024, 0);
		return STREAM_PAGE_SIZE;
	case STREAM_ZERO_RUNS:
		return good_number(p, fuzz_u16(in) % 1024, fuzz_u16(in) % 1024);
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
