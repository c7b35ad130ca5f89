/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the datastore needs of a kernel, on Linux: memory, one thread that never waits, and
 * a file behind the block layer. Requests are carried out inside submit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "kernel/mem.h"
#include "kernel/task.h"
#include "tools/pgstore.h"

void *kzalloc(size_t size)
{
	return calloc(1, size);
}

void kfree(void *p)
{
	free(p);
}

void *pages_alloc(unsigned order)
{
	return calloc(1, PAGE_SIZE << order);
}

void pages_free(void *block, unsigned order)
{
	free(block);
}

void waitq_init(struct waitq *wq)
{
	list_init(&wq->waiters);
}

/* One thread, and requests end before submit returns: a wait would be for ever. */
int waitq_wait(struct waitq *wq, uint64_t deadline_ns)
{
	abort();
}

void waitq_wake_all(struct waitq *wq)
{
}

/* One piece of a request at byte at of the file. */
static int file_move(int fd, bool write, uint64_t at, uint8_t *buf, uint64_t len)
{
	while (len) {
		ssize_t n =
		    write ? pwrite(fd, buf, len, (off_t)at) : pread(fd, buf, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -E_IO;
		at += (uint64_t)n;
		buf += n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int file_submit(struct blkdev *bd, struct blk_request *rq)
{
	struct host_file *f = container_of(bd, struct host_file, bd);
	uint64_t at = (f->first + rq->sector) * SECTOR_SIZE;
	int err = blkdev_begin(bd, rq);

	if (err)
		return err;
	if (rq->op == BLK_FLUSH)
		err = fdatasync(f->fd) ? -E_IO : 0;
	for (unsigned i = 0; !err && rq->op != BLK_FLUSH && i < rq->frag_count; i++) {
		err =
		    file_move(f->fd, rq->op == BLK_WRITE, at, rq->frags[i].data, rq->frags[i].len);
		at += rq->frags[i].len;
	}
	blkdev_end(bd, rq, err);
	return 0;
}

static const struct blkdev_ops file_ops = {.submit = file_submit};

static int file_range(struct host_file *f, const char *path, uint64_t offset, uint64_t length)
{
	off_t end = lseek(f->fd, 0, SEEK_END);
	uint64_t size = end < 0 ? 0 : (uint64_t)end;

	if (offset % SECTOR_SIZE || offset > size)
		return complain(-E_RANGE, "%s: offset %lu is no sector inside its %lu bytes", path,
				(unsigned long)offset, (unsigned long)size);
	if (length > size - offset)
		return complain(-E_RANGE, "%s: %lu bytes from %lu on are more than its %lu", path,
				(unsigned long)length, (unsigned long)offset, (unsigned long)size);
	f->first = offset / SECTOR_SIZE;
	f->bd.sectors = (length ? length : size - offset) / SECTOR_SIZE;
	return 0;
}

int host_open(struct host_file *f, const char *path, bool writable, uint64_t offset,
	      uint64_t length)
{
	const char *base = strrchr(path, '/');
	int err;

	memset(f, 0, sizeof(*f));
	f->bd.ops = &file_ops;
	snprintf(f->bd.name, sizeof(f->bd.name), "%.23s", base ? base + 1 : path);
	f->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (f->fd < 0)
		return complain(-E_IO, "%s: %s", path, strerror(errno));
	if (flock(f->fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB))
		err = complain(-E_BUSY, "%s: another program has it open", path);
	else
		err = file_range(f, path, offset, length);
	if (err)
		host_close(f);
	return err;
}

void host_close(struct host_file *f)
{
	close(f->fd);
}

int complain(int err, const char *fmt, ...)
{
	va_list ap;

	fputs("pgstore: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return err;
}
