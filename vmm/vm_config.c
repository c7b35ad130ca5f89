/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses vm.conf, line by line. Whether the whole makes sense, whoever sent it,
 * is vm_config_check.c's; what the values mean is decided where they are used.
 */
#include "vmm/vm_config.h"
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "vmm/vm_config_limits.h"

#define LINE_LEN      (VM_CMDLINE_LEN + 64)
#define UUID_TEXT_LEN 36

struct key {
	const char *name;
	int (*parse)(struct config_parser *p, char *value);
	bool repeats;
};

/* The next word of *rest, terminated; NULL when there is none. */
static char *next_word(char **rest)
{
	char *s = *rest, *word;

	while (*s == ' ' || *s == '\t')
		s++;
	if (!*s)
		return NULL;
	word = s;
	while (*s && *s != ' ' && *s != '\t')
		s++;
	if (*s)
		*s++ = 0;
	*rest = s;
	return word;
}

static int parse_memory(struct config_parser *p, char *value)
{
	uint64_t bytes;

	if (str_to_size(value, &bytes) || bytes < MEMORY_MIN || bytes > MEMORY_MAX ||
	    bytes % SIZE_2M)
		return config_refuse(
		    p, "memory: expected a multiple of 2M from 2M to 1024G, found '%.40s'", value);
	p->cfg->memory = bytes;
	return 0;
}

static int parse_number(struct config_parser *p, const char *what, const char *value, uint64_t min,
			uint64_t max, uint32_t *out)
{
	uint64_t n;

	if (str_to_u64(value, &n) || n < min || n > max)
		return config_refuse(p, "%s: expected a number from %llu to %llu, found '%.40s'",
				     what, (unsigned long long)min, (unsigned long long)max, value);
	*out = n;
	return 0;
}

static int parse_vcpus(struct config_parser *p, char *value)
{
	return parse_number(p, "vcpus", value, 1, VM_MAX_VCPUS, &p->cfg->vcpus);
}

static int parse_weight(struct config_parser *p, char *value)
{
	return parse_number(p, "weight", value, 1, WEIGHT_MAX, &p->cfg->weight);
}

static int parse_bool(struct config_parser *p, const char *what, const char *value, uint8_t *out)
{
	bool yes = !strcmp(value, "yes") || !strcmp(value, "on");

	if (!yes && strcmp(value, "no") && strcmp(value, "off"))
		return config_refuse(p, "%s: expected on or off (or yes, no), found '%.40s'", what,
				     value);
	*out = yes;
	return 0;
}

static int parse_autostart(struct config_parser *p, char *value)
{
	return parse_bool(p, "autostart", value, &p->cfg->autostart);
}

static int parse_testdev(struct config_parser *p, char *value)
{
	return parse_bool(p, "testdev", value, &p->cfg->testdev);
}

/* A name alone means the VM's own folder; with a slash it is a path in the pool. */
static int parse_path(struct config_parser *p, const char *what, const char *value, char *out)
{
	int len;

	if (strchr(value, '/'))
		len = ksnprintf(out, VM_PATH_LEN, "%s", value);
	else
		len = ksnprintf(out, VM_PATH_LEN, "vms/%s/%s", p->cfg->name, value);
	if (len >= VM_PATH_LEN || !config_is_path(out, VM_PATH_LEN))
		return config_refuse(
		    p,
		    "%s: expected a file name or path of letters, digits and ._+-/ up to "
		    "%d characters, found '%.24s'",
		    what, VM_PATH_LEN - 1, value);
	return 0;
}

static int parse_kernel(struct config_parser *p, char *value)
{
	if (p->cfg->firmware)
		return config_refuse(p, "kernel: firmware was given before; expected one of both");
	return parse_path(p, "kernel", value, p->cfg->kernel);
}

/* In the kernel's place: whoever sends, keeps or renames boot files need not know the difference.
 */
