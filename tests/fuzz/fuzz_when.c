#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "collect/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct when_base base = {.now_us = INT64_C(1772366400000000), .boot_us = 1};
	char *text = calloc(1, size + 1);
	struct slice_range range = {0, 0};
	struct tl_err err = TL_ERR_INIT;
	int64_t us = -1;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (when_parse(text, &base, &us, &err) == 0)
		assert(us >= 0);
	if (when_span(text, &us, &err) == 0)
		assert(us > 0);
	if (when_around(text, &base, &range, &err) == 0)
		assert(range.since_us < range.until_us);
	free(text);
	return 0;
}
