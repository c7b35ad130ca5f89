/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own AoE initiator as a Linux program, for tests against real
 * targets: the switch's uplink is a packet socket, time is the real clock. Takes
 * commands on standard input, a line each; answers "ok ..." or "err CODE words".
 * Usage: aoe_client INTERFACE FRAME_MAX
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "kernel/entropy.h"
#include "kernel/lib/string.h"
#include "kernel/lib/format.h"
#include "kernel/store/aoe.h"
#include "kernel/store/aoe_disk.h"
#include "tests/unit/fake_task.h"

#define JOBS_MAX    512
#define JOB_SECTORS 64
#define CONTROL_NS  (2 * NS_PER_S)

struct job {
	struct blk_request rq;
	uint8_t data[JOB_SECTORS * SECTOR_SIZE];
};

static int sock;
static struct netdev uplink;
static struct net_switch sw;
static struct aoe_disk *disk;
static struct job jobs[JOBS_MAX];
static unsigned job_count, jobs_left;
static int jobs_err;

void entropy_fill(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		abort();
}

static void clock_update(void)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
	if (now > fake_time_ns)
		fake_time_ns = now;
}

static int sock_send(struct netdev *nd, struct netbuf *nb)
{
	ssize_t n = send(sock, nb->data, nb->len, 0);

	netbuf_put(nb);
	return n < 0 ? -E_AGAIN : 0;
}

static unsigned sock_room(struct netdev *nd)
{
	return 256;
}

static const struct netdev_ops sock_ops = {.send = sock_send, .send_room = sock_room};

static bool sock_receive(void)
{
	struct netbuf *nb = netbuf_alloc();
	struct sockaddr_ll from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	if (!nb)
		return false;
	n = recvfrom(sock, nb->data, netbuf_frame_max(), MSG_DONTWAIT, (void *)&from, &from_len);
	if (n < ETH_HLEN || from.sll_pkttype == PACKET_OUTGOING) {
		netbuf_put(nb);
		return n >= 0;
	}
	nb->len = (uint16_t)n;
	uplink.receive(&uplink, nb);
	return true;
}

/* fake_task.c's world: packets and the real clock. */
static bool wait_hook(uint64_t until_ns)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	bool any = false;
	uint64_t left;

	clock_update();
	if (until_ns <= fake_time_ns)
		return false;
	left = until_ns - fake_time_ns;
	if (poll(&p, 1, (int)(MIN(left, NS_PER_S) / NS_PER_MS) + 1) > 0)
		while (sock_receive())
			any = true;
	clock_update();
	return any || until_ns > fake_time_ns;
}

static int sock_open(const char *ifname)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_TYPE_AOE)};
	struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};
	int size = 8 << 20;

	at.sll_ifindex = promisc.mr_ifindex = (int)if_nametoindex(ifname);
	sock = socket(AF_PACKET, SOCK_RAW, htons(ETH_TYPE_AOE));
	if (sock < 0 || bind(sock, (void *)&at, sizeof(at)))
		return -1;
	setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return setsockopt(sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc));
}

static void answer(int err)
{
	if (err)
		printf("err %d %s\n", -err, err_text(err));
	else
		printf("ok\n");
}

static void pattern(uint8_t *out, uint64_t sector, unsigned seed)
{
	for (unsigned i = 0; i < SECTOR_SIZE / 8; i++) {
		uint64_t v = (sector * 64 + i + 1) * (0x9e3779b97f4a7c15ull + 2 * seed);

		memcpy(out + 8 * i, &v, 8);
	}
}

static void job_done(struct blk_request *rq, int err)
{
	jobs_left--;
	if (err)
		jobs_err = err;
}

/* Every request of the range in flight at once. */
static void jobs_start(enum blk_op op, uint64_t sector, uint64_t count, unsigned seed)
{
	job_count = 0;
	jobs_err = 0;
	for (; count && job_count < JOBS_MAX && !jobs_err; job_count++) {
		struct job *j = &jobs[job_count];
		uint32_t n = (uint32_t)MIN(count, JOB_SECTORS);

		memset(&j->rq, 0, sizeof(j->rq));
		j->rq = (struct blk_request){.op = op, .sector = sector, .sectors = n};
		j->rq.frag_count = 1;
		j->rq.frags[0] = (struct blk_frag){j->data, n * SECTOR_SIZE};
		j->rq.done = job_done;
		for (uint32_t i = 0; op == BLK_WRITE && i < n; i++)
			pattern(j->data + i * SECTOR_SIZE, sector + i, seed);
		jobs_err = aoe_blkdev(disk)->ops->submit(aoe_blkdev(disk), &j->rq);
		jobs_left += !jobs_err;
		sector += n;
		count -= n;
	}
}

static int jobs_wait(uint64_t ns)
{
	uint64_t deadline = fake_time_ns + ns;

	while (jobs_left && fake_time_ns < deadline)
		task_sleep_until(fake_time_ns + NS_PER_MS);
	return jobs_left ? -E_TIMEDOUT : jobs_err;
}

static int jobs_compare(unsigned seed)
{
	uint8_t want[SECTOR_SIZE];

	for (unsigned k = 0; k < job_count; k++)
		for (uint32_t i = 0; i < jobs[k].rq.sectors; i++) {
			pattern(want, jobs[k].rq.sector + i, seed);
			if (memcmp(want, jobs[k].data + i * SECTOR_SIZE, SECTOR_SIZE))
				return -E_CHECKSUM;
		}
	return 0;
}