static int parse_firmware(struct config_parser *p, char *value)
{
	if (p->cfg->kernel[0])
		return config_refuse(p,
				     "firmware: a kernel was given before; expected one of both");
	p->cfg->firmware = 1;
	return parse_path(p, "firmware", value, p->cfg->kernel);
}

static int parse_initrd(struct config_parser *p, char *value)
{
	return parse_path(p, "initrd", value, p->cfg->initrd);
}

static int parse_text(struct config_parser *p, const char *what, const char *value, char *out,
		      size_t size)
{
	if (!config_is_text(value, size))
		return config_refuse(p, "%s: expected at most %zu printable characters, found %zu",
				     what, size - 1, strnlen(value, LINE_LEN));
	str_copy(out, value, size);
	return 0;
}

static int parse_cmdline(struct config_parser *p, char *value)
{
	return parse_text(p, "cmdline", value, p->cfg->cmdline, sizeof(p->cfg->cmdline));
}

static int parse_module(struct config_parser *p, char *value)
{
	struct vm_module_config *m = &p->cfg->modules[p->cfg->module_count];
	int err;

	if (p->cfg->module_count == VM_MAX_MODULES)
		return config_refuse(p, "module: at most %d modules", VM_MAX_MODULES);
	err = parse_path(p, "module", next_word(&value), m->path);
	if (err)
		return err;
	while (*value == ' ' || *value == '\t')
		value++;
	p->cfg->module_count++;
	return parse_text(p, "module: its arguments", value, m->args, sizeof(m->args));
}

static int parse_cpu_hide(struct config_parser *p, char *value)
{
	return parse_text(p, "cpu_hide", value, p->cfg->cpu_hide, sizeof(p->cfg->cpu_hide));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int parse_uuid(struct config_parser *p, char *value)
{
	unsigned digits = 0;

	if (strlen(value) != UUID_TEXT_LEN)
		goto bad;
	for (unsigned i = 0; i < UUID_TEXT_LEN; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (value[i] != '-')
				goto bad;
			continue;
		}
		int d = hex_digit(value[i]);

		if (d < 0)
			goto bad;
		p->cfg->uuid[digits / 2] = p->cfg->uuid[digits / 2] << 4 | d;
		digits++;
	}
	return 0;
bad:
	return config_refuse(p, "uuid: expected 8-4-4-4-12 hex digits, found '%.40s'", value);
}

/* "1.0" */
static int parse_aoe(struct config_parser *p, char *where, struct vm_disk_config *d)
{
	char *dot = strchr(where, '.');
	uint64_t shelf, slot;

	if (dot)
		*dot = 0;
	if (!dot || str_to_u64(where, &shelf) || str_to_u64(dot + 1, &slot) ||
	    shelf > AOE_SHELF_MAX || slot > AOE_SLOT_MAX)
		return config_refuse(p, "disk %s: expected SHELF.SLOT like 1.0 (up to %d.%d)",
				     d->name, AOE_SHELF_MAX, AOE_SLOT_MAX);
	d->shared = 1;
	d->shelf = shelf;
	d->slot = slot;
	return 0;
}

/* An object that is not named is disk/VM/DISK. */
static int parse_store(struct config_parser *p, const char *store, const char *object,
		       struct vm_disk_config *d)
{
	if (!config_is_name(store, sizeof(d->local)))
		return config_refuse(p, "disk %s: expected the name of a datastore, found '%.40s'",
				     d->name, store);
	str_copy(d->local, store, sizeof(d->local));
	d->in_store = 1;
	if (object && !config_is_path(object, sizeof(d->object)))
		return config_refuse(p,
				     "disk %s: expected an object like disk/web/vda, found "
				     "'%.40s'",
				     d->name, object);
	if (object)
		str_copy(d->object, object, sizeof(d->object));
	else
		ksnprintf(d->object, sizeof(d->object), "disk/%.31s/%s", p->cfg->name, d->name);
	return 0;
}

