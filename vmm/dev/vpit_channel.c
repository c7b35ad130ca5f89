/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One counter of the 8254: modes 0 to 5, latches, gate. Everything follows from
 * the guest time at which the count was loaded, so nothing drifts and nothing
 * runs while nobody looks.
 */
#include "vmm/dev/vpit.h"

enum { MODE_TERMINAL, MODE_ONE_SHOT, MODE_RATE, MODE_SQUARE, MODE_STROBE, MODE_HW_STROBE };

/* Split at whole seconds: no overflow for as long as guest time itself has none. */
static uint64_t ns_to_ticks(uint64_t ns)
{
	return ns / NS_PER_S * VPIT_HZ + ns % NS_PER_S * VPIT_HZ / NS_PER_S;
}

/* Rounded up: at that time the tick has happened. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks / VPIT_HZ * NS_PER_S + (ticks % VPIT_HZ * NS_PER_S + VPIT_HZ - 1) / VPIT_HZ;
}

static bool is_triggered_mode(const struct vpit_channel_state *c)
{
	return c->mode == MODE_ONE_SHOT || c->mode == MODE_HW_STROBE;
}

static bool is_periodic_mode(const struct vpit_channel_state *c)
{
	return c->mode == MODE_RATE || c->mode == MODE_SQUARE;
}

static bool is_paused(const struct vpit_channel_state *c)
{
	return !c->gate && !is_triggered_mode(c);
}

static uint32_t modulus(const struct vpit_channel_state *c)
{
	return c->bcd ? 10000 : 65536;
}

static void start_count(struct vpit_channel_state *c, uint64_t now, uint32_t count)
{
	c->count = count;
	c->next_count = 0;
	c->start_ns = now;
	c->paused_ticks = 0;
	c->running = 1;
}

/* Let a count that was written during a period take over at its end. */
static void sync(struct vpit_channel_state *c, uint64_t now)
{
	if (is_periodic_mode(c) && c->next_count && !is_paused(c) && now >= c->switch_ns)
		start_count(c, c->switch_ns, c->next_count);
}

static uint64_t ticks_done(const struct vpit_channel_state *c, uint64_t now)
{
	if (!c->running)
		return 0;
	if (is_paused(c))
		return c->paused_ticks;
	return now > c->start_ns ? ns_to_ticks(now - c->start_ns) : 0;
}

/* The counting element. */
static uint32_t current_count(struct vpit_channel_state *c, uint64_t now)
{
	uint32_t half, t;
	uint64_t ticks;

	sync(c, now);
	if (!c->count)
		return 0;
	ticks = ticks_done(c, now);
	if (!is_periodic_mode(c)) /* goes on below zero */
		return (uint32_t)((c->count + modulus(c) - ticks % modulus(c)) % modulus(c));
	t = (uint32_t)(ticks % c->count);
	if (c->mode == MODE_RATE)
		return (c->count - t) % modulus(c);
	/* square wave: by twos, each half from the start; odd counts from one less */
	half = (c->count + 1) / 2;
	return ((c->count & ~1u) - 2 * (t < half ? t : t - half)) % modulus(c);
}

bool vpit_channel_out(struct vpit_channel_state *c, uint64_t now)
{
	uint64_t ticks;

	sync(c, now);
	ticks = ticks_done(c, now);
	switch (c->mode) {
	case MODE_TERMINAL:
		return c->running && ticks >= c->count;
	case MODE_ONE_SHOT:
		return !c->running || ticks >= c->count;
	case MODE_RATE:
		return !c->running || !c->gate || ticks % c->count != c->count - 1;
	case MODE_SQUARE:
		return !c->running || !c->gate || ticks % c->count < (c->count + 1) / 2;
	default: /* strobes are low for one tick */
		return !c->running || ticks != c->count;
	}
}

uint64_t vpit_channel_next_rise(struct vpit_channel_state *c, uint64_t now)
{
	uint64_t at = 0;

	sync(c, now);
	if (!c->running || is_paused(c))
		return 0;
	if (is_periodic_mode(c)) {
		if (c->next_count)
			return c->switch_ns;
		return c->start_ns + ticks_to_ns((ticks_done(c, now) / c->count + 1) * c->count);
	}
	if (c->mode == MODE_TERMINAL || c->mode == MODE_ONE_SHOT)
		at = c->start_ns + ticks_to_ns(c->count);
	else
		at = c->start_ns + ticks_to_ns(c->count + 1ull);
	return at > now ? at : 0;
}

