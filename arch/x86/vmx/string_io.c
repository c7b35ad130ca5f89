/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INS and OUTS exit before the processor looks whether their memory operand is inside
 * its segment (SDM vol. 3, "Relative Priority of Faults and VM Exits"): done here.
 */
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"

#define EFER_LMA	BIT(10)
#define ACCESS_WRITE	BIT(1) /* data; code: readable */
#define ACCESS_DOWN	BIT(2) /* data: expands down */
#define ACCESS_CODE	BIT(3)
#define ACCESS_DB	BIT(14)
#define ACCESS_UNUSABLE BIT(16)

static bool is_canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static bool limit_holds(uint64_t access, uint64_t limit, uint64_t offset, unsigned size)
{
	uint64_t last = offset + size - 1;

	if ((access & (ACCESS_CODE | ACCESS_DOWN)) != ACCESS_DOWN)
		return last <= limit;
	return offset > limit && last <= (access & ACCESS_DB ? 0xffffffff : 0xffff);
}

bool string_io_is_inside(struct hw_vcpu *h, const struct vcpu_exit *e, enum cpu_seg seg)
{
	uint64_t access = vmread(VMCS_GUEST_ES_ACCESS + 2 * seg);
	uint64_t limit = vmread(VMCS_GUEST_ES_LIMIT + 2 * seg);
	uint64_t mask = e->io.addr_size == 8 ? UINT64_MAX : BIT(8 * e->io.addr_size) - 1;

	if ((vmread(VMCS_GUEST_EFER) & EFER_LMA) && (vmread(VMCS_GUEST_CS_ACCESS) & SEG_ACCESS_L))
		return is_canonical(e->io.linear) && is_canonical(e->io.linear + e->io.size - 1);
	if (access & ACCESS_UNUSABLE)
		return false;
	if (e->io.in ? (access & ACCESS_CODE) || !(access & ACCESS_WRITE)
		     : (access & (ACCESS_CODE | ACCESS_WRITE)) == ACCESS_CODE)
		return false;
	return limit_holds(access, limit, h->gpr[e->io.in ? RDI : RSI] & mask, e->io.size);
}
