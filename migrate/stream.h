/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE format of a move: every record and every payload, little-endian, on one
 * page (docs/stream-format.md tells the order). What records mean is decided by
 * send*.c and receive*.c; here are only shapes, limits and the codec's calls.
 *
 * A record is a 16-byte header, the payload, and zero bytes up to a multiple of 8.
 * The CRC covers header (with crc 0), payload and padding. seq counts records in
 * each direction from 0, so none can be lost, doubled or moved unnoticed.
 */
#ifndef MIGRATE_STREAM_H
#define MIGRATE_STREAM_H

#include "vmm/cpuid_policy.h"
#include "vmm/vm_config.h"

#define STREAM_VERSION	   4
#define STREAM_MAGIC	   "PAGURUS"
#define STREAM_OPTIONAL	   0x80000000u /* a reader that does not know the type skips it */
#define STREAM_PAGES_MAX   16	       /* pages in one PAGES record */
#define STREAM_PAGE_SIZE   (8 + 4096)
#define STREAM_PAYLOAD_MAX (STREAM_PAGES_MAX * STREAM_PAGE_SIZE)
#define STREAM_CHUNK	   (32 * 1024)	      /* most of a file in one FILE_DATA */
#define STREAM_STATE_MAX   STREAM_PAYLOAD_MAX /* of one device or vCPU */
#define STREAM_RUNS_MAX	   2048		      /* runs in one ZERO_RUNS */
#define STREAM_DIGESTS_MAX 8192		      /* pages in one DIGESTS */
#define STREAM_BLOCK	   (64 * 1024)	      /* of a disk: most in one DISK_DATA */
#define STREAM_HOLES_MAX   2048		      /* runs in one DISK_HOLES */
#define STREAM_PROBES_MAX  32		      /* before one OFFER */
#define STREAM_BLOCKS_MAX  256		      /* blocks in one DISK_DIGESTS */
#define STREAM_LOG_MAX	   (64 * 1024)	      /* bytes of a VM's log, in all LOG records */
#define STREAM_TEXT_MAX	   160
#define STREAM_FILES_MAX   (2 + VM_MAX_MODULES) /* kernel, initrd, modules */

/*
 * The list of records, here and nowhere else (tools/stream_dump.py reads these lines):
 * X(name, number, least payload, most payload, direction: s source, t target, b both)
 */
#define STREAM_RECORDS(X)                                                                          \
	X(HELLO, 1, sizeof(struct stream_hello), sizeof(struct stream_hello), 'b')                 \
	X(OFFER, 2, sizeof(struct stream_offer), sizeof(struct stream_offer), 's')                 \
	X(FACTS, 3, sizeof(struct stream_facts), sizeof(struct stream_facts), 't')                 \
	X(RESERVE, 4, 0, 0, 's')                                                                   \
	X(FILE, 5, sizeof(struct stream_file), sizeof(struct stream_file), 's')                    \
	X(FILE_DATA, 6, 1, STREAM_CHUNK, 's')                                                      \
	X(RESERVED, 7, sizeof(struct stream_reserved), sizeof(struct stream_reserved), 't')        \
	X(PAGES, 8, STREAM_PAGE_SIZE, STREAM_PAYLOAD_MAX, 's')                                     \
	X(ZERO_RUNS, 9, sizeof(struct stream_run), STREAM_RUNS_MAX * sizeof(struct stream_run),    \
	  's')                                                                                     \
	X(ROUND_END, 10, sizeof(struct stream_round_end), sizeof(struct stream_round_end), 's')    \
	X(STOP, 11, 0, 0, 's')                                                                     \
	X(VCPU, 12, sizeof(struct stream_device) + 1, STREAM_STATE_MAX, 's')                       \
	X(DEVICE, 13, sizeof(struct stream_device) + 1, STREAM_STATE_MAX, 's')                     \
	X(CLOCK, 14, sizeof(struct stream_clock), sizeof(struct stream_clock), 's')                \
	X(DIGESTS, 15, sizeof(struct stream_digests) + 4,                                          \
	  sizeof(struct stream_digests) + 4 * STREAM_DIGESTS_MAX, 's')                             \
	X(VERIFIED, 16, sizeof(struct stream_verified), sizeof(struct stream_verified), 't')       \
	X(STATE_END, 17, sizeof(struct stream_state_end), sizeof(struct stream_state_end), 's')    \
	X(READY, 18, 0, 0, 't')                                                                    \
	X(COMMIT, 19, sizeof(struct stream_commit), sizeof(struct stream_commit), 's')             \
	X(COMMITTED, 20, sizeof(struct stream_commit), sizeof(struct stream_commit), 't')          \
	X(ERROR, 21, sizeof(struct stream_error), sizeof(struct stream_error), 'b')                \
	X(QUERY, 22, sizeof(struct stream_query), sizeof(struct stream_query), 'b')                \
	X(ANSWER, 23, sizeof(struct stream_answer), sizeof(struct stream_answer), 'b')             \
	X(FRAME, 24, sizeof(struct stream_frame) + 14, sizeof(struct stream_frame) + 9018, 's')    \
	X(DISK, 25, sizeof(struct stream_disk_place), sizeof(struct stream_disk_place), 's')       \
	X(DISK_DATA, 26, sizeof(struct stream_disk_data) + 512,                                    \
	  sizeof(struct stream_disk_data) + STREAM_BLOCK, 's')                                     \
	X(DISK_HOLES, 27, sizeof(struct stream_disk_holes) + sizeof(struct stream_hole),           \
	  sizeof(struct stream_disk_holes) + STREAM_HOLES_MAX * sizeof(struct stream_hole), 's')   \
	X(PROBE, 28, 1, STREAM_CHUNK, 's')                                                         \
	X(DISK_DIGESTS, 29, sizeof(struct stream_disk_digests) + 8,                                \
	  sizeof(struct stream_disk_digests) + 8 * STREAM_BLOCKS_MAX, 't')                         \
	X(LOG, 30, 1, STREAM_CHUNK, 's')                                                           \
	X(SETTLED, 31, 0, 0, 'b')

