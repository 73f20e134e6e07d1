#include "desk/priority.h"

#include <assert.h>

static const int64_t matrix[TL_IMPACT_LEVELS][TL_IMPACT_LEVELS] = {
	/* urgency:   1  2  3 */
	/* impact 1 */ {1, 2, 3},
	/* impact 2 */ {2, 3, 4},
	/* impact 3 */ {3, 4, 5},
};

int64_t tl_priority(int64_t impact, int64_t urgency)
{
	assert(impact >= 1 && impact <= TL_IMPACT_LEVELS);
	assert(urgency >= 1 && urgency <= TL_IMPACT_LEVELS);
	return matrix[impact - 1][urgency - 1];
}