static int parse_disk(struct config_parser *p, char *value)
{
	char *name = next_word(&value), *kind = next_word(&value), *where = next_word(&value);
	char *object = NULL, *flag = next_word(&value);
	struct vm_disk_config *d;

	if (where && flag && !strcmp(kind, "store") && strcmp(flag, "readonly")) {
		object = flag;
		flag = next_word(&value);
	}
	if (!where || next_word(&value) || (flag && strcmp(flag, "readonly")))
		return config_refuse(
		    p, "disk: expected 'disk NAME aoe SHELF.SLOT', '... local DEVICE' or '... "
		       "store STORE [OBJECT]', and perhaps readonly");
	if (p->cfg->disk_count == VM_MAX_DISKS)
		return config_refuse(p, "disk: at most %d disks", VM_MAX_DISKS);
	if (!config_is_name(name, sizeof(d->name)))
		return config_refuse(
		    p, "disk: expected a name of up to 7 letters and digits, found '%.40s'", name);
	for (unsigned i = 0; i < p->cfg->disk_count; i++) {
		if (!strcmp(p->cfg->disks[i].name, name))
			return config_refuse(p, "disk %s: this name was given before", name);
	}
	d = &p->cfg->disks[p->cfg->disk_count];
	str_copy(d->name, name, sizeof(d->name));
	d->used = 1;
	d->readonly = flag != NULL;
	p->cfg->disk_count++;
	if (!strcmp(kind, "aoe"))
		return parse_aoe(p, where, d);
	if (!strcmp(kind, "store"))
		return parse_store(p, where, object, d);
	if (strcmp(kind, "local"))
		return config_refuse(p, "disk %s: expected aoe, local or store, found '%.40s'",
				     name, kind);
	if (!config_is_name(where, sizeof(d->local)))
		return config_refuse(p, "disk %s: expected the name of a local disk, found '%.40s'",
				     name, where);
	str_copy(d->local, where, sizeof(d->local));
	return 0;
}

/* "52:54:00:12:34:56" */
static int parse_mac(const char *s, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++, s += 3) {
		int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);

		if (low < 0 || s[2] != (i < 5 ? ':' : 0))
			return -E_INVAL;
		mac[i] = high << 4 | low;
	}
	return config_is_mac(mac) ? 0 : -E_INVAL;
}

static int parse_nic(struct config_parser *p, char *value)
{
	char *name = next_word(&value), *network = next_word(&value), *word;
	struct vm_nic_config *n = &p->cfg->nics[p->cfg->nic_count];

	if (!network)
		return config_refuse(p, "nic: expected 'nic NAME NETWORK [MAC] [unfiltered]'");
	if (p->cfg->nic_count == VM_MAX_NICS)
		return config_refuse(p, "nic: at most %d network cards", VM_MAX_NICS);
	if (!config_is_name(name, sizeof(n->name)))
		return config_refuse(
		    p, "nic: expected a name of up to 7 letters and digits, found '%.40s'", name);
	if (!config_is_name(network, sizeof(n->network)))
		return config_refuse(
		    p,
		    "nic %s: expected the name of a network of up to 31 letters and digits, "
		    "found '%.24s'",
		    name, network);
	while ((word = next_word(&value))) {
		if (!strcmp(word, "unfiltered"))
			n->unfiltered = 1;
		else if (parse_mac(word, n->mac))
			return config_refuse(p,
					     "nic %s: expected a MAC like 52:54:00:12:34:56 "
					     "(no group) or unfiltered, found '%.24s'",
					     name, word);
	}
	str_copy(n->name, name, sizeof(n->name));
	str_copy(n->network, network, sizeof(n->network));
	p->cfg->nic_count++;
	return 0;
}

/*
 * A card without a MAC gets one that stays the same at every boot of every host that
 * has this vm.conf: a locally administered one, from the VM's UUID and name.
 */
void vm_config_make_macs(struct vm_config *c)
{
	for (unsigned i = 0; i < c->nic_count; i++) {
		struct vm_nic_config *n = &c->nics[i];
		uint32_t hash = crc32c(0, c->uuid, sizeof(c->uuid));

		if (config_is_mac(n->mac))
			continue;
		hash = crc32c(hash, c->name, sizeof(c->name));
		hash = crc32c(hash, n->name, sizeof(n->name));
		n->mac[0] = 0x52;
		n->mac[1] = 0x50;
		memcpy(n->mac + 2, &hash, sizeof(hash));
	}
}

