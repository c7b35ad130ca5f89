/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvsnprintf: parse one conversion into a struct, then write it. Text beyond the
 * buffer is counted and dropped. Unlike C, %p is always 0x and hex digits, NULL
 * strings print as "(null)", and an unknown conversion is printed as it stands.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

struct out {
	char *buf;
	size_t size; /* of buf, terminator included */
	size_t len;  /* wanted so far, may exceed size */
};

struct spec {
	bool left, zero, alt;
	int width;
	int precision;	   /* negative: none given */
	unsigned char len; /* bytes of the argument: 1, 2, 4, 8 */
	char conv;
};

static void put(struct out *o, const char *text, size_t n)
{
	if (o->len < o->size)
		memcpy(o->buf + o->len, text, MIN(n, o->size - o->len));
	o->len += n;
}

static void put_repeat(struct out *o, char c, int n)
{
	if (n <= 0)
		return;
	if (o->len < o->size)
		memset(o->buf + o->len, c, MIN((size_t)n, o->size - o->len));
	o->len += (size_t)n;
}

/* A width or precision: digits, or '*' for an argument. */
static const char *parse_count(const char *f, int *out, va_list *ap)
{
	int n = 0;

	if (*f == '*') {
		*out = va_arg(*ap, int);
		return f + 1;
	}
	for (; *f >= '0' && *f <= '9'; f++) {
		if (n < 100000)
			n = n * 10 + (*f - '0');
	}
	*out = n;
	return f;
}

static const char *parse_length(const char *f, struct spec *s)
{
	s->len = sizeof(int);
	switch (*f) {
	case 'h':
		s->len = f[1] == 'h' ? 1 : 2;
		return f + (f[1] == 'h' ? 2 : 1);
	case 'l':
		s->len = 8;
		return f + (f[1] == 'l' ? 2 : 1);
	case 'z':
		s->len = sizeof(size_t);
		return f + 1;
	}
	return f;
}

/* f is behind the '%'; returns what follows the conversion letter. */
static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
	*s = (struct spec){.precision = -1};
	for (; *f == '-' || *f == '0' || *f == '#'; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zero = true;
		else
			s->alt = true;
	}
	f = parse_count(f, &s->width, ap);
	if (s->width < 0) {
		s->left = true;
		s->width = s->width < -100000 ? 100000 : -s->width;
	}
	if (*f == '.')
		f = parse_count(f + 1, &s->precision, ap);
	f = parse_length(f, s);
	s->conv = *f;
	return *f ? f + 1 : f;
}

/* Text with padding to the width. */
static void put_padded(struct out *o, const struct spec *s, const char *text, size_t n)
{
	int pad = n < (size_t)s->width ? s->width - (int)n : 0;

	if (!s->left)
		put_repeat(o, ' ', pad);
	put(o, text, n);
	if (s->left)
		put_repeat(o, ' ', pad);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	if (!text)
		text = "(null)";
	put_padded(o, s, text, strnlen(text, s->precision < 0 ? SIZE_MAX : (size_t)s->precision));
}

/* Prefix ("-", "0x"), zeroes, digits, padded to the width. */
static void put_number(struct out *o, const struct spec *s, const char *prefix, uint64_t v,
		       unsigned base)
{
	const char *digits = s->conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[20];
	int n = 0, prefix_len = (int)strlen(prefix), zeroes, pad;

	for (; v; v /= base)
		text[sizeof(text) - 1 - (size_t)n++] = digits[v % base];
	zeroes = (s->precision < 0 ? 1 : s->precision) - n;
	if (zeroes < 0)
		zeroes = 0;
	pad = s->width - prefix_len - zeroes - n;
	if (s->zero && !s->left && s->precision < 0 && pad > 0) {
		zeroes += pad;
		pad = 0;
	}
	if (!s->left)
		put_repeat(o, ' ', pad);
	put(o, prefix, (size_t)prefix_len);
	put_repeat(o, '0', zeroes);
	put(o, text + sizeof(text) - (size_t)n, (size_t)n);
	if (s->left)
		put_repeat(o, ' ', pad);
}

static void put_signed(struct out *o, const struct spec *s, va_list *ap)
{
	int64_t v = s->len == 8 ? va_arg(*ap, int64_t) : va_arg(*ap, int);

	if (s->len == 2)
		v = (int16_t)v;
	else if (s->len == 1)
		v = (int8_t)v;
	put_number(o, s, v < 0 ? "-" : "", v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

static void put_unsigned(struct out *o, const struct spec *s, va_list *ap)
{
	uint64_t v = s->len == 8 ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned);

	if (s->len == 2)
		v = (uint16_t)v;
	else if (s->len == 1)
		v = (uint8_t)v;
	if (s->conv == 'u')
		put_number(o, s, "", v, 10);
	else
		put_number(o, s, !s->alt || !v ? "" : s->conv == 'x' ? "0x" : "0X", v, 16);
}

/* from is the '%', for conversions that are none. */
static void put_conversion(struct out *o, const struct spec *s, const char *from, size_t n,
			   va_list *ap)
{
	char c;

	switch (s->conv) {
	case 'd':
	case 'i':
		put_signed(o, s, ap);
		break;
	case 'u':
	case 'x':
	case 'X':
		put_unsigned(o, s, ap);
		break;
	case 'p':
		put_number(o, s, "0x", (uintptr_t)va_arg(*ap, void *), 16);
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_padded(o, s, &c, 1);
		break;
	case 's':
		put_string(o, s, va_arg(*ap, const char *));
		break;
	case '%':
		put(o, "%", 1);
		break;
	default:
		put(o, from, n);
	}
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {.buf = buf, .size = size};
	va_list ap;

	va_copy(ap, args);
	while (*fmt) {
		const char *percent = strchr(fmt, '%');
		struct spec s;

		if (!percent) {
			put(&o, fmt, strlen(fmt));
			break;
		}
		put(&o, fmt, (size_t)(percent - fmt));
		fmt = parse_spec(percent + 1, &s, &ap);
		put_conversion(&o, &s, percent, (size_t)(fmt - percent), &ap);
	}
	va_end(ap);
	if (size)
		buf[MIN(o.len, size - 1)] = '\0';
	return (int)MIN(o.len, (size_t)INT32_MAX);
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

char *format_mac(char out[18], const uint8_t mac[6])
{
	ksnprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		  mac[5]);
	return out;
}

char *format_size(char out[16], uint64_t bytes)
{
	static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	unsigned unit = 0;
	uint64_t whole, tenth;

	while (unit < ARRAY_SIZE(units) - 1 && bytes >> (10 * (unit + 1)))
		unit++;
	whole = bytes >> (10 * unit);
	tenth = (bytes & (BIT(10 * unit) - 1)) * 10 >> (10 * unit);
	if (tenth && whole < 100)
		ksnprintf(out, 16, "%u.%u %s", (unsigned)whole, (unsigned)tenth, units[unit]);
	else
		ksnprintf(out, 16, "%u %s", (unsigned)whole, units[unit]);
	return out;
}

/* Days since 1970 to a date, in the usual way (years begin in March). */
char *format_date(char out[32], uint64_t s)
{
	uint64_t z = s / 86400 + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;

	ksnprintf(out, 32, "%04lu-%02lu-%02lu %02lu:%02lu:%02lu",
		  (unsigned long)(yoe + era * 400 + (month <= 2)), (unsigned long)month,
		  (unsigned long)(doy - (153 * mp + 2) / 5 + 1), (unsigned long)(s / 3600 % 24),
		  (unsigned long)(s / 60 % 60), (unsigned long)(s % 60));
	return out;
}
