/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EFI_MP_SERVICES_PROTOCOL, the part that counts CPUs: from the PI
 * specification, volume 2, "MP Services Protocol". Not part of GNU-EFI.
 */
#ifndef BOOT_MP_SERVICES_H
#define BOOT_MP_SERVICES_H

#include <efi.h>

#define MP_SERVICES_GUID                                                                           \
	{                                                                                          \
		0x3fdda605, 0xa76e, 0x4f46,                                                        \
		{                                                                                  \
			0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08                             \
		}                                                                                  \
	}

#define MP_PROCESSOR_AS_BSP  1u
#define MP_PROCESSOR_ENABLED 2u
#define MP_PROCESSOR_HEALTHY 4u

struct mp_processor {
	UINT64 id; /* local APIC id */
	UINT32 flags;
	UINT32 package, core, thread;
	UINT32 extended[6]; /* written by newer firmware when asked; room for it in any case */
};

struct mp_services {
	EFI_STATUS(EFIAPI *count)(struct mp_services *mp, UINTN *all, UINTN *enabled);
	EFI_STATUS(EFIAPI *info)(struct mp_services *mp, UINTN index, struct mp_processor *out);
	/* start-up of other CPUs and the like follow; the kernel does that itself */
};

#endif
