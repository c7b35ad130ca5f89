/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies what the host's log says of VMs into their own logs. A task of its own, so
 * that nobody who logs waits for a disk; without a store lines stay in the host's log only.
 */
#include "vmm/vm_log.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/rtc.h"
#include "kernel/store/stores.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "vmm/vm.h"

#define PERIOD_NS (2 * NS_PER_S)
#define LOG_MAX	  (256 * KiB) /* then it becomes log/VM.old */
#define SHOWN	  (8 * KiB)

/* The words before the name in such lines. */
static const char *const heads[] = {"vm ", "migrate: ", "save: ", "restore: ", "snapshot: "};

bool vm_log_names(const char *text, char name[VM_NAME_LEN])
{
	for (unsigned i = 0; i < ARRAY_SIZE(heads); i++) {
		size_t head = strlen(heads[i]), len = 0;

		if (strncmp(text, heads[i], head))
			continue;
		text += head;
		while (text[len] && text[len] != ':' && text[len] != ' ')
			len++;
		if (!len || len >= VM_NAME_LEN || text[len] != ':')
			return false;
		memcpy(name, text, len);
		name[len] = 0;
		return true;
	}
	return false;
}

static int start_anew(struct datastore *ds, const char *object, struct ds_object **out)
{
	int err = ds_create(ds, object, DS_LOG, 0, out);

	if (err)
		return err;
	err = ds_commit(*out);
	if (err)
		ds_put(*out);
	return err;
}

/* The log's object, a new one when it is full. */
static int open_log(struct datastore *ds, const char *object, struct ds_object **out)
{
	char old[DS_NAME_LEN];
	struct ds_info info;
	int err;

	err = ds_find(ds, object, &info);
	if (err)
		return start_anew(ds, object, out);
	if (info.size < LOG_MAX)
		return ds_get(ds, object, out);
	ksnprintf(old, sizeof(old), "%s.old", object);
	err = ds_remove(ds, old);
	if (!err || err == -E_NOENT)
		err = ds_rename(ds, object, old);
	return err ? err : start_anew(ds, object, out);
}

static int append_text(struct datastore *ds, const char *vm, const void *text, size_t len)
{
	char object[DS_NAME_LEN];
	struct ds_object *o;
	struct ds_info info;
	int err;

	ksnprintf(object, sizeof(object), "log/%.31s", vm);
	err = open_log(ds, object, &o);
	if (err)
		return err;
	ds_object_info(o, &info);
	err = ds_write(o, info.size, text, len);
	ds_put(o);
	return err;
}

static int append(struct datastore *ds, const char *vm, const struct log_line *line)
{
	uint64_t when = rtc_now() - (time_ns() - line->ns) / NS_PER_S;
	char date[32], text[LOG_TEXT_MAX + 64];
	int err, n;

	format_date(date, when);
	n = ksnprintf(text, sizeof(text), "%s %s: %s\n", date, log_level_name(line->level),
		      line->text);
	stores_hold(ds);
	err = append_text(ds, vm, text, (size_t)n);
	stores_release(ds);
	return err;
}

int vm_log_add(const char *vm, const void *text, size_t len)
{
	struct datastore *ds = stores_default();
	int err;

	if (!ds)
		return -E_NOENT;
	stores_hold(ds);
	err = append_text(ds, vm, text, len);
	if (!err)
		err = ds_sync(ds);
	stores_release(ds);
	return err;
}

static void copy_lines(uint64_t *cursor)
{
	struct datastore *ds = stores_default();
	char name[VM_NAME_LEN];
	struct log_line line;
	bool any = false;
	int err = 0;

	while (ds && !err && log_next(cursor, &line)) {
		if (line.level == LOG_DEBUG || !vm_log_names(line.text, name))
			continue;
		err = append(ds, name, &line);
		any = true;
		ds = stores_default(); /* it blocked */
	}
	if (ds && any && !err)
		err = ds_sync(ds);
	if (err)
		log_debug("log: a line could not be kept: %s", err_text(err));
}

static void vm_log_task(void *arg)
{
	uint64_t cursor = 0;

	for (;;) {
		task_sleep_until(time_ns() + PERIOD_NS);
		copy_lines(&cursor);
	}
}

int vm_log_start(void)
{
	return task_create("vm-log", vm_log_task, NULL) ? 0 : -E_NOMEM;
}

/* Its last size bytes. */
static int read_tail(struct datastore *ds, const char *vm, char *buf, size_t size, size_t *len)
{
	char object[DS_NAME_LEN];
	struct ds_object *o;
	struct ds_info info;
	int err;

	ksnprintf(object, sizeof(object), "log/%.31s", vm);
	err = ds_get(ds, object, &o);
	if (err)
		return err == -E_NOENT ? 0 : err;
	ds_object_info(o, &info);
	*len = MIN(info.size, (uint64_t)size);
	err = ds_read(o, info.size - *len, buf, *len);
	ds_put(o);
	return err;
}

int vm_log_tail(const char *vm, char *buf, size_t size, size_t *len)
{
	struct datastore *ds = stores_default();
	size_t cut = 0;
	int err;

	*len = 0;
	if (!ds)
		return 0;
	stores_hold(ds);
	err = read_tail(ds, vm, buf, size, len);
	stores_release(ds);
	while (*len == size && cut < size && buf[cut++] != '\n')
		;
	*len -= cut;
	memmove(buf, buf + cut, *len);
	return err;
}

int vm_log_print(struct console *con, const char *vm)
{
	struct datastore *ds = stores_default();
	char object[DS_NAME_LEN], piece[256];
	struct ds_object *o;
	struct ds_info info;
	uint64_t at;
	int err;

	ksnprintf(object, sizeof(object), "log/%.31s", vm);
	if (!ds)
		return -E_NOENT;
	err = ds_get(ds, object, &o);
	if (err)
		return err;
	ds_object_info(o, &info);
	at = info.size > SHOWN ? info.size - SHOWN : 0;
	while (!err && at < info.size) {
		uint64_t n = MIN(info.size - at, sizeof(piece) - 1);

		err = ds_read(o, at, piece, n);
		piece[n] = 0;
		if (!err)
			console_printf(con, "%s", piece);
		at += n;
	}
	ds_put(o);
	return err;
}
