/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects from and to files. Raw images are read and written here, holes as holes; other
 * formats go through a raw file beside the image that qemu-img reads or writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/lib/string.h"
#include "tools/pgstore.h"

static uint8_t buf[MiB] __attribute__((aligned(4096)));

const char *image_format(const char *path)
{
	static const char *const formats[] = {"qcow2", "vmdk", "vhdx"};
	const char *dot = strrchr(path, '.');

	for (unsigned i = 0; dot && i < ARRAY_SIZE(formats); i++)
		if (!strcmp(dot + 1, formats[i]))
			return formats[i];
	return NULL;
}

/* Reads a piece that the file does have. */
static int read_full(int fd, uint64_t at, uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return complain(-E_IO, "the image cannot be read at %lu",
					(unsigned long)(at + done));
		done += (uint64_t)n;
	}
	return 0;
}

static int write_full(int fd, uint64_t at, const uint8_t *from, uint64_t len)
{
	while (len) {
		ssize_t n = pwrite(fd, from, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return complain(-E_IO, "the image cannot be written: %s", strerror(errno));
		at += (uint64_t)n;
		from += n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* The next data of a file from at on, to end at most. A file system without holes: all of it. */
static bool next_data(int fd, uint64_t *at, uint64_t size, uint64_t *end)
{
	off_t data = lseek(fd, (off_t)*at, SEEK_DATA), hole;

	*end = size;
	if (*at >= size || (data < 0 && errno == ENXIO))
		return false;
	if (data < 0)
		return true;
	hole = lseek(fd, data, SEEK_HOLE);
	*at = (uint64_t)data;
	*end = hole < 0 ? size : MIN((uint64_t)hole, size);
	return *at < size;
}

static int copy_in(struct ds_object *o, int fd, uint64_t size)
{
	uint64_t at = 0, end;
	struct ds_info info;
	int err = 0;

	while (!err && next_data(fd, &at, size, &end))
		while (!err && at < end) {
			/* Up to a MiB's end, so that clusters are written whole. */
			uint64_t n = MIN(end - at, MiB - at % MiB);

			err = read_full(fd, at, n);
			if (!err)
				err = ds_write(o, at, buf, n);
			at += n;
		}
	/* A hole at the end counts in the size. */
	ds_object_info(o, &info);
	if (!err && info.size < size)
		err = ds_write(o, size - 1, "", 1);
	return err;
}

static int put_raw(struct datastore *ds, const char *name, enum ds_kind kind, const char *path)
{
	struct ds_object *o;
	off_t end;
	uint64_t size;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return complain(-E_NOENT, "%s: %s", path, strerror(errno));
	end = lseek(fd, 0, SEEK_END);
	if (end < 0) {
		close(fd);
		return complain(-E_INVAL, "%s: its size cannot be told, so it is no image", path);
	}
	size = (uint64_t)end;
	err = ds_create(ds, name, kind, kind == DS_DISK ? ALIGN_UP(size, 512ul) : 0, &o);
	if (!err) {
		err = copy_in(o, fd, size);
		if (!err)
			err = ds_commit(o);
		ds_put(o);
	}
	if (err)
		complain(err, "%s: %s; nothing was stored", name, err_text(err));
	close(fd);
	return err;
}

/* Whole pages of zeros stay holes. Other pieces (a cluster's rest) are written. */
static int put_pages(int fd, uint64_t at, uint64_t len)
{
	for (uint64_t i = 0; i < len; i += PAGE_SIZE) {
		uint64_t n = MIN(len - i, PAGE_SIZE);
		int err;

		if (n == PAGE_SIZE && page_is_zero(buf + i))
			continue;
		err = write_full(fd, at + i, buf + i, n);
		if (err)
			return err;
	}
	return 0;
}

static int copy_out(struct ds_object *o, int fd)
{
	uint64_t at = 0, start, len;

	while (!ds_next_data(o, at, &start, &len)) {
		int err;

		len = MIN(len, sizeof(buf));
		err = ds_read(o, start, buf, len);
		if (err)
			return complain(err, "the object cannot be read at %lu: %s",
					(unsigned long)start, err_text(err));
		err = put_pages(fd, start, len);
		if (err)
			return err;
		at = start + len;
	}
	return 0;
}

static int to_stdout(struct ds_object *o, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += sizeof(buf)) {
		uint64_t n = MIN(size - at, sizeof(buf));
		int err = ds_read(o, at, buf, n);

		if (err)
			return complain(err, "the object cannot be read: %s", err_text(err));
		if (fwrite(buf, 1, n, stdout) != n)
			return complain(-E_IO, "standard output: %s", strerror(errno));
	}
	return fflush(stdout) ? -E_IO : 0;
}

static int get_raw(struct ds_object *o, const char *path)
{
	struct ds_info info;
	int fd, err;

	ds_object_info(o, &info);
	if (!strcmp(path, "-"))
		return to_stdout(o, info.size);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return complain(-E_IO, "%s: %s", path, strerror(errno));
	if (ftruncate(fd, (off_t)info.size))
		err = complain(-E_IO, "%s: %s", path, strerror(errno));
	else
		err = copy_out(o, fd);
	if (fsync(fd) && errno != EINVAL && !err)
		err = complain(-E_IO, "%s: %s", path, strerror(errno));
	close(fd);
	return err;
}

/* qemu-img convert; both formats are named, so that no content is taken for another format. */
static int convert(const char *from, const char *from_format, const char *to, const char *to_format)
{
	char *argv[] = {"qemu-img",
			"convert",
			"-f",
			(char *)(uintptr_t)from_format,
			"-O",
			(char *)(uintptr_t)to_format,
			"--",
			(char *)(uintptr_t)from,
			(char *)(uintptr_t)to,
			NULL};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		complain(0, "qemu-img: %s (Debian package qemu-utils)", strerror(errno));
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return complain(-E_IO, "qemu-img: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return complain(-E_IO, "qemu-img could not convert %s from %s to %s", from,
				from_format, to_format);
	return 0;
}

/* An empty file beside the image, on a file system with room for such. Caller frees and unlinks. */
static char *raw_beside(const char *path)
{
	size_t room = strlen(path) + 16;
	char *name = malloc(room);
	int fd = -1;

	if (name) {
		snprintf(name, room, "%s.raw.XXXXXX", path);
		fd = mkstemp(name);
	}
	if (fd < 0) {
		complain(-E_IO, "%s: no file can be made beside it: %s", path, strerror(errno));
		free(name);
		return NULL;
	}
	close(fd);
	return name;
}

int image_put(struct datastore *ds, const char *name, enum ds_kind kind, const char *path,
	      const char *format)
{
	char *raw;
	int err;

	if (!format)
		return put_raw(ds, name, kind, path);
	raw = raw_beside(path);
	if (!raw)
		return -E_IO;
	err = convert(path, format, raw, "raw");
	if (!err)
		err = put_raw(ds, name, kind, raw);
	unlink(raw);
	free(raw);
	return err;
}

int image_get(struct ds_object *o, const char *path, const char *format)
{
	char *raw;
	int err;

	if (!format)
		return get_raw(o, path);
	raw = raw_beside(path);
	if (!raw)
		return -E_IO;
	err = get_raw(o, raw);
	if (!err)
		err = convert(raw, "raw", path, format);
	unlink(raw);
	free(raw);
	return err;
}
