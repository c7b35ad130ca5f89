/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of host.conf: one table row a key, each with the words that tell
 * what it expects. Nothing is taken over from a file with an error in it.
 */
#include "kernel/host_config_inner.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

#define VALUE_MAX 64

struct key {
	const char *name;
	bool (*parse)(struct host_config *c, const char *value);
	const char *expected;
};

void host_config_defaults(struct host_config *out)
{
	*out = (struct host_config){
	    .name = "pagurus",
	    .pool = "default",
	    .nic = "auto",
	    .mtu = 1500,
	    .console_port = 0x3f8,
	    .console_baud = 115200,
	    .loglevel = LOG_INFO,
	    .escape = ']' & 0x1f,
	    .nets = {{"lan", true, 0, 0}},
	    .net_count = 1,
	    .apicv = APICV_AUTO,
	};
}

/* Letters, digits, '-'; fits 31. */
bool host_config_parse_word(char out[32], const char *value)
{
	for (const char *p = value; *p; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

		if (!letter && !(*p >= '0' && *p <= '9') && *p != '-')
			return false;
	}
	return *value && str_copy(out, value, 32);
}

static bool parse_name(struct host_config *c, const char *value)
{
	return host_config_parse_word(c->name, value);
}

static bool parse_pool(struct host_config *c, const char *value)
{
	return host_config_parse_word(c->pool, value);
}

static bool parse_default_store(struct host_config *c, const char *value)
{
	return host_config_parse_word(c->default_store, value);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool parse_nic(struct host_config *c, const char *value)
{
	bool address = strlen(value) == 7 && is_hex(value[0]) && is_hex(value[1]) &&
		       value[2] == ':' && (value[3] == '0' || value[3] == '1') &&
		       is_hex(value[4]) && value[5] == '.' && value[6] >= '0' && value[6] <= '7';

	if (!address && strcmp(value, "auto") != 0)
		return false;
	return str_copy(c->nic, value, sizeof(c->nic));
}

static bool parse_mtu(struct host_config *c, const char *value)
{
	uint64_t v;

	if (str_to_u64(value, &v) || v < 1500 || v > 9000)
		return false;
	c->mtu = (uint32_t)v;
	return true;
}

static bool parse_console(struct host_config *c, const char *value)
{
	uint64_t baud = 115200;

	if (strncmp(value, "com1", 4) == 0)
		c->console_port = 0x3f8;
	else if (strncmp(value, "com2", 4) == 0)
		c->console_port = 0x2f8;
	else
		return false;
	value += 4;
	if (*value) {
		if (*value != ' ' && *value != '\t')
			return false;
		while (*value == ' ' || *value == '\t')
			value++;
		if (str_to_u64(value, &baud))
			return false;
	}
	if (baud < 1200 || baud > 115200 || 115200 % baud)
		return false;
	c->console_baud = (uint32_t)baud;
	return true;
}

static bool parse_loglevel(struct host_config *c, const char *value)
{
	for (uint8_t level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		if (strcmp(value, log_level_name(level)) == 0) {
			c->loglevel = level;
			return true;
		}
	}
	return false;
}

/* Not keys that guests need all the time: Tab, Enter, Backspace, Escape, Ctrl-C. */
static bool parse_escape(struct host_config *c, const char *value)
{
	if (value[0] != '^' || value[1] < 'A' || value[1] > '_' || value[2])
		return false;
	if (strchr("CHIJM[", value[1]))
		return false;
	c->escape = value[1] & 0x1f;
	return true;
}

static bool parse_apicv(struct host_config *c, const char *value)
{
	static const char *const words[] = {
	    [APICV_OFF] = "off", [APICV_AUTO] = "auto", [APICV_ON] = "on"};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i]))
			continue;
		c->apicv = i;
		return true;
	}
	return false;
}

