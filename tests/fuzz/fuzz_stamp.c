/* A log of unknown kind: its kind is found, every line's stamp read and its year settled. */
#include <stdlib.h>
#include <string.h>

#include "collect/stamp.h"

#define NEWEST_US 1795415993000000
#define BOOT_US 1795000000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = text + size;
	struct stamp_reader reader;

	stamp_reader_init(&reader, NEWEST_US, BOOT_US);
	if (stamp_detect(&reader, text, size) != (stamp_name(&reader) != NULL))
		abort();
	while (text < end) {
		const char *next = memchr(text, '\n', (size_t)(end - text));
		struct stamp stamp;

		next = next ? next + 1 : end;
		if (stamp_read(&reader, text, (size_t)(end - text), &stamp) &&
		    (!stamp_name(&reader) || stamp.early_us > stamp.late_us ||
		     (stamp_lacks_year(&reader) &&
		      stamp.early_us > NEWEST_US + 2LL * 86400 * 1000000)))
			abort();
		text = next;
	}
	return 0;
}
