/* Counters of the kernel, one sample and the next, as rates; and what a name server answers. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "collect/builtin/activity.h"
#include "collect/builtin/dns_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct activity sample(int64_t taken_ms, const uint8_t *data, size_t size)
{
	struct activity made = {.taken_ms = taken_ms};

	tl_buf_init(&made.processors, size + 1);
	tl_buf_append(&made.processors, data, size);
	for (size_t i = 0; i < ACTIVITY_KINDS; i++) {
		tl_buf_init(&made.counters[i], size + 1);
		tl_buf_append(&made.counters[i], data, size);
	}
	return made;
}

/* The samples meet at the first line of '=' alone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = memmem(data, size, "\n=\n", 3);
	size_t first_len = cut ? (size_t)(cut - data) : size;
	size_t rest = cut ? size - first_len - 3 : 0;
	tl_auto(activity) struct activity first = sample(0, data, first_len);
	tl_auto(activity) struct activity second = sample(1000, cut ? cut + 3 : data, rest);

	json_decref(activity_processors(&first, &second));
	for (size_t i = 0; i < ACTIVITY_KINDS; i++)
		json_decref(activity_rates(&first, &second, (enum activity_kind)i));
	(void)dns_probe_read(data, size, 0x3132);
	return 0;
}
