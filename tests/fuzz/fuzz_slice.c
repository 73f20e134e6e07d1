/* A log as it may lie on a disk, plain or compressed, cut to a range that its first bytes choose. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collect/slice.h"

#define FIRST_US 1795410000000000 /* 2026-11-23, as the corpus has it */
#define STEP_US INT64_C(60000000)
#define MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct slice *slice, size_t step)
{
	struct tl_err err = TL_ERR_INIT;
	char piece[300];
	size_t given = 0;
	ssize_t n;

	while ((n = slice_read(slice, piece, step, &err)) > 0)
		given += (size_t)n;
	if (given > MAX_BYTES || (slice_facts(slice)->empty && given > 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(slice) struct slice *slice = NULL;
	struct slice_options options = {.max_bytes = MAX_BYTES, .boot_us = FIRST_US};
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (size < 3 || fd < 0)
		return 0;
	options.range.since_us = data[0] ? FIRST_US + data[0] * STEP_US : INT64_MIN;
	options.range.until_us = data[1] ? FIRST_US + data[1] * STEP_US : INT64_MAX;
	if (write(fd, data + 3, size - 3) != (ssize_t)size - 3)
		return 0;
	if (slice_open(fd, &options, &slice, &err) == 0)
		read_all(slice, 1 + data[2]);
	return 0;
}