#define STREAM_TYPE(name, number, least, most, from) STREAM_##name = (number),
enum stream_type { STREAM_RECORDS(STREAM_TYPE) STREAM_TYPES };

struct stream_header {
	uint32_t type;	 /* enum stream_type, perhaps | STREAM_OPTIONAL */
	uint32_t length; /* payload bytes, without padding */
	uint32_t crc;	 /* CRC-32C */
	uint32_t seq;
};

enum stream_purpose {
	STREAM_FOR_MOVE = 1,
	STREAM_FOR_QUERY,
	STREAM_FOR_SAVE, /* into a datastore (migrate/save.h): nobody answers */
};

/* The first record each way. Its shape never changes, so that versions can be compared. */
struct stream_hello {
	char magic[8];
	uint32_t version;
	uint32_t purpose; /* enum stream_purpose */
	uint8_t move_id[16];
	uint64_t boot_id;
	char host[32], pool[32];
};

struct stream_disk {
	char name[8];
	uint8_t mac[6]; /* of the source's period of ownership, or what a save left; shared only */
	uint8_t shared, deciding;
	uint64_t sectors;
	uint64_t digest; /* ds_digest of a disk in a datastore; in saved states only, else 0 */
	/* a disk that is not shared is copied: */
	uint64_t stored; /* bytes of it that take up space */
	char store[32];	 /* the target's datastore that the operator wants; "": its default one */
};

struct stream_file {
	char path[VM_PATH_LEN];
	uint64_t size;
	uint32_t crc, pad; /* CRC-32C of the content */
};

struct stream_nic {
	uint16_t mtu; /* what the guest was told */
	uint8_t pad[6];
};

/* The VM, for the checks and, later, for building it. */
struct stream_offer {
	struct vm_config cfg;
	struct cpuid_policy cpuid;
	struct stream_disk disks[VM_MAX_DISKS]; /* in the order of cfg.disks */
	struct stream_nic nics[VM_MAX_NICS];	/* in the order of cfg.nics */
	struct stream_file files[STREAM_FILES_MAX];
	uint32_t file_count, flags; /* OFFER_* */
};
#define OFFER_MEASURE 1u /* an audit: how fast are the datastores there? */
#define OFFER_COLD    2u /* the VM is off: no memory, no state (migrate/cold.h) */
#define OFFER_START   4u /* cold: start it there */

/* What reading takes; 0: not measured. */
struct stream_speed {
	uint64_t
	    read_ns; /* 4 KiB; of a shared disk at the target, reserved by the source: a command */
	uint64_t rate;	   /* in a row, bytes/s */
	uint64_t flush_ns; /* with nothing much to flush */
};

struct stream_disk_fact {
	int32_t err; /* 0, or why the disk cannot be reached */
	uint8_t source_listed, list_count, config_foreign, pad;
	uint64_t sectors;
	uint64_t digest; /* as in stream_disk */
	/* not shared; err is -E_NOENT without such a datastore: */
	uint64_t free;	/* bytes */
	char store[32]; /* where it would go */
	uint8_t taken;	/* an object of that name is there */
	uint8_t part;	/* cold: an unfinished copy of that size is: it is gone on with */
	uint8_t pad2[6];
	struct stream_speed speed; /* of the shared disk or of the datastore */
};

