/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build/pgstore: datastores from Linux, with the hypervisor's own code. Commands in
 * one table; an image file, a block device, or a part of either.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/store/partition.h"
#include "tools/pgstore.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	uint64_t offset, length;
	bool partition, force, writable;
	const char *format;
	const char *kind;
};

static struct options opt;
static struct host_file file;
static struct blkdev *device;
static struct datastore *ds;

static const char usage_text[] =
    "usage: pgstore [options] make  DEVICE NAME [SIZE]      a new datastore; SIZE makes the file\n"
    "       pgstore [options] list  DEVICE                  its objects\n"
    "       pgstore [options] stat  DEVICE [OBJECT]         space and who has it open; digest\n"
    "       pgstore [options] put   DEVICE OBJECT FILE      a file or image becomes an object\n"
    "       pgstore [options] get   DEVICE OBJECT FILE      and back; '-' is standard output\n"
    "       pgstore [options] rm    DEVICE OBJECT\n"
    "       pgstore [options] check DEVICE                  all its metadata against each other\n"
    "DEVICE: image file or block device.  Options:\n"
    "  --offset BYTES[:LENGTH]  the datastore lies there in DEVICE\n"
    "  --partition              it lies in the partition of its type (GPT)\n"
    "  --kind KIND              file, disk, saved or log; default by OBJECT's first part\n"
    "  --format FORMAT          of FILE: raw, qcow2, vmdk or vhdx; default by its ending\n"
    "  --force                  write although another host has it open, or DEVICE is not empty\n"
    "Exit status: 0, 1 failed, 2 usage.\n";

static int open_device(const char *path)
{
	int err = host_open(&file, path, opt.writable, opt.offset, opt.length);

	device = &file.bd;
	if (err || !opt.partition)
		return err;
	err = partition_find(&file.bd, &device);
	if (err)
		return complain(err, "%s: no partition of type %s: %s", path, PARTITION_TYPE_TEXT,
				err_text(err));
	return 0;
}

/* Opens the datastore too. A host that has it open would overwrite what we write, and we it. */
static int open_store(const char *path)
{
	struct ds_stat st;
	char why[200];
	int err = open_device(path);

	if (err)
		return err;
	err = ds_probe(device, &st, why, sizeof(why));
	if (err)
		return complain(err, "%s", why);
	if (opt.writable && st.opened_by[0] && !opt.force)
		return complain(
		    -E_BUSY,
		    "datastore '%s' is open at %s, or was when that lost power: --force if "
		    "you know that it is not",
		    st.name, st.opened_by);
	err = ds_open(device, "pgstore", !opt.writable, &ds, why, sizeof(why));
	return err ? complain(err, "%s", why) : 0;
}

static int close_store(int err)
{
	int closing = ds ? ds_close(ds) : 0;

	if (closing && !err)
		err = complain(closing, "closing: %s", err_text(closing));
	if (opt.partition && device && device != &file.bd)
		partition_free(device);
	return err;
}

/* A new file, all hole. */
static int make_file(const char *path, const char *text)
{
	uint64_t size;
	int fd;

	if (str_to_size(text, &size))
		return complain(-E_INVAL, "'%s' is no size: 64M or 10G, for example", text);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return complain(-E_EXIST, "%s: cannot be made (a SIZE is for new files): %m", path);
	if (ftruncate(fd, (off_t)size)) {
		close(fd);
		return complain(-E_IO, "%s: %m", path);
	}
	close(fd);
	return 0;
}

static int is_empty(void)
{
	static uint8_t head[64 * KiB], zero[64 * KiB];
	uint32_t sectors = (uint32_t)MIN(device->sectors, sizeof(head) / SECTOR_SIZE);
	char why[200];
	struct ds_stat st;
	int err = sectors ? blkdev_read(device, 0, sectors, head) : 0;

	if (err)
		return complain(err, "%s cannot be read", device->name);
	if (!memcmp(head, zero, sizeof(head)))
		return 0;
	err = ds_probe(device, &st, why, sizeof(why));
	return complain(-E_EXIST, "%s is not empty (%s%s): --force destroys what is there",
			device->name, err ? why : "datastore ", err ? "" : st.name);
}

static int run_make(int argc, char **argv)
{
	uint8_t uuid[16];
	int err = argc > 2 ? make_file(argv[0], argv[2]) : 0;

	if (!err)
		err = open_device(argv[0]);
	if (!err && !opt.force)
		err = is_empty();
	if (err)
		return err;
	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		return complain(-E_IO, "no random numbers");
	err = ds_format(device, argv[1], uuid);
	if (err == -E_RANGE)
		return complain(err, "%s is too small: a datastore needs 1 MiB", device->name);
	if (err == -E_INVAL)
		return complain(err,
				"'%s' is no name for a datastore: letters, digits, '.', '_', '-'",
				argv[1]);
	return err ? complain(err, "%s: %s", device->name, err_text(err)) : 0;
}

static int run_list(int argc, char **argv)
{
	unsigned cursor = 0;
	struct ds_info info;

	printf("%-40s %-6s %15s %15s\n", "NAME", "KIND", "SIZE", "STORED");
	while (!ds_next(ds, &cursor, &info))
		printf("%-40s %-6s %15lu %15lu\n", info.name, ds_kind_text(info.kind),
		       (unsigned long)info.size, (unsigned long)info.stored);
	return 0;
}

