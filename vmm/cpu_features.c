/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of features. One row a bit. */
#include "vmm/cpu_features.h"
#include "vmm/cpuid_policy.h"

#define NONE CPUID_NO_SUBLEAF
#define L1C(n, b)                                                                                  \
	{                                                                                          \
		n, 1, NONE, CPUID_ECX, b, 0, 0                                                     \
	}
#define L1D(n, b)                                                                                  \
	{                                                                                          \
		n, 1, NONE, CPUID_EDX, b, 0, 0                                                     \
	}
#define L1D4(n, b, c4)                                                                             \
	{                                                                                          \
		n, 1, NONE, CPUID_EDX, b, c4, 0                                                    \
	}
#define L7B(n, b)                                                                                  \
	{                                                                                          \
		n, 7, 0, CPUID_EBX, b, 0, 0                                                        \
	}
#define L7C(n, b)                                                                                  \
	{                                                                                          \
		n, 7, 0, CPUID_ECX, b, 0, 0                                                        \
	}
#define XC(n, b)                                                                                   \
	{                                                                                          \
		n, 0x80000001, NONE, CPUID_ECX, b, 0, 0                                            \
	}
#define XD(n, b)                                                                                   \
	{                                                                                          \
		n, 0x80000001, NONE, CPUID_EDX, b, 0, 0                                            \
	}

const struct cpu_feature cpu_features[] = {
    L1C("sse3", 0),
    L1C("pclmulqdq", 1),
    L1C("ssse3", 9),
    L1C("fma", 12),
    L1C("cx16", 13),
    {"pcid", 1, NONE, CPUID_ECX, 17, 17, 0},
    L1C("sse4.1", 19),
    L1C("sse4.2", 20),
    L1C("x2apic", 21),
    L1C("movbe", 22),
    L1C("popcnt", 23),
    L1C("tsc-deadline", 24),
    L1C("aes", 25),
    {"xsave", 1, NONE, CPUID_ECX, 26, 18, 0},
    {"avx", 1, NONE, CPUID_ECX, 28, 0, 2},
    L1C("f16c", 29),
    L1C("rdrand", 30),

    L1D("fpu", 0),
    L1D4("vme", 1, 0),
    L1D4("de", 2, 3),
    L1D4("pse", 3, 4),
    L1D("tsc", 4),
    L1D("msr", 5),
    L1D4("pae", 6, 5),
    L1D4("mce", 7, 6),
    L1D("cx8", 8),
    L1D("apic", 9),
    L1D("sep", 11),
    L1D("mtrr", 12),
    L1D4("pge", 13, 7),
    L1D("mca", 14),
    L1D("cmov", 15),
    L1D("pat", 16),
    L1D("pse36", 17),
    L1D("clflush", 19),
    L1D("mmx", 23),
    L1D4("fxsr", 24, 9),
    L1D4("sse", 25, 10),
    L1D("sse2", 26),

    {"fsgsbase", 7, 0, CPUID_EBX, 0, 16, 0},
    L7B("tsc-adjust", 1),
    L7B("bmi1", 3),
    L7B("avx2", 5),
    {"smep", 7, 0, CPUID_EBX, 7, 20, 0},
    L7B("bmi2", 8),
    L7B("erms", 9),
    L7B("invpcid", 10),
    {"avx512f", 7, 0, CPUID_EBX, 16, 0, 5},
    L7B("avx512dq", 17),
    L7B("rdseed", 18),
    L7B("adx", 19),
    {"smap", 7, 0, CPUID_EBX, 20, 21, 0},
    L7B("clflushopt", 23),
    L7B("clwb", 24),
    L7B("avx512cd", 28),
    L7B("sha", 29),
    L7B("avx512bw", 30),
    L7B("avx512vl", 31),
    {"umip", 7, 0, CPUID_ECX, 2, 11, 0},
    L7C("gfni", 8),
    L7C("vaes", 9),
    L7C("vpclmulqdq", 10),
    L7C("rdpid", 22),
    {"fsrm", 7, 0, CPUID_EDX, 4, 0, 0},

    {"xsaveopt", 0xd, 1, CPUID_EAX, 0, 0, 0},
    {"xsavec", 0xd, 1, CPUID_EAX, 1, 0, 0},
    {"xgetbv1", 0xd, 1, CPUID_EAX, 2, 0, 0},

    XC("lahf", 0),
    XC("lzcnt", 5),
    XC("prefetchw", 8),
    XD("syscall", 11),
    XD("nx", 20),
    XD("pdpe1gb", 26),
    XD("rdtscp", 27),
    XD("lm", 29),
    {"invariant-tsc", 0x80000007, NONE, CPUID_EDX, 8, 0, 0},
};

const unsigned cpu_feature_count = ARRAY_SIZE(cpu_features);
