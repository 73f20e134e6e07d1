/* Profiles and collectors of a site. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collect/definitions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(definitions) struct definitions *definitions = NULL;
	struct tl_err err = TL_ERR_INIT;
	int fd = memfd_create("definitions", MFD_CLOEXEC);
	char path[64];
	size_t count;

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert(definitions_load(NULL, NULL, &definitions, &err) == 0);
	if (definitions_add_file(definitions, path, &err) == 0) {
		const struct collector *rows = definitions_rows(definitions, &count);

		for (size_t i = 0; i < count; i++)
			assert(rows[i].name && rows[i].sources && rows[i].max_bytes > 0 &&
			       rows[i].timeout_ms > 0);
		(void)!definitions_check(definitions, &err);
	}
	close(fd);
	return 0;
}
