/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /init of the Linux test guest: loads /modules/order, says "guest: ready", does
 * what the command line asks, and prints a "work: tick" line a second:
 *   pagurus.work=MIB   memory, registers   pagurus.rate=PAGES  a second
 *   pagurus.disk=DEVICE   pagurus.blocks=N  pagurus.diskrate=N
 *   pagurus.net=A.B.C.D   eth0, stream on port 8000   pagurus.netrate=N  blocks/s
 *   pagurus.shell   a shell on the console (needs busybox in the image)
 *   pagurus.poweroff=SEC   power off after that many ticks
 */
#include "tests/guests/work.h"

#define PAGE_BUF 4096

static char cmdline[PAGE_BUF];

static size_t put_number(char *out, uint64_t v, unsigned base)
{
	char tmp[24];
	size_t n = 0, i;

	do {
		tmp[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	for (i = 0; i < n; i++)
		out[i] = tmp[n - 1 - i];
	return n;
}

/* One write, so that lines of the three processes do not mix. */
void say(const char *fmt, ...)
{
	char line[320];
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	while (*fmt && n < sizeof(line) - 32) {
		if (*fmt != '%') {
			line[n++] = *fmt++;
			continue;
		}
		fmt++;
		bool is_long = *fmt == 'l';

		fmt += is_long;
		if (*fmt == 's') {
			const char *s = va_arg(ap, const char *);

			while (*s && n < sizeof(line) - 32)
				line[n++] = *s++;
		} else if (*fmt == 'd') {
			long v = is_long ? va_arg(ap, long) : va_arg(ap, int);

			if (v < 0)
				line[n++] = '-';
			n += put_number(line + n, (uint64_t)(v < 0 ? -v : v), 10);
		} else {
			uint64_t v = is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned);

			n += put_number(line + n, v, *fmt == 'x' ? 16 : 10);
		}
		fmt++;
	}
	va_end(ap);
	SYS3(NR_write, 1, line, n);
}

static bool starts_with(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

/* The text after NAME (and '=') on the command line; NULL when it is not there. */
static const char *option_find(const char *name)
{
	for (const char *p = cmdline; *p; p++) {
		if ((p == cmdline || p[-1] == ' ') && starts_with(p, name)) {
			p += str_len(name);
			if (*p == '=')
				return p + 1;
			if (*p == ' ' || *p == '\n' || !*p)
				return p;
		}
	}
	return NULL;
}

static uint64_t option_number(const char *name, uint64_t otherwise)
{
	const char *p = option_find(name);
	uint64_t v = 0;

	if (!p || *p < '0' || *p > '9')
		return otherwise;
	while (*p >= '0' && *p <= '9')
		v = v * 10 + (uint64_t)(*p++ - '0');
	return v;
}

static void file_read(const char *path, char *buf, size_t size)
{
	long fd = SYS2(NR_open, path, O_RDONLY);
	long n = fd < 0 ? -1 : SYS3(NR_read, fd, buf, size - 1);

	buf[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		SYS1(NR_close, fd);
}

/* /modules/order: one path a line, dependencies first. */
static void modules_load(void)
{
	static char order[PAGE_BUF];
	char *p = order;

	file_read("/modules/order", order, sizeof(order));
	while (*p) {
		char *name = p;
		long fd, err;

		while (*p && *p != '\n')
			p++;
		if (*p)
			*p++ = '\0';
		fd = SYS2(NR_open, name, O_RDONLY);
		err = SYS3(NR_finit_module, fd, "", 0);
		if (err && err != -EEXIST)
			say("guest: module %s: error %ld\n", name, err);
		SYS1(NR_close, fd);
	}
}

/* The entropy device: two readings that differ. */
static void random_check(void)
{
	uint64_t v[4] = {0};
	long fd = SYS2(NR_open, "/dev/hwrng", O_RDONLY);
	long n = fd < 0 ? fd : SYS3(NR_read, fd, v, sizeof(v));

	if (n != sizeof(v))
		say("guest: hwrng: no random bytes, error %ld\n", n);
	else
		say("guest: hwrng %s\n",
		    v[0] != v[1] && v[1] != v[2] && v[2] != v[3] ? "ok" : "stuck");
	if (fd >= 0)
		SYS1(NR_close, fd);
}

static void console_open(void)
{
	long fd = SYS2(NR_open, "/dev/console", O_RDWR);

	for (int i = 0; i < 3 && fd >= 0; i++)
		SYS2(NR_dup2, fd, i);
}

static void mounts_make(void)
{
	static const char *const fs[][2] = {
	    {"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}};

	for (unsigned i = 0; i < 3; i++) {
		SYS2(NR_mkdir, fs[i][1], 0755);
		syscall6(NR_mount, (long)fs[i][0], (long)fs[i][1], (long)fs[i][0], 0, 0, 0);
	}
}

static void shell_start(void)
{
	static char *const argv[] = {"sh", NULL};
	static char *const envp[] = {"PATH=/bin", "HOME=/", "TERM=dumb", "PS1=guest# ", NULL};

	if (SYS0(NR_fork))
		return;
	SYS0(NR_setsid);
	/* A controlling terminal, so that Ctrl-C reaches the shell's commands. */
	long fd = SYS2(NR_open, "/dev/ttyS0", O_RDWR);

	for (int i = 0; i < 3 && fd >= 0; i++)
		SYS2(NR_dup2, fd, i);
	SYS3(NR_ioctl, 0, 0x540e, 1); /* TIOCSCTTY */
	SYS3(NR_execve, "/bin/busybox", argv, envp);
	say("guest: no shell in this image\n");
	SYS1(NR_exit, 1);
}

/* The workers first: the kernel fails their disk requests while it shuts down. */
static void power_off(void)
{
	say("guest: power off\n");
	SYS2(NR_kill, -1, 9);
	while (syscall6(NR_wait4, -1, 0, 0, 0, 0, 0) > 0)
		;
	SYS3(NR_reboot, 0xfee1dead, 672274793, 0x4321fedc);
}

/* Nobody runs acpid here: KEY_POWER (116) pressed on any input device. */
static bool power_button_pressed(void)
{
	static char path[] = "/dev/input/event0";
	static long fds[4];
	struct {
		struct timespec when;
		uint16_t type, code;
		int32_t value;
	} event;

	for (unsigned i = 0; i < 4; i++) {
		if (fds[i] <= 0) {
			path[sizeof(path) - 2] = (char)('0' + i);
			fds[i] = SYS2(NR_open, path, O_RDONLY | O_NONBLOCK);
		}
		while (fds[i] > 0 && SYS3(NR_read, fds[i], &event, sizeof(event)) > 0)
			if (event.type == 1 && event.code == 116 && event.value == 1)
				return true;
	}
	return false;
}

/* Also the watch over the clock: the largest gap and any step back since the last line. */
static void tick_line(struct work *w, uint64_t start, uint64_t *last, uint64_t *gap, uint64_t *tick)
{
	uint64_t now = clock_monotonic_ns();

	if (now < *last) {
		w->corrupt++;
		say("work: CORRUPT clock went back from %lu to %lu ns\n", *last, now);
	} else if (now - *last > *gap) {
		*gap = now - *last;
	}
	*last = now;
	if (now - start < (*tick + 1) * 1000000000ull)
		return;
	*tick = (now - start) / 1000000000ull;
	say("work: tick %lu mem ok %lu pages disk ok %lu blocks t=%lu ms gap=%lu ms corrupt %lu\n",
	    *tick, w->mem_ok, w->disk_ok, (now - start) / 1000000, *gap / 1000000, w->corrupt);
	*gap = 0;
}

/* Until the end of the guest. */
static void guest_watch(struct work *w, bool ticking, uint64_t poweroff_after)
{
	uint64_t start = clock_monotonic_ns(), last = start, gap = 0, tick = 0, rounds = 0;

	for (;;) {
		if (ticking || poweroff_after)
			tick_line(w, start, &last, &gap, &tick);
		if (poweroff_after && tick >= poweroff_after)
			power_off();
		if (rounds++ % 16 == 0 && power_button_pressed())
			power_off();
		sleep_ns(10000000);
	}
}

/* "10.7.0.2"; what is not a number counts as 0. */
static void address_parse(const char *s, uint8_t ip[4])
{
	for (unsigned i = 0; i < 4; i++) {
		for (; *s >= '0' && *s <= '9'; s++)
			ip[i] = (uint8_t)(ip[i] * 10 + (*s - '0'));
		s += *s == '.';
	}
}

static char disk_path[64] = "/dev/";

static void disk_path_set(const char *name)
{
	size_t n = str_len(disk_path);

	while (*name > ' ' && n < sizeof(disk_path) - 1)
		disk_path[n++] = *name++;
}

__attribute__((used)) void init_main(void)
{
	static char cpus[64];
	struct work *w;

	mounts_make();
	console_open();
	file_read("/proc/cmdline", cmdline, sizeof(cmdline));
	modules_load();
	random_check();
	file_read("/sys/devices/system/cpu/online", cpus, sizeof(cpus));
	say("guest: cpus %s", cpus);
	w = pages_alloc(WORK_PAGE);
	w->mem_pages = option_number("pagurus.work", 0) * 256;
	w->mem_rate = option_number("pagurus.rate", 100);
	w->disk_blocks = option_number("pagurus.blocks", 64);
	w->disk_rate = option_number("pagurus.diskrate", 10);
	w->net_rate = option_number("pagurus.netrate", 25);
	say("guest: ready\n");
	if (w->mem_pages && SYS0(NR_fork) == 0)
		work_memory(w);
	for (uint64_t n = 0; w->mem_pages && n < 2; n++) /* two, so that they displace each other */
		if (SYS0(NR_fork) == 0)
			work_vector(w, n);
	if (option_find("pagurus.disk") && SYS0(NR_fork) == 0) {
		disk_path_set(option_find("pagurus.disk"));
		work_disk(w, disk_path);
	}
	if (option_find("pagurus.net") && SYS0(NR_fork) == 0) {
		uint8_t ip[4] = {0};

		address_parse(option_find("pagurus.net"), ip);
		work_net(w, ip);
	}
	if (option_find("pagurus.shell"))
		shell_start();
	guest_watch(w, w->mem_pages || option_find("pagurus.disk") || option_find("pagurus.tick"),
		    option_number("pagurus.poweroff", 0));
}

/* The kernel enters with RSP 16-byte aligned; a function expects it off by 8. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tcall init_main\n\thlt\n");
