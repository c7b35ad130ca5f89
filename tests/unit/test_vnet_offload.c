/* SPDX-License-Identifier: BSD-2-Clause */
/* Checksums and TCP segmentation, against a naive checksum and against what was put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vmm/dev/vnet_offload.h"

#define ETH 14u

static uint8_t packet[VNET_PACKET_MAX];
static struct vnet_packet p;
static int read_err;

static int read_packet(void *ctx, uint32_t offset, void *buf, uint32_t len)
{
	assert_true((uint64_t)offset + len <= p.len);
	memcpy(buf, packet + offset, len);
	return read_err;
}

/* RFC 1071 word by word, in network order: another way than the one under test. */
static uint16_t naive_sum(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t be16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
	return be16(at) << 16 | be16(at + 2);
}

/* Of a TCP segment with its pseudo header: 0xffff when the checksum in it is right. */
static uint16_t tcp_sum(const uint8_t *frame, uint32_t len, uint32_t tcp, bool v4)
{
	const uint8_t *addrs = frame + ETH + (v4 ? 12 : 8);
	uint32_t sum = naive_sum(addrs, v4 ? 8 : 32, 6 + (len - tcp));

	return naive_sum(frame + tcp, len - tcp, sum);
}

/* A TCP packet; options: bytes of TCP options. Returns where TCP begins. */
static uint32_t make_tcp(bool v4, uint32_t payload, uint32_t options, uint16_t gso_size)
{
	uint32_t tcp = ETH + (v4 ? 24 : 40), head = tcp + 20 + options; /* IPv4 with an option */
	uint8_t *ip = packet + ETH, *t = packet + tcp;

	memset(packet, 0, head);
	for (uint32_t i = 0; i < payload; i++)
		packet[head + i] = i * 7 + (i >> 8);
	memset(packet, 0x52, 12);
	packet[12] = v4 ? 0x08 : 0x86;
	packet[13] = v4 ? 0x00 : 0xdd;
	if (v4) {
		memcpy(ip,
		       "\x46\x00\x00\x00\xff\xfe\x40\x00\x40\x06\x12\x34\x0a\x00\x00\x01\x0a\x00"
		       "\x00\x02"
		       "\x94\x04\x00\x00",
		       24);
	} else {
		memcpy(ip, "\x60\x01\x02\x03\x00\x00\x06\x40", 8);
		for (unsigned i = 8; i < 40; i++)
			ip[i] = i * 3;
	}
	memcpy(t, "\x1f\x90\x00\x50\xff\xff\xff\x00\x00\x00\x00\x09\x00\x99\x01\x00", 16);
	t[12] = (20 + options) / 4 << 4;
	t[16] = 0xab; /* what the driver left there */
	p = (struct vnet_packet){.len = head + payload, .frame_max = 1514, .read = read_packet};
	p.hdr = (struct vnet_hdr){.flags = VNET_HDR_NEEDS_CSUM,
				  .gso_type = v4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6,
				  .gso_size = gso_size,
				  .csum_start = tcp,
				  .csum_offset = 16};
	read_err = 0;
	return tcp;
}

static void check_segments(bool v4, uint32_t payload, uint32_t options, uint16_t gso_size)
{
	uint32_t tcp = make_tcp(v4, payload, options, gso_size), head = tcp + 20 + options,
		 done = 0;
	uint8_t out[1514];

	assert_int_equal(vnet_packet_open(&p), 0);
	assert_int_equal(p.head_len, head);
	for (uint32_t i = 0; i < p.frames; i++) {
		int len = vnet_packet_frame(&p, i, out);
		uint32_t n = len - head;
		bool last = i + 1 == p.frames;

		assert_in_range(len, head, 1514);
		assert_int_equal(n, last ? payload - done : gso_size);
		assert_memory_equal(out, packet, ETH);
		assert_memory_equal(out + head, packet + head + done, n);
		if (v4) {
			assert_int_equal(be16(out + ETH + 2), len - ETH);
			assert_int_equal(be16(out + ETH + 4), (0xfffe + i) & 0xffff);
			assert_int_equal(naive_sum(out + ETH, tcp - ETH, 0), 0xffff);
		} else {
			assert_int_equal(be16(out + ETH + 4), len - ETH - 40);
		}
		assert_int_equal(be32(out + tcp + 4), (uint32_t)(0xffffff00 + done));
		assert_int_equal(out[tcp + 13], (last ? 0x19 : 0x10) | (i ? 0 : 0x80));
		assert_int_equal(tcp_sum(out, len, tcp, v4), 0xffff);
		done += n;
	}
	assert_int_equal(done, payload);
}

static void segments(void **state)
{
	for (unsigned v4 = 0; v4 < 2; v4++) {
		check_segments(v4, 5000, 12, 1400);
		check_segments(v4, 2800, 0, 1400);
		check_segments(v4, 1, 40, 1400);
		check_segments(v4, 0, 0, 1400);
		check_segments(v4, 777, 4, 1);
		check_segments(v4, 64000, 12, 1420);
	}
}

