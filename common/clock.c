#include <towline/clock.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <towline/err.h>

static int64_t read_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(const struct tl_clock *clock TL_UNUSED)
{
	return read_ms(CLOCK_REALTIME);
}

static int64_t system_mono_ms(const struct tl_clock *clock TL_UNUSED)
{
	return read_ms(CLOCK_BOOTTIME);
}

const struct tl_clock *tl_clock_system(void)
{
	static const struct tl_clock clock = {system_wall_ms, system_mono_ms};

	return &clock;
}

static int64_t fake_wall_ms(const struct tl_clock *clock)
{
	return ((const struct tl_clock_fake *)clock)->wall_now_ms;
}

static int64_t fake_mono_ms(const struct tl_clock *clock)
{
	return ((const struct tl_clock_fake *)clock)->mono_now_ms;
}

void tl_clock_fake_init(struct tl_clock_fake *fake, int64_t wall_now_ms)
{
	*fake = (struct tl_clock_fake){{fake_wall_ms, fake_mono_ms}, wall_now_ms, 0};
}

void tl_clock_fake_advance(struct tl_clock_fake *fake, int64_t ms)
{
	fake->wall_now_ms += ms;
	fake->mono_now_ms += ms;
}

/* The years that the texts have four digits for. */
#define WALL_MIN_MS INT64_C(-62167219200000) /* 0000-01-01 */
#define WALL_MAX_MS INT64_C(253402300799999) /* 9999-12-31 */

static int split(int64_t wall_ms, struct tm *ret_tm)
{
	int64_t ms;
	time_t seconds;

	if (wall_ms < WALL_MIN_MS)
		wall_ms = WALL_MIN_MS;
	if (wall_ms > WALL_MAX_MS)
		wall_ms = WALL_MAX_MS;
	ms = ((wall_ms % 1000) + 1000) % 1000;
	seconds = (time_t)((wall_ms - ms) / 1000);
	gmtime_r(&seconds, ret_tm);
	return (int)ms;
}

void tl_time_rfc3339(int64_t wall_ms, char text[static TL_TIME_TEXT])
{
	struct tm tm;
	int ms = split(wall_ms, &tm);

	snprintf(text, TL_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		 (unsigned)tm.tm_sec % 100, (unsigned)ms % 1000);
}

static int digits_at(const char *text, size_t at, size_t count)
{
	int value = 0;

	for (size_t i = at; i < at + count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* Both parsers write their result back and compare: that checks blanks, weekday, month lengths,
 * leap years and every range at once. */
int tl_time_rfc3339_parse(const char *text, int64_t *ret_wall_ms)
{
	struct tm tm = {.tm_isdst = 0};
	char again[TL_TIME_TEXT];
	size_t len = strnlen(text, TL_TIME_TEXT);
	bool has_ms = len == 24;
	int64_t wall_ms;

	if (len != 20 && !has_ms)
		return TL_EINVAL;
	tm.tm_year = digits_at(text, 0, 4) - 1900;
	tm.tm_mon = digits_at(text, 5, 2) - 1;
	tm.tm_mday = digits_at(text, 8, 2);
	tm.tm_hour = digits_at(text, 11, 2);
	tm.tm_min = digits_at(text, 14, 2);
	tm.tm_sec = digits_at(text, 17, 2);
	wall_ms = (int64_t)timegm(&tm) * 1000 + (has_ms ? digits_at(text, 20, 3) : 0);
	tl_time_rfc3339(wall_ms, again);
	if (!has_ms)
		memcpy(again + 19, "Z", 2);
	if (strcmp(again, text) != 0)
		return TL_EINVAL;
	*ret_wall_ms = wall_ms;
	return 0;
}

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void tl_time_http(int64_t wall_ms, char text[static TL_TIME_TEXT])
{
	struct tm tm;

	split(wall_ms, &tm);
	snprintf(text, TL_TIME_TEXT, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday],
		 (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

static int month_at(const char *text)
{
	for (int i = 0; i < 12; i++)
		if (strncmp(text, months[i], 3) == 0)
			return i;
	return -1;
}

int tl_time_http_parse(const char *text, int64_t *ret_wall_ms)
{
	struct tm tm = {.tm_isdst = 0};
	char again[TL_TIME_TEXT];
	int64_t wall_ms;

	if (strnlen(text, 30) != 29)
		return TL_EINVAL;
	tm.tm_mday = digits_at(text, 5, 2);
	tm.tm_mon = month_at(text + 8);
	tm.tm_year = digits_at(text, 12, 4) - 1900;
	tm.tm_hour = digits_at(text, 17, 2);
	tm.tm_min = digits_at(text, 20, 2);
	tm.tm_sec = digits_at(text, 23, 2);
	wall_ms = (int64_t)timegm(&tm) * 1000;
	tl_time_http(wall_ms, again);
	if (strcmp(again, text) != 0)
		return TL_EINVAL;
	*ret_wall_ms = wall_ms;
	return 0;
}

void tl_time_span(int64_t span_ms, char text[static TL_TIME_TEXT])
{
	static const struct {
		const char *big, *small;
		int64_t big_ms, small_ms, below_ms;
	} rows[] = {
		{"s", NULL, 1000, 1000, 60000},
		{"min", NULL, 60000, 60000, 3600000},
		{"h", "min", 3600000, 60000, 86400000},
		{"d", "h", 86400000, 3600000, INT64_MAX},
	};
	size_t row = 0;
	unsigned big, small;

	if (span_ms < 0)
		span_ms = 0;
	if (span_ms > WALL_MAX_MS)
		span_ms = WALL_MAX_MS;
	while (row + 1 < TL_ARRAY_LEN(rows) && span_ms >= rows[row].below_ms)
		row++;
	big = (unsigned)(span_ms / rows[row].big_ms);
	small = rows[row].small ? (unsigned)(span_ms % rows[row].big_ms / rows[row].small_ms) : 0;
	if (small)
		snprintf(text, TL_TIME_TEXT, "%u %s %u %s", big, rows[row].big, small,
			 rows[row].small);
	else
		snprintf(text, TL_TIME_TEXT, "%u %s", big, rows[row].big);
}