static const struct key keys[] = {
    {"memory", parse_memory, false},	   {"vcpus", parse_vcpus, false},
    {"kernel", parse_kernel, false},	   {"initrd", parse_initrd, false},
    {"cmdline", parse_cmdline, false},	   {"disk", parse_disk, true},
    {"autostart", parse_autostart, false}, {"uuid", parse_uuid, false},
    {"cpu_hide", parse_cpu_hide, false},   {"weight", parse_weight, false},
    {"testdev", parse_testdev, false},	   {"nic", parse_nic, true},
    {"module", parse_module, true},	   {"firmware", parse_firmware, false},
};

/* One line, terminated, without its newline. seen: a bit for each key. */
static int parse_line(struct config_parser *p, char *line, uint32_t *seen)
{
	char *value, *key;

	while (*line == ' ' || *line == '\t')
		line++;
	if (!*line || *line == '#')
		return 0;
	for (key = value = line; *value && *value != ' ' && *value != '\t' && *value != '=';)
		value++;
	if (*value)
		*value++ = 0;
	while (*value == ' ' || *value == '\t')
		value++;
	for (size_t len = strlen(value); len && (value[len - 1] == ' ' || value[len - 1] == '\t');)
		value[--len] = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, key))
			continue;
		if ((*seen & BIT(i)) && !keys[i].repeats)
			return config_refuse(p, "%s: was given before", key);
		*seen |= BIT(i);
		if (!*value)
			return config_refuse(p, "%s: a value is missing", key);
		return keys[i].parse(p, value);
	}
	return config_refuse(
	    p,
	    "unknown key '%.20s'; known: memory vcpus kernel initrd firmware cmdline disk "
	    "nic autostart uuid cpu_hide weight testdev module",
	    key);
}

/* Copy the next line to out; advances *text. false at the end. */
static int take_line(struct config_parser *p, const char **text, const char *end, char *out)
{
	size_t n = 0;

	for (; *text < end && **text != '\n'; (*text)++) {
		char c = **text;

		if (c == '\r' && (*text + 1 == end || (*text)[1] == '\n'))
			continue;
		if (c != '\t' && (c < ' ' || c > '~'))
			return config_refuse(p, "expected printable text, found byte 0x%02x",
					     (unsigned char)c);
		if (n == LINE_LEN - 1)
			return config_refuse(p, "line is longer than %d characters", LINE_LEN - 1);
		out[n++] = c;
	}
	if (*text < end)
		(*text)++;
	out[n] = 0;
	return 0;
}

int vm_config_parse(const char *name, const char *text, size_t len, struct vm_config *out,
		    struct config_error *err)
{
	struct config_parser p = {.cfg = out, .err = err};
	const char *end = text + len;
	char line[LINE_LEN];
	uint32_t seen = 0;

	memset(out, 0, sizeof(*out));
	memset(err, 0, sizeof(*err));
	out->vcpus = 1;
	out->weight = 100;
	if (!config_is_name(name, sizeof(out->name)))
		return config_refuse(
		    &p, "VM name: expected up to %d letters, digits and ._-, found '%.40s'",
		    VM_NAME_LEN - 1, name);
	str_copy(out->name, name, sizeof(out->name));
	while (text < end) {
		p.line++;
		int bad = take_line(&p, &text, end, line);

		if (!bad)
			bad = parse_line(&p, line, &seen);
		if (bad)
			return bad;
	}
	if (!out->memory)
		return config_refuse(&p, "memory is missing: expected a line like 'memory 256M'");
	if (!out->kernel[0])
		return config_refuse(&p,
				     "kernel is missing: expected a line like 'kernel vmlinuz' or "
				     "'firmware bios-256k.bin'");
	vm_config_make_macs(out);
	return vm_config_check(out, err);
}
