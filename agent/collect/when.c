#include "collect/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <towline/str.h>

#include "collect/boots.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define SPAN_MAX (100 * 366 * DAY)
#define TEXT_MAX 128
#define PLUS_MINUS "\xc2\xb1" /* ± */

static const struct {
	const char *name;
	int64_t us;
} units[] = {
	{"d", DAY},
	{"day", DAY},
	{"days", DAY},
	{"h", 3600 * SECOND},
	{"hour", 3600 * SECOND},
	{"hours", 3600 * SECOND},
	{"m", 60 * SECOND},
	{"min", 60 * SECOND},
	{"minute", 60 * SECOND},
	{"minutes", 60 * SECOND},
	{"s", SECOND},
	{"sec", SECOND},
	{"second", SECOND},
	{"seconds", SECOND},
	{"w", 7 * DAY},
	{"week", 7 * DAY},
	{"weeks", 7 * DAY},
};

static int64_t unit_us(const char *name, size_t len)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(units); i++)
		if (strlen(units[i].name) == len && strncmp(units[i].name, name, len) == 0)
			return units[i].us;
	return 0;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " ");
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "1h30m" and what stands behind it; 0 where no span begins. */
static int64_t read_span(const char *text, const char **ret_rest)
{
	int64_t sum = 0;

	text = skip_blanks(text);
	while (is_digit(*text)) {
		int64_t number = 0, unit;
		size_t len;

		for (; is_digit(*text); text++) {
			number = number * 10 + (*text - '0');
			if (number > SPAN_MAX / SECOND)
				return 0;
		}
		text = skip_blanks(text);
		len = strspn(text, "abcdefghijklmnopqrstuvwxyz");
		unit = unit_us(text, len);
		if (unit == 0 || number > (SPAN_MAX - sum) / unit)
			return 0;
		sum += number * unit;
		text = skip_blanks(text + len);
	}
	*ret_rest = text;
	return sum;
}

int when_span(const char *text, int64_t *ret_us, struct tl_err *err)
{
	const char *rest = text;
	int64_t us = read_span(text, &rest);

	if (us == 0 || *rest)
		return tl_err_set(err, TL_EINVAL,
				  "\"%.64s\" is no span of time: write 30s, 15m, 2h, 1h30m or 3d",
				  text);
	*ret_us = us;
	return 0;
}

/* Exactly `digits` digits in lo..hi, and the text moved behind them; -1 otherwise. */
static int read_number(const char **text, int digits, int lo, int hi)
{
	int number = 0;

	for (int i = 0; i < digits; i++) {
		if (!is_digit((*text)[i]))
			return -1;
		number = number * 10 + ((*text)[i] - '0');
	}
	if (number < lo || number > hi)
		return -1;
	*text += digits;
	return number;
}

static bool read_char(const char **text, const char *any)
{
	if (!**text || !strchr(any, **text))
		return false;
	(*text)++;
	return true;
}

struct moment {
	struct tm tm;
	int64_t fraction_us;
	bool zoned;
	int offset_s;
};

static bool read_date(const char **text, struct moment *moment)
{
	struct tm *tm = &moment->tm;

	tm->tm_year = read_number(text, 4, 1970, 9999) - 1900;
	if (tm->tm_year < 0 || !read_char(text, "-"))
		return false;
	tm->tm_mon = read_number(text, 2, 1, 12) - 1;
	if (tm->tm_mon < 0 || !read_char(text, "-"))
		return false;
	tm->tm_mday = read_number(text, 2, 1, 31);
	return tm->tm_mday > 0;
}

static void read_fraction(const char **text, struct moment *moment)
{
	int64_t scale = SECOND / 10;

	if (!read_char(text, "."))
		return;
	for (; is_digit(**text); (*text)++, scale /= 10)
		moment->fraction_us += (**text - '0') * scale;
}

static bool read_time(const char **text, struct moment *moment)
{
	struct tm *tm = &moment->tm;

	tm->tm_hour = read_number(text, 2, 0, 23);
	if (tm->tm_hour < 0 || !read_char(text, ":"))
		return false;
	tm->tm_min = read_number(text, 2, 0, 59);
	if (tm->tm_min < 0)
		return false;
	if (read_char(text, ":")) {
		tm->tm_sec = read_number(text, 2, 0, 60);
		if (tm->tm_sec < 0)
			return false;
		read_fraction(text, moment);
	}
	return true;
}

static bool read_zone(const char **text, struct moment *moment)
{
	int sign, hours, minutes;

	if (read_char(text, "Zz")) {
		moment->zoned = true;
		return true;
	}
	sign = **text == '-' ? -1 : 1;
	if (!read_char(text, "+-"))
		return true;
	hours = read_number(text, 2, 0, 23);
	(void)read_char(text, ":");
	minutes = read_number(text, 2, 0, 59);
	moment->zoned = true;
	moment->offset_s = sign * (hours * 3600 + minutes * 60);
	return hours >= 0 && minutes >= 0;
}

static int64_t moment_us(struct moment *moment)
{
	int day = moment->tm.tm_mday;
	time_t s;

	moment->tm.tm_isdst = -1;
	s = moment->zoned ? timegm(&moment->tm) - moment->offset_s : mktime(&moment->tm);
	if (moment->tm.tm_mday != day)
		return -1; /* 30 February was read as a day in March */
	return (int64_t)s * SECOND + moment->fraction_us;
}

