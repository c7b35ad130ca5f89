/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of link and stream. */
#ifndef KERNEL_LIB_CRC32C_H
#define KERNEL_LIB_CRC32C_H

#include "kernel/lib/base.h"

/*
 * Continue a CRC: start with crc = 0, feed parts in order.
 * crc32c(0, "123456789", 9) == 0xe3069283.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The two ways that crc32c chooses between by CPUID; equal results. For the unit test. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t len);
uint32_t crc32c_by_cpu(uint32_t crc, const void *data, size_t len); /* needs SSE4.2 */
bool crc32c_cpu_can(void);

#endif
