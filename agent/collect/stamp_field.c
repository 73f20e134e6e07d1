#include "collect/stamp_field.h"

#include <string.h>
#include <time.h>
#include <towline/attr.h>

#define SECOND_US 1000000

/* Reads a part at `at`; returns what follows it, NULL when it is not there. */
typedef const char *stamp_field(const char *at, const char *end, struct stamp_parts *parts);

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

static const char *digits(const char *at, const char *end, int count, int *ret_value)
{
	int value = 0;

	if (end - at < count)
		return NULL;
	for (int i = 0; i < count; i++, at++) {
		if (!is_digit(*at))
			return NULL;
		value = value * 10 + (*at - '0');
	}
	*ret_value = value;
	return at;
}

/* "06", " 6" or "6" */
static const char *padded(const char *at, const char *end, int *ret_value)
{
	if (at < end && *at == ' ')
		at++;
	if (end - at >= 2 && is_digit(at[1]))
		return digits(at, end, 2, ret_value);
	return digits(at, end, 1, ret_value);
}

static const char *field_year(const char *at, const char *end, struct stamp_parts *parts)
{
	return digits(at, end, 4, &parts->civil.year);
}

static const char *field_short_year(const char *at, const char *end, struct stamp_parts *parts)
{
	at = digits(at, end, 2, &parts->civil.year);
	parts->civil.year += 2000;
	return at;
}

static const char *field_month(const char *at, const char *end, struct stamp_parts *parts)
{
	return digits(at, end, 2, &parts->civil.month);
}

static const char *field_month_name(const char *at, const char *end, struct stamp_parts *parts)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	if (end - at < 3)
		return NULL;
	for (int i = 0; i < 12; i++)
		if (memcmp(at, names + 3 * (size_t)i, 3) == 0) {
			parts->civil.month = i + 1;
			return at + 3;
		}
	return NULL;
}

static const char *field_weekday(const char *at, const char *end,
				 struct stamp_parts *parts TL_UNUSED)
{
	static const char names[] = "MonTueWedThuFriSatSun";

	if (end - at < 3)
		return NULL;
	for (size_t i = 0; i < 7; i++)
		if (memcmp(at, names + 3 * i, 3) == 0)
			return at + 3;
	return NULL;
}

static const char *field_day(const char *at, const char *end, struct stamp_parts *parts)
{
	return digits(at, end, 2, &parts->civil.day);
}

static const char *field_padded_day(const char *at, const char *end, struct stamp_parts *parts)
{
	return padded(at, end, &parts->civil.day);
}

static const char *field_hour(const char *at, const char *end, struct stamp_parts *parts)
{
	return digits(at, end, 2, &parts->civil.hour);
}

static const char *field_padded_hour(const char *at, const char *end, struct stamp_parts *parts)
{
	return padded(at, end, &parts->civil.hour);
}

static const char *field_minute(const char *at, const char *end, struct stamp_parts *parts)
{
	return digits(at, end, 2, &parts->civil.minute);
}

static const char *field_second(const char *at, const char *end, struct stamp_parts *parts)
{
	return digits(at, end, 2, &parts->civil.second);
}

static const char *micros(const char *at, const char *end, int *ret_micros)
{
	int value = 0, count = 0;

	for (; at < end && is_digit(*at); at++, count++) {
		if (count < 6)
			value = value * 10 + (*at - '0');
		if (count > 9)
			return NULL;
	}
	for (int i = count; i < 6; i++)
		value *= 10;
	*ret_micros = value;
	return at;
}

/* ".123", ",123", and ":123" of exactly three digits; what looks otherwise is no fraction */
static const char *field_fraction(const char *at, const char *end, struct stamp_parts *parts)
{
	if (end - at < 2 || !is_digit(at[1]))
		return at;
	if (*at == ':' && (end - at < 4 || !is_digit(at[2]) || !is_digit(at[3]) ||
			   (end - at > 4 && is_digit(at[4]))))
		return at;
	if (*at != '.' && *at != ',' && *at != ':')
		return at;
	return micros(at + 1, end, &parts->civil.micros);
}

