/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APIC, I/O APIC and the 8259s of the host. */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/paging.h"
#include "arch/x86/tsc.h"

#define MSR_APIC_BASE	 0x1b
#define APIC_BASE_X2	 BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define MSR_X2APIC	 0x800
#define MSR_TSC_DEADLINE 0x6e0

#define APIC_ID		 0x20
#define APIC_TPR	 0x80
#define APIC_EOI	 0xb0
#define APIC_SVR	 0xf0
#define APIC_ICR_LOW	 0x300
#define APIC_ICR_HIGH	 0x310
#define APIC_LVT_TIMER	 0x320
#define APIC_LVT_LINT0	 0x350
#define APIC_LVT_LINT1	 0x360
#define APIC_LVT_ERROR	 0x370
#define APIC_TIMER_INIT	 0x380
#define APIC_TIMER_COUNT 0x390
#define APIC_TIMER_DIV	 0x3e0

#define SVR_ENABLE	 BIT(8)
#define LVT_MASKED	 BIT(16)
#define LVT_TSC_DEADLINE BIT(18)
#define LVT_NMI		 0x400
#define ICR_INIT	 0x4500
#define ICR_STARTUP	 0x4600
#define ICR_FIXED	 0x4000
#define ICR_PENDING	 BIT(12)

static volatile uint32_t *xapic; /* NULL in x2APIC mode */
static bool tsc_deadline;
static uint64_t timer_khz; /* of the count-down timer with divisor 16 */

static uint32_t apic_read(unsigned reg)
{
	return xapic ? xapic[reg / 4] : (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
}

static void apic_write(unsigned reg, uint32_t v)
{
	if (xapic)
		xapic[reg / 4] = v;
	else
		wrmsr(MSR_X2APIC + reg / 16, v);
}

uint32_t apic_id(void)
{
	return xapic ? apic_read(APIC_ID) >> 24 : apic_read(APIC_ID);
}

int apic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (!(base & APIC_BASE_X2)) {
		xapic = paging_map_mmio(base & 0xffffff000ull, PAGE_SIZE);
		if (!xapic)
			return -E_NOMEM;
	}
	tsc_deadline = cpuid(1, 0).ecx & BIT(24);
	return 0;
}

/* Count the timer against the TSC once; every CPU's timer runs alike. */
static void timer_calibrate(void)
{
	uint64_t start;
	uint32_t before, after;

	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_TIMER_INIT, 0xffffffff);
	start = rdtsc();
	before = apic_read(APIC_TIMER_COUNT);
	while (rdtsc() - start < 10 * tsc_khz())
		cpu_pause();
	after = apic_read(APIC_TIMER_COUNT);
	apic_write(APIC_TIMER_INIT, 0);
	timer_khz = MAX((before - after) / 10, 1u);
}

void apic_init_cpu(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	if (!xapic)
		base |= APIC_BASE_X2; /* an AP may start in xAPIC mode: follow the boot CPU */
	wrmsr(MSR_APIC_BASE, base);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TIMER_DIV, 3); /* by 16 */
	if (!tsc_deadline && !timer_khz)
		timer_calibrate();
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? LVT_TSC_DEADLINE : 0));
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static void icr_write(uint32_t dest, uint32_t low)
{
	if (!xapic) {
		/* WRMSR to the x2APIC orders nothing: what the other CPU is to see comes first. */
		asm volatile("mfence; lfence" ::: "memory");
		wrmsr(MSR_X2APIC + APIC_ICR_LOW / 16, (uint64_t)dest << 32 | low);
		return;
	}
	while (apic_read(APIC_ICR_LOW) & ICR_PENDING)
		cpu_pause();
	apic_write(APIC_ICR_HIGH, dest << 24);
	apic_write(APIC_ICR_LOW, low);
}

void apic_send_init(uint32_t id)
{
	icr_write(id, ICR_INIT);
}

void apic_send_sipi(uint32_t id, uint8_t page)
{
	icr_write(id, ICR_STARTUP | page);
}

void apic_send_kick(uint32_t id)
{
	icr_write(id, ICR_FIXED | VECTOR_KICK);
}

void apic_timer_set(uint64_t deadline)
{
	uint64_t now, count;

	if (tsc_deadline) {
		wrmsr(MSR_TSC_DEADLINE, deadline);
		return;
	}
	if (!deadline) {
		apic_write(APIC_TIMER_INIT, 0);
		return;
	}
	now = rdtsc();
	count = deadline > now ? MIN(deadline - now, 10000 * tsc_khz()) * timer_khz / tsc_khz() : 0;
	apic_write(APIC_TIMER_INIT, MIN(MAX(count, 1ull), 0xffffffffull));
}

/* ---- I/O APIC ------------------------------------------------------------ */

#define IOAPIC_REG_VER	 1
#define IOAPIC_REG_REDIR 0x10
#define REDIR_MASKED	 BIT(16)
#define REDIR_LEVEL	 BIT(15)
#define REDIR_ACTIVE_LOW BIT(13)

static volatile uint32_t *ioapic;

static uint32_t ioapic_read(unsigned reg)
{
	ioapic[0] = reg;
	return ioapic[4];
}

static void ioapic_write(unsigned reg, uint32_t v)
{
	ioapic[0] = reg;
	ioapic[4] = v;
}

unsigned ioapic_init(hpa_t base)
{
	uint32_t version;
	unsigned pins;

	ioapic = paging_map_mmio(base, PAGE_SIZE);
	if (!ioapic)
		return 0;
	version = ioapic_read(IOAPIC_REG_VER);
	if (version == 0xffffffff || version == 0) {
		ioapic = NULL;
		return 0;
	}
	pins = MIN((version >> 16 & 0xff) + 1, (unsigned)IOAPIC_MAX_PINS);
	for (unsigned pin = 0; pin < pins; pin++)
		ioapic_write(IOAPIC_REG_REDIR + 2 * pin, REDIR_MASKED);
	return pins;
}

/*
 * The lab's emulated I/O APIC ignores the polarity bit and PCI lines reach it
 * active high there; real chipsets want active low for PCI.
 */
void ioapic_route(unsigned pin, bool level, uint32_t id)
{
	uint32_t low = VECTOR_IRQ_BASE + pin;

	if (level)
		low |= REDIR_LEVEL | REDIR_ACTIVE_LOW;
	ioapic_write(IOAPIC_REG_REDIR + 2 * pin + 1, id << 24);
	ioapic_write(IOAPIC_REG_REDIR + 2 * pin, low);
}

void pic_disable(void)
{
	/* Re-base away from exceptions first, so that a spurious IRQ 7 is harmless. */
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(0x21, 0xe0);
	outb(0xa1, 0xe8);
	outb(0x21, 4);
	outb(0xa1, 2);
	outb(0x21, 1);
	outb(0xa1, 1);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}
