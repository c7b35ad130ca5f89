/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Discovery: a HELLO about once a second, and a table of the hosts whose HELLOs
 * are heard. Says only who is there; whether to trust a host is the link's and
 * the operator's question.
 */
#include "kernel/net/peers.h"
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/net/link.h"
#include "kernel/net/link_frame.h"
#include "kernel/time.h"
#include "kernel/timer.h"

#define HELLO_PERIOD_NS (1 * NS_PER_S)
#define HELLO_MIN_NS	(100 * NS_PER_MS) /* between two, however many hosts appear */
#define PEER_GONE_NS	(10 * NS_PER_S)
#define PEER_FORGET_NS	(60 * NS_PER_S)
#define COMPLAIN_NS	(10 * NS_PER_S) /* a hostile wire must not fill the log */

_Static_assert(LINK_NAME_LEN == HOST_NAME_LEN, "names fit their field in the HELLO");

static struct {
	struct switch_port port;
	struct peers_config cfg;
	struct peer self;
	struct peer table[PEERS_MAX];
	struct timer timer;
	uint64_t hello_sent_ns, complained_ns;
	uint64_t bad_frames;
} peers;

static const uint8_t broadcast[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static bool may_complain(void)
{
	uint64_t now = time_ns();

	if (peers.complained_ns && now - peers.complained_ns < COMPLAIN_NS)
		return false;
	peers.complained_ns = now;
	return true;
}

static void hello_fill(struct link_hello_body *b)
{
	const struct peer *s = &peers.self;

	memset(b, 0, sizeof(*b));
	b->boot_id = s->boot_id;
	b->free_bytes = s->free_bytes;
	b->cpus = s->cpus;
	b->vms = s->vms;
	b->version_min = LINK_VERSION;
	b->version_max = LINK_VERSION;
	b->frame_max = s->frame_max;
	b->flags = s->can_run_guests ? LINK_HELLO_F_GUESTS : 0;
	b->flags |= s->drained ? LINK_HELLO_F_DRAINED : 0;
	str_copy(b->name, s->name, sizeof(b->name));
	str_copy(b->pool, s->pool, sizeof(b->pool));
}

/* The body that every version knows, then what later ones add. */
struct hello {
	struct link_hello_body body;
	struct link_hello_load load;
} __attribute__((packed));

static void hello_send(void)
{
	struct link_hdr h = {.type = LINK_HELLO, .len = sizeof(struct hello)};
	struct netbuf *nb = netbuf_alloc();
	struct hello *hello;

	if (!nb)
		return; /* the next second tries again */
	if (peers.cfg.refresh)
		peers.cfg.refresh(&peers.self);
	hello = (void *)link_frame_body(nb);
	hello_fill(&hello->body);
	hello->load = (struct link_hello_load){.total_bytes = peers.self.total_bytes,
					       .cpu_permille = peers.self.cpu_permille};
	link_frame_address(nb, broadcast, peers.self.mac, sizeof(*hello));
	link_frame_seal(nb, &h, crc32c(0, hello, sizeof(*hello)));
	peers.hello_sent_ns = time_ns();
	(void)switch_send(&peers.port, nb); /* lost or not: the next one follows */
}

static bool peer_is_gone(const struct peer *p)
{
	return time_ns() > p->last_seen_ns + PEER_GONE_NS;
}

static void hello_tick(struct timer *t)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &peers.table[i];

		if (p->last_seen_ns && time_ns() > p->last_seen_ns + PEER_FORGET_NS) {
			log_info("peers: %s forgotten, not heard for a minute", p->name);
			memset(p, 0, sizeof(*p));
		}
	}
	hello_send();
	timer_arm(t, time_ns() + HELLO_PERIOD_NS);
}

/* Letters, digits, '-', '.', '_', terminated within the field: fit for a console. */
static bool name_is_sane(const char name[LINK_NAME_LEN], bool may_be_empty)
{
	size_t len = strnlen(name, LINK_NAME_LEN);

	if (len == LINK_NAME_LEN || (!len && !may_be_empty))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.' || c == '_'))
			return false;
	}
	return true;
}

static bool hello_is_sane(const struct link_hello_body *b)
{
	return name_is_sane(b->name, false) && name_is_sane(b->pool, true) && b->boot_id &&
	       b->version_min && b->version_min <= b->version_max &&
	       b->frame_max >= LINK_HLEN + LINK_BODY_MIN;
}

/* The slot of mac; else an unused one, else that of the host unheard for longest, if gone. */
static struct peer *peer_slot(const uint8_t mac[ETH_ALEN])
{
	struct peer *unused = NULL, *gone = NULL;

	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &peers.table[i];

