/* Dates and clock times as people and logs write them, to Unix time; the local zone with its hours that
 * a clock shows twice or never. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_CIVIL_H
#define TOWLINE_COLLECT_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_NO_YEAR (-1)
#define CIVIL_ZONE_NAME_MAX 8

enum civil_zone {
	CIVIL_LOCAL, /* none was written */
	CIVIL_OFFSET,
	CIVIL_NAMED /* one of the two names that the local zone has */
};

struct civil {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second;
	int micros;
	enum civil_zone zone;
	int offset_s; /* east of Greenwich */
	char zone_name[CIVIL_ZONE_NAME_MAX];
};

/* False for a day that its month does not have, 25:00 and the like. Any year is fine for
 * CIVIL_NO_YEAR. */
bool civil_is_valid(const struct civil *civil);

/* Seconds of Unix time of the date and time, as if it were UTC. */
int64_t civil_seconds(const struct civil *civil);
/* The year of a Unix time in UTC. */
int civil_year_of(int64_t seconds);

/* Remembers the local zone's offsets of the quarter of an hour that was asked for last: logs ask for
 * the same again and again. Zeroed: empty. */
struct civil_cache {
	bool filled;
	int64_t quarter;
	int64_t early_offset_s, late_offset_s;
};

/* A local time as Unix time: the same twice, or both readings of an hour that comes twice. A time that
 * the clock leaps over is read as if it had not leapt. */
void civil_from_local(struct civil_cache *cache, int64_t local_s, int64_t *ret_early_s,
		      int64_t *ret_late_s);

/* The name of the local zone at a time is `name`. */
bool civil_zone_is(int64_t seconds, const char *name);

#endif