/* "+01:00", "+0100", "+01" */
static const char *zone_offset(const char *at, const char *end, struct stamp_parts *parts)
{
	int sign = *at == '-' ? -1 : 1;
	int hours = 0, minutes = 0;
	const char *rest = digits(at + 1, end, 2, &hours);

	if (!rest)
		return at;
	at = rest;
	rest = digits(at + (at < end && *at == ':'), end, 2, &minutes);
	if (hours > 15 || minutes > 59)
		return NULL;
	parts->civil.zone = CIVIL_OFFSET;
	parts->civil.offset_s = sign * (hours * 3600 + minutes * 60);
	return rest ? rest : at;
}

/* A name counts as a zone only where it is UTC or the host's: "ERROR" after a time is none. */
static const char *zone_name(const char *at, const char *end, struct stamp_parts *parts)
{
	size_t len = 0;
	char name[CIVIL_ZONE_NAME_MAX];

	while (at + len < end && len < sizeof name - 1 && is_capital(at[len])) {
		name[len] = at[len];
		len++;
	}
	name[len] = '\0';
	if (strcmp(name, "UTC") == 0 || strcmp(name, "GMT") == 0) {
		parts->civil.zone = CIVIL_OFFSET;
		return at + len;
	}
	if (len < 3 || (strcmp(name, tzname[0]) != 0 && strcmp(name, tzname[1]) != 0))
		return NULL;
	parts->civil.zone = CIVIL_NAMED;
	memcpy(parts->civil.zone_name, name, len + 1);
	return at + len;
}

static const char *field_zone(const char *at, const char *end, struct stamp_parts *parts)
{
	const struct civil before = parts->civil;
	const char *from = at < end && *at == ' ' ? at + 1 : at;
	const char *rest = NULL;

	if (at < end && (*at == 'Z' || *at == 'z')) {
		parts->civil.zone = CIVIL_OFFSET;
		return at + 1;
	}
	if (from < end && (*from == '+' || *from == '-'))
		rest = zone_offset(from, end, parts);
	else if (from > at)
		rest = zone_name(from, end, parts);
	/* behind a blank "-10" is more likely a number of the message */
	if (rest && rest > from && (from == at || rest - from > 3 || parts->civil.offset_s == 0))
		return rest;
	parts->civil = before;
	return at;
}

static const char *field_half_day(const char *at, const char *end, struct stamp_parts *parts)
{
	bool afternoon;

	while (at < end && *at == ' ')
		at++;
	/* Java puts a narrow no-break space there */
	if (end - at >= 3 && memcmp(at, "\xe2\x80\xaf", 3) == 0)
		at += 3;
	if (end - at < 2 || at[1] != 'M' || (*at != 'A' && *at != 'P') || parts->civil.hour < 1 ||
	    parts->civil.hour > 12)
		return NULL;
	afternoon = *at == 'P';
	parts->civil.hour = parts->civil.hour % 12 + (afternoon ? 12 : 0);
	return at + 2;
}

/* Since 1970: the number of digits says the unit, 2001 to 2286. */
static const char *field_epoch(const char *at, const char *end, struct stamp_parts *parts)
{
	uint64_t value = 0;
	int count = 0, fraction = 0;

	for (; at < end && is_digit(*at) && count < 20; at++, count++)
		value = count < 19 ? value * 10 + (unsigned)(*at - '0') : value;
	if (count == 10 && end - at > 1 && *at == '.' && is_digit(at[1]))
		at = micros(at + 1, end, &fraction);
	switch (count) {
	case 10:
		value = value * SECOND_US + (unsigned)fraction;
		break;
	case 13:
		value *= 1000;
		break;
	case 16:
		break;
	case 19:
		value /= 1000;
		break;
	default:
		return NULL;
	}
	parts->absolute = true;
	parts->absolute_us = (int64_t)value;
	return value >= 1000000000ULL * SECOND_US ? at : NULL;
}

