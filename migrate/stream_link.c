/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream over the link between two hosts: the one place where both meet. */
#include "kernel/net/link.h"
#include "migrate/stream.h"

PAGE_JOURNEY(3) static int link_io_write(void *ctx, const void *data, size_t len)
{
	return link_send(ctx, data, len);
}

static int link_io_push(void *ctx)
{
	return link_push(ctx);
}

PAGE_JOURNEY(8)
static int link_io_read(void *ctx, void *buf, size_t len, uint64_t deadline_ns)
{
	return link_recv(ctx, buf, len, deadline_ns);
}

static size_t link_io_ready(void *ctx)
{
	return link_recv_ready(ctx);
}

struct stream_io stream_over_link(struct link *l)
{
	return (struct stream_io){.write = link_io_write,
				  .push = link_io_push,
				  .read = link_io_read,
				  .ready = link_io_ready,
				  .ctx = l};
}