static const struct key keys[] = {
    {"name", parse_name, "letters, digits and '-', at most 31"},
    {"pool", parse_pool, "letters, digits and '-', at most 31"},
    {"nic", parse_nic, "'auto' or a PCI address like 00:03.0"},
    {"mtu", parse_mtu, "a number from 1500 to 9000"},
    {"console", parse_console, "com1 or com2, and a rate like 115200"},
    {"loglevel", parse_loglevel, "error, warn, info or debug"},
    {"escape", parse_escape, "'^' and a letter like ^], not ^C ^H ^I ^J ^M ^["},
    {"apicv", parse_apicv, "auto, on or off"},
    {"default_store", parse_default_store, "a datastore's name"},
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cut comment and surrounding blanks off the line at *s..*end. */
static void trim(const char **s, const char **end)
{
	for (const char *p = *s; p < *end; p++) {
		if (*p == '#' && (p == *s || is_blank(p[-1]))) {
			*end = p;
			break;
		}
	}
	while (*s < *end && is_blank(**s))
		(*s)++;
	while (*s < *end && is_blank((*end)[-1]))
		(*end)--;
}

static int fail(struct host_config_error *err, unsigned line, const char *what, const char *text,
		const char *expected)
{
	err->line = line;
	ksnprintf(err->text, sizeof(err->text), "%s '%.24s': expected %s", what, text, expected);
	for (char *p = err->text; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return -E_INVAL;
}

static bool has_nul(const char *s, size_t len)
{
	return strnlen(s, len) < len;
}

/* One trimmed, non-empty line. seen: a bit a key. */
static int parse_line(const char *s, const char *end, unsigned line, struct host_config *c,
		      uint32_t *seen, struct host_config_error *err)
{
	char text[VALUE_MAX], *value = text;
	size_t len = (size_t)(end - s);

	if (len >= sizeof(text) || has_nul(s, len)) {
		ksnprintf(text, sizeof(text), "%.*s", (int)MIN(len, 24), s);
		return fail(err, line, "line", text, "text of at most 63 characters");
	}
	memcpy(text, s, len);
	text[len] = '\0';
	while (*value && !is_blank(*value))
		value++;
	while (is_blank(*value))
		*value++ = '\0';
	if (strcmp(text, "net") == 0) {
		const char *expected = host_config_parse_net(c, value);

		return expected ? fail(err, line, "net", value, expected) : 0;
	}
	if (strcmp(text, "store") == 0) {
		const char *expected = host_config_parse_store(c, value);

		return expected ? fail(err, line, "store", value, expected) : 0;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(text, keys[i].name) != 0)
			continue;
		if (*seen & BIT(i))
			return fail(err, line, "key", text, "once in the file");
		*seen |= (uint32_t)BIT(i);
		if (!keys[i].parse(c, value))
			return fail(err, line, keys[i].name, value, keys[i].expected);
		return 0;
	}
	return fail(
	    err, line, "key", text,
	    "name, pool, nic, net, mtu, console, loglevel, escape, apicv, store or default_store");
}

int host_config_parse(const char *text, size_t len, struct host_config *out,
		      struct host_config_error *err)
{
	const char *s = text, *file_end = text + len;
	struct host_config c;
	uint32_t seen = 0;
	unsigned line;

	host_config_defaults(&c);
	c.name[0] = '\0'; /* obligatory in a file */
	c.net_count = 0;
	for (line = 1; s < file_end; line++) {
		const char *line_end = s, *end;

		while (line_end < file_end && *line_end != '\n')
			line_end++;
		end = line_end;
		trim(&s, &end);
		if (s < end) {
			int e = parse_line(s, end, line, &c, &seen, err);

			if (e)
				return e;
		}
		s = line_end + 1;
	}
	if (!c.name[0])
		return fail(err, line, "key", "name", "a line 'name HOST' (obligatory)");
	if (!c.net_count)
		c.net_count = 1; /* the default, still there */
	*out = c;
	return 0;
}
