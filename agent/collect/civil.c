#include "collect/civil.h"

#include <string.h>
#include <time.h>

#define DAY_S 86400
#define QUARTER_S 900 /* no zone changes its offset at another time than a quarter of an hour */

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && (year == CIVIL_NO_YEAR || is_leap(year)))
		return 29;
	return days[month - 1];
}

bool civil_is_valid(const struct civil *civil)
{
	if (civil->year != CIVIL_NO_YEAR && (civil->year < 1970 || civil->year > 2200))
		return false;
	if (civil->month < 1 || civil->month > 12 || civil->day < 1 ||
	    civil->day > days_of_month(civil->year, civil->month))
		return false;
	/* 60: a leap second */
	return civil->hour <= 23 && civil->minute <= 59 && civil->second <= 60;
}

/* Days since 1970-01-01. Years begin in March here, so that the leap day is a year's last. */
static int64_t days_since_epoch(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

int64_t civil_seconds(const struct civil *civil)
{
	return days_since_epoch(civil->year, civil->month, civil->day) * DAY_S +
	       civil->hour * 3600 + civil->minute * 60 + civil->second;
}

int civil_year_of(int64_t seconds)
{
	int year = (int)(1970 + seconds / (DAY_S * 365 + DAY_S / 4));

	/* the estimate is off by one at most, near a year's ends */
	while (days_since_epoch(year + 1, 1, 1) * DAY_S <= seconds)
		year++;
	while (year > 0 && days_since_epoch(year, 1, 1) * DAY_S > seconds)
		year--;
	return year;
}

static int64_t offset_at(int64_t seconds)
{
	time_t time = seconds;
	struct tm tm;

	return localtime_r(&time, &tm) ? tm.tm_gmtoff : 0;
}

static void fill(struct civil_cache *cache, int64_t local_s)
{
	int64_t before = offset_at(local_s - DAY_S);
	int64_t after = offset_at(local_s + DAY_S);
	bool by_before = offset_at(local_s - before) == before;
	bool by_after = offset_at(local_s - after) == after;

	/* a greater offset gives the earlier reading */
	cache->early_offset_s = by_before || !by_after ? before : after;
	cache->late_offset_s = by_after ? after : cache->early_offset_s;
	cache->filled = true;
}

void civil_from_local(struct civil_cache *cache, int64_t local_s, int64_t *ret_early_s,
		      int64_t *ret_late_s)
{
	int64_t quarter = local_s / QUARTER_S;

	if (!cache->filled || cache->quarter != quarter) {
		fill(cache, quarter * QUARTER_S);
		cache->quarter = quarter;
	}
	*ret_early_s = local_s - cache->early_offset_s;
	*ret_late_s = local_s - cache->late_offset_s;
}

bool civil_zone_is(int64_t seconds, const char *name)
{
	time_t time = seconds;
	struct tm tm;

	return localtime_r(&time, &tm) && tm.tm_zone && strcmp(tm.tm_zone, name) == 0;
}
