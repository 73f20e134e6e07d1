/* health.yaml: whatever is in the file, a fault has a sentence, and what is accepted can be judged by. */
#include <stdint.h>
#include <stdlib.h>

#include "health/thresholds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;
	struct tl_err err = TL_ERR_INIT;
	int r = thresholds_parse("health.yaml", (const char *)data, size, &thresholds, &err);

	if (r != 0 && err.text[0] == '\0')
		abort();
	for (size_t i = 0; r == 0 && i < tl_health_kind_count; i++) {
		struct threshold threshold =
			thresholds_for(thresholds, &tl_health_kinds[i], "/srv");

		if (threshold_judge_number(&threshold, 1) > TL_HEALTH_CRITICAL ||
		    threshold_judge_truth(&threshold, true) > TL_HEALTH_CRITICAL)
			abort();
	}
	return 0;
}