		if (!p->last_seen_ns) {
			unused = unused ? unused : p;
			continue;
		}
		if (!memcmp(p->mac, mac, ETH_ALEN))
			return p;
		if (peer_is_gone(p) && (!gone || p->last_seen_ns < gone->last_seen_ns))
			gone = p;
	}
	return unused ? unused : gone;
}

/* Words for the operator on what is new about this HELLO. Returns true for a new host. */
static bool hello_announce(const struct peer *old, const struct link_hello_body *b,
			   const uint8_t mac[ETH_ALEN])
{
	bool known = old->last_seen_ns && !memcmp(old->mac, mac, ETH_ALEN);
	char text[18];

	format_mac(text, mac);
	if (!known)
		log_info("peers: %s at %s, pool '%s', link version %u-%u", b->name, text, b->pool,
			 b->version_min, b->version_max);
	else if (old->boot_id != b->boot_id)
		log_info("peers: %s at %s has restarted", b->name, text);
	else if (peer_is_gone(old))
		log_info("peers: %s at %s is back", b->name, text);
	if (!strcmp(b->name, peers.self.name) && may_complain())
		log_warn("peers: %s calls itself '%s', which is this host's name", text, b->name);
	return !known;
}

static void hello_take_load(struct peer *p, const struct link_frame *f)
{
	struct link_hello_load load = {0};

	if (f->hdr.len >= sizeof(struct hello))
		memcpy(&load, f->body + sizeof(struct link_hello_body), sizeof(load));
	p->total_bytes = load.total_bytes;
	p->cpu_permille = load.cpu_permille;
}

static void hello_receive(const struct link_frame *f)
{
	struct link_hello_body b;
	struct peer *p;
	bool is_new;

	memcpy(&b, f->body, sizeof(b));
	if (!hello_is_sane(&b)) {
		peers.bad_frames++;
		return;
	}
	p = peer_slot(f->src);
	if (!p) {
		if (may_complain())
			log_warn("peers: more than %d hosts on this wire, some are not shown",
				 PEERS_MAX);
		return;
	}
	is_new = hello_announce(p, &b, f->src);
	memcpy(p->name, b.name, sizeof(p->name));
	memcpy(p->pool, b.pool, sizeof(p->pool));
	memcpy(p->mac, f->src, ETH_ALEN);
	p->boot_id = b.boot_id;
	/* The highest that both speak; else the peer's own, which link_connect refuses. */
	p->version = b.version_min <= LINK_VERSION && LINK_VERSION <= b.version_max ? LINK_VERSION
										    : b.version_max;
	p->frame_max = b.frame_max;
	p->cpus = b.cpus;
	p->vms = b.vms;
	p->free_bytes = b.free_bytes;
	p->can_run_guests = b.flags & LINK_HELLO_F_GUESTS;
	p->drained = b.flags & LINK_HELLO_F_DRAINED;
	hello_take_load(p, f);
	p->last_seen_ns = MAX(time_ns(), 1);
	if (is_new && time_ns() - peers.hello_sent_ns >= HELLO_MIN_NS)
		hello_send(); /* it need not wait a second to see us */
}

static void peers_receive(struct switch_port *port, struct netbuf *nb)
{
	struct link_frame f;
	int err = link_frame_check(nb, &f);

	if (err || f.hdr.type != LINK_HELLO || f.hdr.len < sizeof(struct link_hello_body))
		peers.bad_frames++;
	else if (memcmp(f.src, peers.self.mac, ETH_ALEN)) /* else our own, mirrored */
		hello_receive(&f);
	netbuf_put(nb);
}

int peers_init(struct net_switch *sw, const struct peers_config *cfg)
{
	if (!cfg->self.name[0] || !cfg->self.boot_id)
		return -E_INVAL;
	memset(&peers, 0, sizeof(peers));
	peers.cfg = *cfg;
	peers.self = cfg->self;
	/* MAC zero: group frames only; unicast of this EtherType is the link's. */
	peers.port.name = "peers";
	peers.port.ethertype = ETH_TYPE_LINK;
	peers.port.group = true;
	peers.port.receive = peers_receive;
	switch_attach(sw, &peers.port);
	timer_init(&peers.timer, hello_tick);
	timer_arm(&peers.timer, time_ns());
	return 0;
}

const struct peer *peers_self(void)
{
	return &peers.self;
}

const struct peer *peers_find(const char *name)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		const struct peer *p = &peers.table[i];

		if (p->last_seen_ns && !peer_is_gone(p) && !strcmp(p->name, name))
			return p;
	}
	return NULL;
}

const struct peer *peers_at(unsigned index)
{
	if (index >= PEERS_MAX || !peers.table[index].last_seen_ns)
		return NULL;
	return &peers.table[index];
}