struct stream_nic_fact {
	uint16_t mtu; /* of the network; 0: there is none of that name */
	uint8_t mac_taken, pad[5];
};

#define FACT_RUNS_GUESTS 1u
#define FACT_NAME_TAKEN	 2u
#define FACT_MOVE_BUSY	 4u
#define FACT_DRAINED	 8u  /* takes no VMs */
#define FACT_UUID_TAKEN	 16u /* another VM there has the UUID */

/* What the target found. The source judges (migrate/checks.h). */
struct stream_facts {
	struct cpuid_policy host;
	uint64_t free_bytes;
	uint32_t cpus, flags; /* FACT_* */
	struct stream_disk_fact disks[VM_MAX_DISKS];
	struct stream_nic_fact nics[VM_MAX_NICS];
	uint32_t files_missing, pad; /* bit per stream_offer.files */
	uint8_t store[16];	     /* UUID of the datastore for definitions; zero: none */
};

struct stream_reserved {
	uint8_t macs[VM_MAX_DISKS][8]; /* source MAC of the target's period, six bytes used */
};

/* An Ethernet frame that came to the old host for the guest that left; its bytes follow. */
struct stream_frame {
	uint32_t nic, pad; /* which of cfg.nics */
};

/* PAGES is { uint64_t gfn; uint8_t page[4096]; } repeated. ZERO_RUNS repeats this: */
struct stream_run {
	uint64_t gfn, count;
};

/* A disk that is to be copied: into which datastore there, as its facts named it. */
struct stream_disk_place {
	uint32_t disk, pad; /* which of cfg.disks */
	uint64_t sectors;
	char store[32];
};

/* Then the bytes, whole sectors. */
struct stream_disk_data {
	uint32_t disk, pad;
	uint64_t offset; /* bytes */
};

/* PROBE's bytes mean nothing: an audit measures the link with them. */

/* Then runs of bytes that are zero: */
struct stream_disk_holes {
	uint32_t disk, pad;
};

struct stream_hole {
	uint64_t offset, length; /* bytes, whole sectors */
};

/*
 * Before RESERVED, of each disk of which the target has an unfinished copy: then digest_words
 * (migrate/page_digest.h) of the blocks from first on, 0 for one that is not stored. Blocks that
 * no record names are not stored either. The source sends those that differ from its own.
 */
struct stream_disk_digests {
	uint32_t disk, pad;
	uint64_t first; /* block */
};

/*
 * LOG: the end of the VM's log at the source, as text. SETTLED, after COMMITTED: the source of a
 * cold move has nothing left; that of a hot move sends no more frames; the target of a hot move has
 * the definition in its datastore.
 */

struct stream_round_end {
	uint32_t round, pad;
	uint64_t pages; /* with data, in this round */
};

/* VCPU and DEVICE: then the state, as vmm/dev/state.h writes it. */
struct stream_device {
	char name[16];
	uint16_t version, instance;
	uint32_t length;
};

struct stream_clock {
	uint64_t guest_tsc, tsc_khz;
	uint64_t wall_s; /* the host's clock when the guest stopped, seconds since 1970 UTC */
};

/* Then count digests (migrate/page_digest.h) of the pages with these guest_mem indices. */
struct stream_digests {
	uint64_t first, count;
};

struct stream_verified {
	uint64_t differing, first_gfn;
	uint32_t disks, pad; /* bit per disk that differs */
};

#define STATE_RUNNING  1u /* the guest ran before the move: let it run */
#define STATE_VERIFIED 2u /* digests of every page came before */
#define STATE_ARBITER  4u /* a shared disk decides; token is valid */

struct stream_state_end {
	uint32_t vcpus, devices;
	uint8_t token[16];
	uint32_t flags, pad;
	uint64_t disk_digests[VM_MAX_DISKS]; /* STATE_VERIFIED: of the disks that were copied */
};

struct stream_commit {
	uint8_t move_id[16];
	uint64_t ns; /* COMMIT: since the guest stopped; COMMITTED: from COMMIT to running */
};

struct stream_error {
	int32_t err;
	uint32_t length;
	char text[STREAM_TEXT_MAX];
};

/* Who asks, and what may be answered (migrate/handover.h). */
struct stream_query {
	uint8_t move_id[16];
	uint32_t asker; /* enum move_role */
	uint32_t pad;
	uint8_t store[16]; /* cold: which datastore of the target must know; else zero */
};

struct stream_answer {
	uint32_t verdict; /* enum handover_answer */
	uint32_t pad;
};

