/* What an agent tells of its host: accepted or refused with a sentence, and merged without growing beyond
 * its limits. The input is two messages, the second behind the first NUL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "desk/health.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const char *text, size_t len, json_t **known)
{
	struct tl_host_health told = {.seq = 0};
	struct tl_err err = TL_ERR_INIT;
	tl_json *message = NULL;
	json_t *facts = NULL;

	if (tl_json_parse(text, len, &message, NULL) != 0)
		return;
	if (tl_host_health_read(message, &told, &err) != 0) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	if (tl_host_health_merge(*known, &told, "2026-01-01T00:00:00.000Z", &facts, &err) != 0)
		return;
	if (json_array_size(facts) > TL_HOST_FACTS_MAX || !tl_host_health_worst(facts))
		abort();
	json_decref(*known);
	*known = facts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
	size_t first = end ? (size_t)(end - data) : size;
	tl_json *known = NULL;

	take((const char *)data, first, &known);
	if (end)
		take((const char *)end + 1, size - first - 1, &known);
	return 0;
}
