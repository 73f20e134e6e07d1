/* Priority from impact and urgency: ITIL's matrix. */
#ifndef TOWLINE_SERVER_PRIORITY_H
#define TOWLINE_SERVER_PRIORITY_H

#include <stdint.h>

#define TL_IMPACT_LEVELS 3 /* of impact and of urgency; 1 is highest */
#define TL_IMPACT_DEFAULT 3

/* 1 (critical) to 5 (planning); both arguments are 1 to TL_IMPACT_LEVELS. */
int64_t tl_priority(int64_t impact, int64_t urgency);

#endif