static int stat_object(const char *name)
{
	struct ds_object *o;
	struct ds_info info;
	uint64_t digest;
	int err = ds_get(ds, name, &o);

	if (err)
		return complain(err, "no object '%s'", name);
	ds_object_info(o, &info);
	err = ds_digest(o, &digest);
	ds_put(o);
	if (err)
		return complain(err, "%s: %s", name, err_text(err));
	printf("name    %s\nkind    %s\nsize    %lu\nstored  %lu\ndigest  %016lx\n", info.name,
	       ds_kind_text(info.kind), (unsigned long)info.size, (unsigned long)info.stored,
	       (unsigned long)digest);
	return 0;
}

static int run_stat(int argc, char **argv)
{
	char size[16], left[16];
	struct ds_stat st;

	if (argc > 1)
		return stat_object(argv[1]);
	ds_status(ds, &st);
	printf("name       %s\nuuid       ", st.name);
	for (unsigned i = 0; i < sizeof(st.uuid); i++)
		printf("%02x%s", st.uuid[i], i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
	printf("\nsize       %s\nfree       %s\nobjects    %u\nfragments  %u\nopen at    %s\n",
	       format_size(size, st.size), format_size(left, st.free), st.objects, st.fragments,
	       st.opened_by[0] ? st.opened_by : "(nobody)");
	return 0;
}

static int run_check(int argc, char **argv)
{
	char why[200];
	int err = ds_check(ds, why, sizeof(why));

	if (err)
		return complain(err, "%s", why);
	printf("no fault found\n");
	return 0;
}

static bool begins(const char *name, const char *part)
{
	return !strncmp(name, part, strlen(part));
}

static int kind_of(const char *name, enum ds_kind *kind)
{
	*kind = begins(name, "disk/")	 ? DS_DISK
		: begins(name, "saved/") ? DS_SAVED
		: begins(name, "log/")	 ? DS_LOG
					 : DS_FILE;
	if (!opt.kind)
		return 0;
	for (*kind = DS_FILE; *kind <= DS_LOG; ++*kind)
		if (!strcmp(opt.kind, ds_kind_text(*kind)))
			return 0;
	return complain(-E_INVAL, "'%s' is no kind: file, disk, saved or log", opt.kind);
}

static const char *format_of(const char *path)
{
	if (!opt.format)
		return image_format(path);
	return strcmp(opt.format, "raw") ? opt.format : NULL;
}

static int run_put(int argc, char **argv)
{
	enum ds_kind kind;
	int err = kind_of(argv[1], &kind);

	if (err)
		return err;
	if (!ds_name_ok(argv[1], DS_NAME_LEN))
		return complain(
		    -E_INVAL,
		    "'%s' is no object's name: parts of letters, digits, '.', '_', '-' with "
		    "'/' between, %u bytes at most",
		    argv[1], DS_NAME_LEN - 1);
	return image_put(ds, argv[1], kind, argv[2], kind == DS_DISK ? format_of(argv[2]) : NULL);
}

static int run_get(int argc, char **argv)
{
	struct ds_object *o;
	struct ds_info info;
	int err = ds_get(ds, argv[1], &o);

	if (err)
		return complain(err, "no object '%s'", argv[1]);
	ds_object_info(o, &info);
	err = image_get(o, argv[2], info.kind == DS_DISK ? format_of(argv[2]) : NULL);
	ds_put(o);
	return err;
}

static int run_rm(int argc, char **argv)
{
	int err = ds_remove(ds, argv[1]);

	return err ? complain(err, "%s: %s", argv[1], err_text(err)) : 0;
}

static const struct command {
	const char *name;
	int min, max; /* words, DEVICE among them */
	bool writable, raw;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"make", 2, 3, true, true, run_make},     {"list", 1, 1, false, false, run_list},
    {"stat", 1, 2, false, false, run_stat},   {"put", 3, 3, true, false, run_put},
    {"get", 3, 3, false, false, run_get},     {"rm", 2, 2, true, false, run_rm},
    {"check", 1, 1, false, false, run_check},
};

static int run(const struct command *c, int argc, char **argv)
{
	int err;

	opt.writable = c->writable;
	err = c->raw ? 0 : open_store(argv[0]);
	if (!err)
		err = c->run(argc, argv);
	return close_store(err) ? EXIT_FAILED : 0;
}

static int usage(void)
{
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

/* BYTES[:LENGTH] */
static bool parse_offset(char *text)
{
	char *colon = strchr(text, ':');

	if (colon)
		*colon = '\0';
	return !str_to_size(text, &opt.offset) && (!colon || !str_to_size(colon + 1, &opt.length));
}

static bool parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
	    {"offset", required_argument, NULL, 'o'}, {"partition", no_argument, NULL, 'p'},
	    {"kind", required_argument, NULL, 'k'},   {"format", required_argument, NULL, 'f'},
	    {"force", no_argument, NULL, 'F'},	      {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'o' && !parse_offset(optarg))
			return false;
		if (c == '?')
			return false;
		opt.partition |= c == 'p';
		opt.force |= c == 'F';
		if (c == 'k')
			opt.kind = optarg;
		if (c == 'f')
			opt.format = optarg;
	}
	return true;
}

int main(int argc, char **argv)
{
	if (!parse_options(argc, argv) || optind == argc)
		return usage();
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];
		int words = argc - optind - 1;

		if (strcmp(c->name, argv[optind]))
			continue;
		if (words < c->min || words > c->max)
			return usage();
		return run(c, words, argv + optind + 1);
	}
	return usage();
}