static void do_open(unsigned shelf, unsigned slot, const uint8_t *mac)
{
	int err = aoe_open((uint16_t)shelf, (uint8_t)slot, mac, &disk);

	if (err)
		answer(err);
	else
		printf("ok %llu %u %u %s\n", (unsigned long long)aoe_blkdev(disk)->sectors,
		       disk->frame_sectors, disk->window_max, aoe_blkdev(disk)->model);
}

static void do_reserve_read(void)
{
	struct aoe_reservation r;
	int err = aoe_reserve_read(disk, &r, fake_time_ns + CONTROL_NS);
	char text[18];

	if (err) {
		answer(err);
		return;
	}
	printf("ok %u", r.count);
	for (unsigned i = 0; i < r.count && i < ARRAY_SIZE(r.macs); i++)
		printf(" %s", format_mac(text, r.macs[i]));
	printf("\n");
}

static void do_reserve(bool force, char *list)
{
	uint8_t macs[8][ETH_ALEN];
	uint64_t deadline = fake_time_ns + CONTROL_NS;
	unsigned n = 0;

	for (char *s = strtok(list, ", \n"); s && n < 8; s = strtok(NULL, ", \n"))
		if (str_to_mac(s, macs[n++]))
			abort();
	answer(force ? aoe_reserve_force(disk, macs, n, deadline)
		     : aoe_reserve_set(disk, macs, n, deadline));
}

static void do_targets(void)
{
	const struct aoe_target *t;

	aoe_discover();
	task_sleep_until(fake_time_ns + 100 * NS_PER_MS);
	for (unsigned i = 0; aoe_target_at(i); i++)
		;
	task_sleep_until(fake_time_ns + 100 * NS_PER_MS);
	printf("ok");
	for (unsigned i = 0; (t = aoe_target_at(i)); i++)
		printf(" e%u.%u=%llu", t->shelf, t->slot, (unsigned long long)t->sectors);
	printf("\n");
}

static void do_stats(void)
{
	struct aoe_stats s;

	aoe_get_stats(disk, &s);
	printf("ok tx=%llu rx=%llu retransmits=%llu unexpected=%llu srtt_us=%llu window=%u\n",
	       (unsigned long long)s.tx_frames, (unsigned long long)s.rx_frames,
	       (unsigned long long)s.retransmits, (unsigned long long)s.unexpected,
	       (unsigned long long)s.srtt_ns / 1000, disk->window);
}

static bool io_command(const char *cmd, const char *args)
{
	unsigned long long sector = 0, count = 0;
	unsigned seed = 0;
	int err;

	if (sscanf(args, "%llu %llu %u", &sector, &count, &seed) != 3)
		return false;
	if (!strcmp(cmd, "start")) { /* a write that goes on in the background */
		jobs_start(BLK_WRITE, sector, count, seed);
		answer(jobs_err);
	} else if (!strcmp(cmd, "write")) {
		jobs_start(BLK_WRITE, sector, count, seed);
		answer(jobs_wait(30 * NS_PER_S));
	} else if (!strcmp(cmd, "verify")) {
		jobs_start(BLK_READ, sector, count, seed);
		err = jobs_wait(30 * NS_PER_S);
		answer(err ? err : jobs_compare(seed));
	} else {
		return false;
	}
	return true;
}

static void command(const char *cmd, char *args)
{
	unsigned shelf, slot, ms;
	uint8_t mac[ETH_ALEN];
	char text[20];

	if (!strcmp(cmd, "open") && sscanf(args, "%u.%u %19s", &shelf, &slot, text) == 3 &&
	    !str_to_mac(text, mac))
		do_open(shelf, slot, mac);
	else if (!strcmp(cmd, "wait") && sscanf(args, "%u", &ms) == 1)
		answer(jobs_wait(ms * NS_PER_MS));
	else if (!strcmp(cmd, "flush"))
		answer(blkdev_flush(aoe_blkdev(disk)));
	else if (!strcmp(cmd, "drain"))
		answer(aoe_drain(disk, fake_time_ns + CONTROL_NS));
	else if (!strcmp(cmd, "reserve-read"))
		do_reserve_read();
	else if (!strcmp(cmd, "reserve-set") || !strcmp(cmd, "reserve-force"))
		do_reserve(!strcmp(cmd, "reserve-force"), args);
	else if (!strcmp(cmd, "mac") && !str_to_mac(strtok(args, " \n"), mac))
		aoe_set_mac(disk, mac), answer(0);
	else if (!strcmp(cmd, "targets"))
		do_targets();
	else if (!strcmp(cmd, "stats"))
		do_stats();
	else if (!io_command(cmd, args))
		printf("err 0 what is %s\n", cmd);
}

int main(int argc, char **argv)
{
	char line[512];

	if (argc != 3 || sock_open(argv[1])) {
		perror("aoe_client");
		return 1;
	}
	fake_kernel_reset();
	fake_tasks_reset();
	clock_update();
	fake_wait_hook = wait_hook;
	uplink.ops = &sock_ops;
	if (netbuf_pool_init((unsigned)atoi(argv[2]), 1024))
		return 1;
	uplink.frame_max = netbuf_frame_max();
	switch_init(&sw, &uplink);
	if (aoe_init(&sw))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		char *end = line + strcspn(line, " \n");
		char *args = *end ? end + 1 : end;

		*end = 0;
		clock_update();
		command(line, args);
	}
	if (disk)
		aoe_close(disk);
	return 0;
}
