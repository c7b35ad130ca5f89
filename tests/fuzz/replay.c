/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main for a fuzz target without libFuzzer: runs each file named on the command
 * line once. For the stored corpus in `make check`, built with gcc's sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

/* In a block of exactly its size, so that ASan sees a step beyond the end. */
static int replay(const char *path)
{
	FILE *in = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!in || fseek(in, 0, SEEK_END) || (size = ftell(in)) < 0) {
		perror(path);
		return 1;
	}
	rewind(in);
	data = malloc((size_t)size);
	if (fread(data, 1, (size_t)size, in) != (size_t)size) {
		perror(path);
		return 1;
	}
	fclose(in);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	return failed;
}