static void checksum_alone(void **state)
{
	uint8_t out[1514];

	for (uint32_t len = 60; len < 80; len++) {
		for (uint32_t i = 0; i < len; i++)
			packet[i] = i * 31;
		p = (struct vnet_packet){.len = len, .frame_max = 1514, .read = read_packet};
		p.hdr = (struct vnet_hdr){
		    .flags = VNET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
		assert_int_equal(vnet_packet_open(&p), 0);
		assert_int_equal(p.frames, 1);
		assert_int_equal(vnet_packet_frame(&p, 0, out), len);
		/* the field held the pseudo header's sum: it counts, then is replaced */
		uint32_t expected = ~naive_sum(packet + 34, len - 34, 0) & 0xffff;

		assert_int_equal(be16(out + 40), expected ? expected : 0xffff);
		packet[40] = out[40];
		packet[41] = out[41];
		assert_memory_equal(out, packet, len);
	}
}

static void a_zero_checksum_is_written_as_ones(void **state)
{
	uint8_t out[64];

	memset(packet, 0, sizeof(out));
	packet[34] = packet[35] = 0xff;
	p = (struct vnet_packet){.len = 60, .frame_max = 1514, .read = read_packet};
	p.hdr = (struct vnet_hdr){.flags = VNET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
	assert_int_equal(vnet_packet_open(&p), 0);
	assert_int_equal(vnet_packet_frame(&p, 0, out), 60);
	assert_int_equal(be16(out + 40), 0xffff);
}

static void sent_as_it_is(void **state)
{
	uint8_t out[1514];

	memset(packet, 0x77, 1514);
	p = (struct vnet_packet){.len = 1514, .frame_max = 1514, .read = read_packet};
	assert_int_equal(vnet_packet_open(&p), 0);
	assert_int_equal(vnet_packet_frame(&p, 0, out), 1514);
	assert_memory_equal(out, packet, 1514);
}

/* Each damage to a good packet must be refused before a byte is sent. */
static void hostile_headers(void **state)
{
	static const struct {
		unsigned what;
		uint32_t value;
	} bad[] = {
	    {0, 13},	{0, VNET_PACKET_MAX + 1},
	    {1, 3},	{1, 5},
	    {2, 0},	{2, 1500},
	    {3, 0},	{3, 0xffff},
	    {3, 14},	{4, 6},
	    {5, 0},	{6, 0x40},
	    {7, 0x45},	{8, 0x11},
	    {9, 0x86},	{0, ETH + 24 + 19},
	    {10, 0x66},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		uint32_t tcp = make_tcp(true, 200, 0, 100), v = bad[i].value;

		switch (bad[i].what) {
		case 0:
			p.len = v;
			break;
		case 1:
			p.hdr.gso_type = v;
			break;
		case 2:
			p.hdr.gso_size = v;
			break;
		case 3:
			p.hdr.csum_start = v;
			break;
		case 4:
			p.hdr.csum_offset = v;
			break;
		case 5:
			p.hdr.flags = v;
			break;
		case 6:
			packet[tcp + 12] = v;
			break;
		case 7:
			packet[ETH] = v;
			break;
		case 8:
			packet[ETH + 9] = v;
			break;
		case 9:
			packet[12] = v;
			break;
		case 10:
			packet[ETH] = v;
			break;
		}
		if (vnet_packet_open(&p) != -E_INVAL)
			fail_msg("damage %u was accepted", i);
	}
	make_tcp(true, 200, 0, 100);
	p.hdr.gso_type = 0;
	p.frame_max = 200;
	assert_int_equal(vnet_packet_open(&p), -E_INVAL); /* longer than a frame */
	p.frame_max = 1514;
	p.hdr.csum_start = 0xffff;
	p.hdr.csum_offset = 0xffff;
	assert_int_equal(vnet_packet_open(&p), -E_INVAL);
	p.hdr.csum_start = p.len - 2;
	p.hdr.csum_offset = 1;
	assert_int_equal(vnet_packet_open(&p), -E_INVAL);
	p.hdr.csum_offset = 0;
	assert_int_equal(vnet_packet_open(&p), 0);
}

static void errors_of_memory_come_through(void **state)
{
	uint8_t out[1514];

	make_tcp(true, 200, 0, 100);
	read_err = -E_PROTO;
	assert_int_equal(vnet_packet_open(&p), -E_PROTO);
	read_err = 0;
	assert_int_equal(vnet_packet_open(&p), 0);
	read_err = -E_PROTO;
	assert_int_equal(vnet_packet_frame(&p, 1, out), -E_PROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(segments),
	    cmocka_unit_test(checksum_alone),
	    cmocka_unit_test(a_zero_checksum_is_written_as_ones),
	    cmocka_unit_test(sent_as_it_is),
	    cmocka_unit_test(hostile_headers),
	    cmocka_unit_test(errors_of_memory_come_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
