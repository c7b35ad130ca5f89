/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From firmware to kernel. All memory is taken first, since each allocation
 * changes the map whose key the firmware wants back; then map, leave, convert,
 * switch and jump, with nothing in between that could fail.
 */
#include "boot/leave.h"
#include "boot/memmap.h"
#include "boot/paging.h"
#include "boot/platform.h"
#include "kernel/lib/string.h"

#define LEAVE_STACK_SIZE (64 * KiB)
#define LEAVE_TRIES	 16
#define LEAVE_MAP_SLACK	 64 /* descriptors that our own allocations may add */

/* SDM volume 3, "Control Registers" */
#define CR4_PGE	 BIT(7)
#define CR4_LA57 BIT(12)
#define CR4_CET	 BIT(23)

struct leave {
	struct memmap map;
	void *map_buffer;
	uint64_t map_room; /* bytes */
	UINTN map_key;
	uint64_t *edges;
	uint8_t *stack;
	struct paging paging;
};

static uint64_t cr4_read(void)
{
	uint64_t v;

	asm volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static EFI_STATUS leave_map_get(struct leave *lv)
{
	UINTN size = lv->map_room, desc_size = 0;
	UINT32 desc_version = 0;
	EFI_STATUS status =
	    fw_boot->GetMemoryMap(&size, lv->map_buffer, &lv->map_key, &desc_size, &desc_version);

	lv->map = (struct memmap){lv->map_buffer, size, desc_size};
	return status;
}

/* Buffers for the largest map to expect, and the kernel's first stack. */
static EFI_STATUS leave_prepare(struct leave *lv)
{
	EFI_STATUS status = leave_map_get(lv); /* no room yet: tells how much is needed */

	if (status != EFI_BUFFER_TOO_SMALL)
		return EFI_ERROR(status) ? status : EFI_LOAD_ERROR;
	if (lv->map.desc_size < sizeof(struct memmap_desc))
		return EFI_UNSUPPORTED;
	lv->map_room = lv->map.size + LEAVE_MAP_SLACK * lv->map.desc_size;
	lv->map_buffer = fw_pages_alloc(lv->map_room);
	lv->edges = fw_pages_alloc(lv->map_room / lv->map.desc_size * 2 * sizeof(uint64_t));
	lv->stack = fw_pages_alloc(LEAVE_STACK_SIZE);
	return lv->map_buffer && lv->edges && lv->stack ? EFI_SUCCESS : EFI_OUT_OF_RESOURCES;
}

static void *leave_table_page(void)
{
	void *page = fw_pages_alloc_low(PAGE_SIZE, PAGE_SIZE); /* CR3 has 32 bits at first */

	if (page)
		memset(page, 0, PAGE_SIZE);
	return page;
}

static EFI_STATUS leave_tables_build(struct leave *lv, const struct handoff *handoff)
{
	struct paging *pg = &lv->paging;
	EFI_STATUS status = leave_map_get(lv);
	int err;

	if (EFI_ERROR(status))
		return status;
	err = paging_init(pg, leave_table_page, platform_has_gib_pages());
	if (!err)
		err = paging_map_direct(pg, 0, 4 * GiB);
	for (unsigned i = 0; !err && i < memmap_count(&lv->map); i++) {
		struct handoff_mem region = memmap_region(&lv->map, i);

		if (memmap_is_mapped(&lv->map, i))
			err = paging_map_direct(pg, region.base, region.size);
	}
	if (!err)
		err = paging_map_kernel(pg, handoff->kernel_phys, handoff->kernel_size);
	return err ? EFI_OUT_OF_RESOURCES : EFI_SUCCESS;
}

/*
 * UEFI specification, "EFI_BOOT_SERVICES.ExitBootServices()": an event handler
 * may change the map in between, then only a new map and another try are allowed.
 */
static EFI_STATUS leave_boot_services(struct leave *lv, EFI_HANDLE image)
{
	EFI_STATUS status = EFI_LOAD_ERROR;

	for (unsigned i = 0; i < LEAVE_TRIES; i++) {
		status = leave_map_get(lv);
		if (EFI_ERROR(status))
			return status;
		status = fw_boot->ExitBootServices(image, lv->map_key);
		if (!EFI_ERROR(status))
			return status;
	}
	return status;
}

/* A call by hand: nothing of the old stack or tables may be touched after the switch. */
static void __attribute__((noreturn))
leave_jump(uint64_t cr3, uint64_t stack_top, uint64_t entry, uint64_t handoff)
{
	/* without PGE the firmware's global translations go too; CET has no shadow stack here */
	uint64_t cr4 = cr4_read() & ~(CR4_PGE | CR4_CET);

	asm volatile("cli\n\t"
		     "cld\n\t"
		     "mov %0, %%cr4\n\t"
		     "mov %1, %%cr3\n\t"
		     "mov %2, %%rsp\n\t"
		     "xor %%ebp, %%ebp\n\t"
		     "push %%rbp\n\t" /* as if called from nowhere: stack traces end here */
		     "jmp *%3"
		     :
		     : "a"(cr4), "b"(cr3), "c"(stack_top), "d"(entry), "D"(handoff)
		     : "memory");
	__builtin_unreachable();
}

EFI_STATUS leave_firmware(EFI_HANDLE image, struct handoff *handoff, uint64_t entry)
{
	struct leave lv = {0};
	EFI_STATUS status;

	if (cr4_read() & CR4_LA57) {
		fw_print("pagurus: firmware runs 5-level paging, the kernel uses 4: switch it off "
			 "in the firmware's setup\n");
		return EFI_UNSUPPORTED;
	}
	status = leave_prepare(&lv);
	if (!EFI_ERROR(status))
		status = leave_tables_build(&lv, handoff);
	if (EFI_ERROR(status)) {
		fw_print("pagurus: no memory map or page tables: %s\n", fw_status_text(status));
		return status;
	}
	fw_print("pagurus: leaving firmware\n");
	status = leave_boot_services(&lv, image);
	if (EFI_ERROR(status)) {
		fw_print("pagurus: firmware does not let go: %s\n", fw_status_text(status));
		return status;
	}
	handoff->mem_count = MIN(memmap_convert(&lv.map, lv.edges, handoff->mem, HANDOFF_MAX_MEM),
				 (unsigned)HANDOFF_MAX_MEM);
	leave_jump((uintptr_t)lv.paging.pml4, (uintptr_t)lv.stack + LEAVE_STACK_SIZE, entry,
		   (uintptr_t)handoff);
}