/* A date, a time, or both; -1 where it is none of them. */
static int64_t read_absolute(const char *text, const struct when_base *base)
{
	struct moment moment = {.fraction_us = 0};
	bool has_time = false;

	if (strlen(text) > 2 && text[2] == ':') {
		time_t now = (time_t)(base->now_us / SECOND);

		if (!localtime_r(&now, &moment.tm))
			return -1;
		moment.tm.tm_sec = 0;
		has_time = read_time(&text, &moment);
		return has_time && !*text ? moment_us(&moment) : -1;
	}
	if (!read_date(&text, &moment))
		return -1;
	if (read_char(&text, "Tt "))
		has_time = read_time(&text, &moment) && read_zone(&text, &moment);
	else
		has_time = true; /* midnight */
	return has_time && !*text ? moment_us(&moment) : -1;
}

static int64_t midnight_us(int64_t now_us, int days)
{
	time_t now = (time_t)(now_us / SECOND);
	struct tm tm;

	if (!localtime_r(&now, &tm))
		return -1;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday += days;
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * SECOND;
}

/* Words; -1 for another. */
static int64_t read_word(const char *text, const struct when_base *base)
{
	if (tl_streq(text, "now"))
		return base->now_us;
	if (tl_streq(text, "today"))
		return midnight_us(base->now_us, 0);
	if (tl_streq(text, "yesterday"))
		return midnight_us(base->now_us, -1);
	if (tl_streq(text, "boot"))
		return base->boot_us > 0 ? base->boot_us : -1;
	return -1;
}

/* "2h", "2h ago", "-2h"; -1 otherwise. */
static int64_t read_relative(const char *text, const struct when_base *base)
{
	const char *rest = text;
	int64_t span;

	if (*text == '-')
		text++;
	span = read_span(text, &rest);
	if (span == 0 || (*rest && !tl_streq(rest, "ago")))
		return -1;
	return span < base->now_us ? base->now_us - span : -1;
}

static int64_t read_epoch(const char *text)
{
	uint64_t seconds = 0;

	if (*text != '@' || tl_str_u64(text + 1, INT64_MAX / SECOND, &seconds) < 0)
		return -1;
	return (int64_t)seconds * SECOND;
}

int when_parse(const char *text, const struct when_base *base, int64_t *ret_us, struct tl_err *err)
{
	char trimmed[TEXT_MAX];
	size_t len;
	int64_t us;

	text = skip_blanks(text);
	len = strlen(text);
	while (len > 0 && text[len - 1] == ' ')
		len--;
	snprintf(trimmed, sizeof trimmed, "%.*s", (int)(len < TEXT_MAX ? len : 0), text);
	us = read_word(trimmed, base);
	us = us >= 0 ? us : read_epoch(trimmed);
	us = us >= 0 ? us : read_absolute(trimmed, base);
	us = us >= 0 ? us : read_relative(trimmed, base);
	if (us < 0)
		return tl_err_set(err, TL_EINVAL,
				  "\"%.64s\" is no time: write 2026-03-01 09:30, "
				  "2026-03-01T09:30:00Z, 2h, yesterday or boot",
				  text);
	*ret_us = us;
	return 0;
}

int when_around(const char *text, const struct when_base *base, struct slice_range *ret_range,
		struct tl_err *err)
{
	const char *sign = strstr(text, PLUS_MINUS);
	const char *ascii = strstr(text, "+-");
	int64_t span = WHEN_AROUND_US, at = 0;
	char moment[TEXT_MAX];
	int r = 0;

	sign = sign ? sign : ascii; /* both are two bytes long */
	snprintf(moment, sizeof moment, "%.*s", sign ? (int)(sign - text) : TEXT_MAX - 1, text);
	if (sign)
		r = when_span(sign + 2, &span, err);
	if (r == 0)
		r = when_parse(moment, base, &at, err);
	if (r < 0)
		return r;
	*ret_range = (struct slice_range){.since_us = at - span, .until_us = at + span};
	return 0;
}

static int read_ends(const struct when_request *request, const struct when_base *base,
		     struct slice_range *range, struct tl_err *err)
{
	int r = 0;

	if (request->since)
		r = when_parse(request->since, base, &range->since_us, err);
	if (r == 0 && request->until)
		r = when_parse(request->until, base, &range->until_us, err);
	if (r == 0 && range->since_us > range->until_us)
		r = tl_err_set(err, TL_EINVAL, "the range of time ends before it begins");
	return r;
}

int when_range(const struct when_request *request, const struct when_base *base,
	       struct slice_range *ret_range, struct tl_err *err)
{
	struct slice_range range = {.since_us = INT64_MIN, .until_us = INT64_MAX};
	int r;

	if (request->around && (request->since || request->until || request->boot))
		return tl_err_set(err, TL_EINVAL,
				  "a range around a moment has no other beginning, end or boot");
	if (request->around)
		return when_around(request->around, base, ret_range, err);
	if (request->boot) {
		r = boots_find(request->boot, base->boot_us, &range, err);
		if (r < 0)
			return r;
	}
	r = read_ends(request, base, &range, err);
	if (r == 0)
		*ret_range = range;
	return r;
}