void vpit_channel_set_mode(struct vpit_channel_state *c, uint8_t control)
{
	uint8_t gate = c->gate, mode = (control >> 1) & 7;

	*c = (struct vpit_channel_state){
	    .gate = gate,
	    .mode = mode > MODE_HW_STROBE ? mode & 3 : mode, /* 6 and 7 are 2 and 3 */
	    .rw = (control >> 4) & 3,
	    .bcd = control & 1,
	};
}

static uint32_t decode_count(const struct vpit_channel_state *c, uint16_t value)
{
	uint32_t count = value;

	if (c->bcd)
		count = (value >> 12) * 1000u + (value >> 8 & 15) * 100u + (value >> 4 & 15) * 10u +
			(value & 15);
	/* digits above 9 can exceed the modulus */
	count %= modulus(c);
	return count ? count : modulus(c);
}

static uint16_t encode_count(const struct vpit_channel_state *c, uint32_t count)
{
	if (!c->bcd)
		return (uint16_t)count;
	return (uint16_t)((count / 1000 % 10) << 12 | (count / 100 % 10) << 8 |
			  (count / 10 % 10) << 4 | count % 10);
}

static void load_count(struct vpit_channel_state *c, uint64_t now, uint32_t count)
{
	sync(c, now);
	if (is_triggered_mode(c)) {
		if (c->running)
			c->next_count = count; /* from the next trigger on */
		else
			c->count = count;
		return;
	}
	if (is_periodic_mode(c) && c->running && !is_paused(c)) {
		c->switch_ns =
		    c->start_ns + ticks_to_ns((ticks_done(c, now) / c->count + 1) * c->count);
		c->next_count = count;
		return;
	}
	start_count(c, now, count);
}

bool vpit_channel_write(struct vpit_channel_state *c, uint64_t now, uint8_t value)
{
	uint16_t whole = value;

	if (c->rw == 2)
		whole = (uint16_t)(value << 8);
	if (c->rw == 3 && !c->write_high) {
		c->write_low = value;
		c->write_high = 1;
		if (c->mode == MODE_TERMINAL) /* "the first byte stops the count" */
			c->running = 0;
		return false;
	}
	if (c->rw == 3) {
		whole = (uint16_t)(value << 8 | c->write_low);
		c->write_high = 0;
	}
	load_count(c, now, decode_count(c, whole));
	return true;
}

uint8_t vpit_channel_read(struct vpit_channel_state *c, uint64_t now)
{
	uint16_t value;
	bool high;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	value = c->count_latched ? c->latch : encode_count(c, current_count(c, now));
	high = c->rw == 2 || (c->rw == 3 && c->read_high);
	if (c->rw == 3)
		c->read_high = !c->read_high;
	if (c->rw != 3 || high)
		c->count_latched = 0;
	return (uint8_t)(high ? value >> 8 : value);
}

void vpit_channel_latch_count(struct vpit_channel_state *c, uint64_t now)
{
	if (c->count_latched) /* the first one stays until it is read */
		return;
	c->latch = encode_count(c, current_count(c, now));
	c->count_latched = 1;
}

void vpit_channel_latch_status(struct vpit_channel_state *c, uint64_t now)
{
	bool null_count;

	if (c->status_latched)
		return;
	sync(c, now);
	null_count = !c->count || c->next_count;
	c->status = (uint8_t)(vpit_channel_out(c, now) << 7 | null_count << 6 | c->rw << 4 |
			      c->mode << 1 | c->bcd);
	c->status_latched = 1;
}

void vpit_channel_set_gate(struct vpit_channel_state *c, uint64_t now, bool gate)
{
	uint64_t done;

	if (c->gate == gate)
		return;
	sync(c, now);
	if (!gate) {
		c->paused_ticks = ticks_done(c, now);
		c->gate = 0;
		return;
	}
	c->gate = 1;
	if (is_triggered_mode(c) || is_periodic_mode(c)) {
		if (c->count)
			start_count(c, now, c->next_count ? c->next_count : c->count);
		return;
	}
	done = ticks_to_ns(c->paused_ticks);
	c->start_ns = now > done ? now - done : 0;
}