static const char *field_hex_epoch(const char *at, const char *end, struct stamp_parts *parts)
{
	int64_t value = 0;
	int count = 0;

	for (; at < end && count < 14; at++, count++) {
		int digit = is_digit(*at)	       ? *at - '0'
			    : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10
						       : -1;

		if (digit < 0)
			break;
		value = value * 16 + digit;
	}
	parts->absolute = true;
	parts->absolute_us = value;
	return count >= 12 && count < 14 ? at : NULL;
}

static const char *field_uptime(const char *at, const char *end, struct stamp_parts *parts)
{
	int64_t value = 0;
	int count = 0, fraction = 0;

	while (at < end && *at == ' ')
		at++;
	for (; at < end && is_digit(*at) && count < 10; at++, count++)
		value = value * 10 + (*at - '0');
	if (count == 0 || end - at < 4 || *at != '.' || !is_digit(at[1]) || !is_digit(at[3]))
		return NULL;
	at = micros(at + 1, end, &fraction);
	parts->uptime = true;
	parts->absolute_us = value * SECOND_US + fraction;
	return at;
}

static const char *field_blanks(const char *at, const char *end,
				struct stamp_parts *parts TL_UNUSED)
{
	const char *from = at;

	while (at < end && (*at == ' ' || *at == '\t') && at - from < 8)
		at++;
	return at > from ? at : NULL;
}

static const char *field_separator(const char *at, const char *end, struct stamp_parts *parts)
{
	return at < end && (*at == 'T' || *at == 't') ? at + 1 : field_blanks(at, end, parts);
}

static const char *field_number(const char *at, const char *end,
				struct stamp_parts *parts TL_UNUSED)
{
	const char *from = at;

	while (at < end && is_digit(*at) && at - from < 8)
		at++;
	return at > from ? at : NULL;
}

static const char *field_severity(const char *at, const char *end,
				  struct stamp_parts *parts TL_UNUSED)
{
	return at < end && *at && strchr("DIWEF", *at) ? at + 1 : NULL;
}

static const char *field_capital(const char *at, const char *end,
				 struct stamp_parts *parts TL_UNUSED)
{
	return at < end && is_capital(*at) ? at + 1 : NULL;
}

static const char *field_json(const char *at, const char *end, struct stamp_parts *parts TL_UNUSED)
{
	while (at < end && *at && strchr(" \":=", *at))
		at++;
	return at;
}

static stamp_field *const fields[128] = {
	['Y'] = field_year,	  ['y'] = field_short_year, ['m'] = field_month,
	['b'] = field_month_name, ['d'] = field_day,	    ['e'] = field_padded_day,
	['W'] = field_weekday,	  ['H'] = field_hour,	    ['k'] = field_padded_hour,
	['M'] = field_minute,	  ['S'] = field_second,	    ['f'] = field_fraction,
	['z'] = field_zone,	  ['p'] = field_half_day,   ['s'] = field_epoch,
	['x'] = field_hex_epoch,  ['u'] = field_uptime,	    ['T'] = field_separator,
	['_'] = field_blanks,	  ['N'] = field_number,	    ['K'] = field_severity,
	['A'] = field_capital,	  ['J'] = field_json,
};

const char *stamp_match(const char *pattern, const char *text, const char *end,
			struct stamp_parts *ret_parts)
{
	struct stamp_parts parts = {.civil = {.year = CIVIL_NO_YEAR}};
	const char *at = text;

	for (; *pattern && at; pattern++) {
		stamp_field *field = fields[(unsigned char)*pattern & 0x7f];

		if (field)
			at = field(at, end, &parts);
		else
			at = at < end && *at == *pattern ? at + 1 : NULL;
	}
	if (at)
		*ret_parts = parts;
	return at;
}
