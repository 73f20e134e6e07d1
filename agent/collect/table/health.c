#include "collect/table/table.h"

const struct collector health_collectors[] = {
	{"health", "health", "typed facts with verdicts", COLLECT_BUILTIN, COLLECT_LOW, QUICK, NULL,
	 collect_health, 256 * KIB, 8000},
	NO_ROW,
};
