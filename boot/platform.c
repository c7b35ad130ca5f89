/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Collects what the kernel could not find out, or not find safely, once the
 * firmware is gone. Reads tables' addresses only; their contents are checked by
 * the kernel.
 */
#include "boot/mp_services.h"
#include "boot/platform.h"
#include "kernel/lib/string.h"

/* SDM volume 2, CPUID */
#define CPUID_1_ECX_RDRAND     BIT(30)
#define CPUID_1_EBX_APIC_SHIFT 24
#define CPUID_EXT_MAX	       0x80000000u
#define CPUID_EXT_FEATURES     0x80000001u
#define CPUID_EXT_EDX_PAGE1GB  BIT(26)

#define RDRAND_TRIES 10 /* SDM volume 1, "Random Number Generator Instructions" */

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static struct cpuid_regs cpuid(uint32_t leaf)
{
	struct cpuid_regs r;

	asm volatile("cpuid"
		     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "a"(leaf), "c"(0));
	return r;
}

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* The table's address, or 0. */
static uint64_t platform_table(const EFI_GUID *guid)
{
	for (UINTN i = 0; i < fw_system->NumberOfTableEntries; i++) {
		const EFI_CONFIGURATION_TABLE *table = &fw_system->ConfigurationTable[i];

		if (memcmp(&table->VendorGuid, guid, sizeof(*guid)) == 0)
			return (uintptr_t)table->VendorTable;
	}
	return 0;
}

void platform_find_tables(struct handoff *handoff)
{
	static const EFI_GUID acpi20 = ACPI_20_TABLE_GUID, acpi10 = ACPI_TABLE_GUID;
	static const EFI_GUID smbios3 = SMBIOS3_TABLE_GUID, smbios2 = SMBIOS_TABLE_GUID;

	handoff->rsdp = platform_table(&acpi20);
	if (!handoff->rsdp)
		handoff->rsdp = platform_table(&acpi10);
	handoff->smbios = platform_table(&smbios3);
	if (!handoff->smbios)
		handoff->smbios = platform_table(&smbios2);
	fw_print("pagurus: ACPI %s, SMBIOS %s\n", handoff->rsdp ? "found" : "absent",
		 handoff->smbios ? "found" : "absent");
}

static void platform_add_cpu(struct handoff *handoff, const struct mp_processor *cpu)
{
	if ((cpu->flags & MP_PROCESSOR_AS_BSP) || cpu->id > UINT32_MAX)
		return; /* the booting CPU has its place already */
	if (!(cpu->flags & MP_PROCESSOR_ENABLED) || !(cpu->flags & MP_PROCESSOR_HEALTHY))
		return;
	if (handoff->cpu_count == HANDOFF_MAX_CPUS) {
		fw_print("pagurus: CPU with APIC id %u stays unused: at most %d CPUs\n",
			 (unsigned)cpu->id, HANDOFF_MAX_CPUS);
		return;
	}
	handoff->apic_ids[handoff->cpu_count++] = (uint32_t)cpu->id;
}

/* The booting CPU's id by the MP services, which know ids above 255, else by CPUID. */
static uint32_t platform_boot_cpu(struct mp_services *mp, UINTN count)
{
	struct mp_processor cpu;

	for (UINTN i = 0; i < count; i++) {
		memset(&cpu, 0, sizeof(cpu));
		if (!EFI_ERROR(mp->info(mp, i, &cpu)) && cpu.flags & MP_PROCESSOR_AS_BSP)
			return (uint32_t)cpu.id;
	}
	return cpuid(1).ebx >> CPUID_1_EBX_APIC_SHIFT;
}

void platform_find_cpus(struct handoff *handoff)
{
	EFI_GUID guid = MP_SERVICES_GUID;
	struct mp_services *mp = NULL;
	UINTN all = 0, enabled = 0;

	if (EFI_ERROR(fw_boot->LocateProtocol(&guid, NULL, (void **)&mp)) ||
	    EFI_ERROR(mp->count(mp, &all, &enabled))) {
		all = 0;
		fw_print("pagurus: firmware has no MP services: only the booting CPU is known\n");
	}
	handoff->apic_ids[0] = platform_boot_cpu(mp, all);
	handoff->cpu_count = 1;
	for (UINTN i = 0; i < all; i++) {
		struct mp_processor cpu;

		memset(&cpu, 0, sizeof(cpu));
		if (!EFI_ERROR(mp->info(mp, i, &cpu)))
			platform_add_cpu(handoff, &cpu);
	}
	fw_print("pagurus: %u CPU%s\n", handoff->cpu_count, handoff->cpu_count == 1 ? "" : "s");
}

static bool platform_rdrand(uint64_t *out)
{
	for (unsigned i = 0; i < RDRAND_TRIES; i++) {
		bool ok;

		asm volatile("rdrand %0" : "=r"(*out), "=@ccc"(ok)::"cc");
		if (ok)
			return true;
	}
	return false;
}

static bool platform_entropy_firmware(uint64_t words[4])
{
	EFI_GUID guid = EFI_RNG_PROTOCOL_GUID;
	EFI_RNG_PROTOCOL *rng;

	return !EFI_ERROR(fw_boot->LocateProtocol(&guid, NULL, (void **)&rng)) &&
	       !EFI_ERROR(rng->GetRNG(rng, NULL, 4 * sizeof(words[0]), (uint8_t *)words));
}

static bool platform_entropy_cpu(uint64_t words[4])
{
	if (!(cpuid(1).ecx & CPUID_1_ECX_RDRAND))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		if (!platform_rdrand(&words[i]))
			return false;
	}
	return true;
}

/* Sources are summed by XOR: one that is weak, or lies, takes nothing from another. */
void platform_gather_entropy(struct handoff *handoff)
{
	uint64_t firmware[4] = {0}, cpu[4] = {0}, sum[4];
	bool has_firmware = platform_entropy_firmware(firmware);
	bool has_cpu = platform_entropy_cpu(cpu);

	for (unsigned i = 0; i < 4; i++) {
		uint64_t tsc = rdtsc() * 0x9e3779b97f4a7c15ull; /* spreads the low bits */

		sum[i] = firmware[i] ^ cpu[i] ^ (tsc << (16 * i) | tsc >> (63 - 16 * i) >> 1);
		fw_boot->Stall(100); /* let the TSC drift against the firmware's timer */
	}
	memcpy(handoff->entropy, sum, sizeof(handoff->entropy));
	if (!has_firmware && !has_cpu)
		fw_print("pagurus: neither firmware nor CPU offers random numbers: keys rest on "
			 "the clock\n");
}

bool platform_has_gib_pages(void)
{
	return cpuid(CPUID_EXT_MAX).eax >= CPUID_EXT_FEATURES &&
	       cpuid(CPUID_EXT_FEATURES).edx & CPUID_EXT_EDX_PAGE1GB;
}