_Static_assert(sizeof(struct stream_header) == 16, "wire format");
_Static_assert(sizeof(struct stream_hello) == 104, "wire format");
_Static_assert(sizeof(struct stream_disk) == 72, "wire format");
_Static_assert(sizeof(struct stream_file) == 144, "wire format");
_Static_assert(sizeof(struct vm_config) == 1480 + 8 * 144 + 192 + 8 + 4 * 256, "wire format");
_Static_assert(sizeof(struct cpuid_policy) == 1576, "wire format");
_Static_assert(sizeof(struct stream_offer) ==
		   sizeof(struct vm_config) + 1576 + 576 + 32 + 6 * 144 + 8,
	       "wire format");
_Static_assert(sizeof(struct stream_disk_fact) == 96, "wire format");
_Static_assert(sizeof(struct stream_facts) == 1576 + 16 + 768 + 32 + 8 + 16, "wire format");
_Static_assert(sizeof(struct stream_reserved) == 64, "wire format");
_Static_assert(sizeof(struct stream_run) == 16, "wire format");
_Static_assert(sizeof(struct stream_round_end) == 16, "wire format");
_Static_assert(sizeof(struct stream_device) == 24, "wire format");
_Static_assert(sizeof(struct stream_clock) == 24, "wire format");
_Static_assert(sizeof(struct stream_digests) == 16, "wire format");
_Static_assert(sizeof(struct stream_disk_place) == 48, "wire format");
_Static_assert(sizeof(struct stream_disk_data) == 16, "wire format");
_Static_assert(sizeof(struct stream_disk_holes) == 8, "wire format");
_Static_assert(sizeof(struct stream_hole) == 16, "wire format");
_Static_assert(sizeof(struct stream_disk_digests) == 16, "wire format");
_Static_assert(sizeof(struct stream_disk_data) + STREAM_BLOCK <= STREAM_PAYLOAD_MAX, "wire format");
_Static_assert(sizeof(struct stream_verified) == 24, "wire format");
_Static_assert(sizeof(struct stream_state_end) == 96, "wire format");
_Static_assert(sizeof(struct stream_commit) == 24, "wire format");
_Static_assert(sizeof(struct stream_error) == 8 + STREAM_TEXT_MAX, "wire format");
_Static_assert(sizeof(struct stream_query) == 40, "wire format");
_Static_assert(sizeof(struct stream_answer) == 8, "wire format");

/* What carries the bytes: a link, a file, a test's buffer. All return 0 or an error. */
struct stream_io {
	int (*write)(void *ctx, const void *data, size_t len);
	int (*push)(void *ctx); /* what was written is to go out now */
	int (*read)(void *ctx, void *buf, size_t len, uint64_t deadline_ns);
	size_t (*ready)(void *ctx); /* bytes that read would give without waiting */
	void *ctx;
};

struct stream {
	struct stream_io io;
	uint8_t *tx, *rx; /* one record each */
	uint32_t tx_len;  /* payload bytes in tx */
	uint32_t tx_seq, rx_seq;
	const bool *stop;	      /* a wait ends with -E_CANCELLED when this turns true */
	char reason[STREAM_TEXT_MAX]; /* words for the last error */
};

struct stream_record {
	uint32_t type;
	uint32_t length;
	const uint8_t *payload; /* until the next stream_read */
};

const char *stream_type_name(uint32_t type);

/* 0 or -E_NOMEM. */
int must_check stream_open(struct stream *s, const struct stream_io *io);
void stream_close(struct stream *s);

/* Build a record in the buffer (callers stay below STREAM_PAYLOAD_MAX), then send it. */
void stream_begin(struct stream *s, enum stream_type type);
void stream_add(struct stream *s, const void *data, size_t len);
/* Room for len bytes, to be filled by the caller. */
void *stream_grow(struct stream *s, size_t len);
int must_check stream_end(struct stream *s);
/* All three, and push. */
int must_check stream_send(struct stream *s, enum stream_type type, const void *data, size_t len);

/*
 * The next record, whole and with a good CRC, its length within the type's limits;
 * unknown optional ones are skipped. -E_PROTO, -E_CHECKSUM with words in reason;
 * -E_TIMEDOUT at the deadline, -E_CANCELLED, and whatever the io returns.
 */
int must_check stream_read(struct stream *s, struct stream_record *out, uint64_t deadline_ns);
/*
 * As stream_read; an ERROR record becomes its (checked) code with its text in reason; any type
 * other than wanted is -E_PROTO.
 */
int must_check stream_expect(struct stream *s, enum stream_type wanted, struct stream_record *out,
			     uint64_t deadline_ns);
/* The words and code of an ERROR record from a peer, made safe to print. */
int stream_error_take(struct stream *s, const struct stream_record *r);
/* err and s->reason = words. Returns err. */
int stream_fail(struct stream *s, int err, const char *fmt, ...) printf_like(3, 4);

struct link;
/* The io over a link. */
struct stream_io stream_over_link(struct link *l);

#endif
