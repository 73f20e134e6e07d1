#include "collect/stamp.h"

#include <string.h>
#include <time.h>
#include <towline/attr.h>

#include "collect/stamp_field.h"

#define SECOND_US 1000000
#define ANYWHERE_MAX 128      /* so far into a line a date may be without a mark before it */
#define LINES_MAX 256	      /* looked at to find the kind */
#define SLACK_S (26 * 3600LL) /* a line may be newer than its file says: clocks and zones */
#define YEARS_BACK 8

/* Where a stamp stands in its line. */
enum place {
	AT_START,
	BEHIND,	     /* behind `lead`, which is searched */
	BEHIND_LAST, /* behind the last `lead` */
	ANYWHERE     /* wherever a word begins */
};

struct stamp_format {
	const char *name;
	enum place place;
	const char *start; /* what the line begins with; NULL: anything */
	const char *lead;  /* AT_START: the same as `start` where the pattern begins behind it */
	const char *pattern;
};

/* The first that fits a line is its kind: the narrow ones come first. */
static const struct stamp_format formats[] = {
	{"rfc5424", AT_START, "<", NULL, "<N>1_Y-m-dTH:M:Sfz"},
	{"syslog", AT_START, "<", NULL, "<N>b_e_H:M:Sf"},
	{"iso", AT_START, NULL, NULL, "Y-m-dTk:M:Sfz"},
	{"syslog", AT_START, NULL, NULL, "b_e_H:M:Sf"},
	{"iso", AT_START, "[", NULL, "[Y-m-dTk:M:Sfz"},
	{"slashes", AT_START, NULL, NULL, "Y/m/d_k:M:Sfz"},
	{"samba", AT_START, "[", NULL, "[Y/m/d_k:M:Sfz"},
	{"dots", AT_START, NULL, NULL, "Y.m.d_H:M:Sfz"},
	{"db2", AT_START, NULL, NULL, "Y-m-d-H.M.Sf"},
	{"basic", AT_START, NULL, NULL, "YmdTH:M:Sfz"},
	{"basic", AT_START, NULL, NULL, "YmdTHMSfz"},
	{"syslog-year", AT_START, NULL, NULL, "b_e_Y_H:M:Sfz"},
	{"java", AT_START, NULL, NULL, "b_e,_Y_k:M:Sp"},
	{"java", AT_START, NULL, NULL, "b_e,_Y,_k:M:Sp"},
	{"ctime", AT_START, "[", NULL, "[W_b_e_H:M:Sfz_Y"},
	{"ctime", AT_START, NULL, NULL, "W_b_e_H:M:Sfz_Y"},
	{"mail", AT_START, NULL, NULL, "W,_e_b_Y_H:M:Sz"},
	{"weekday-iso", AT_START, NULL, NULL, "W_Y-m-d_H:M:Sfz"},
	{"dashes", AT_START, NULL, NULL, "e-b-Y_H:M:Sfz"},
	{"dashes", AT_START, "[", NULL, "[e-b-Y_H:M:Sfz"},
	{"redis", AT_START, NULL, NULL, "N:A_e_b_Y_H:M:Sf"},
	{"klog", AT_START, NULL, NULL, "Kmd_H:M:Sf"},
	{"glog", AT_START, NULL, NULL, "KYmd_H:M:Sf"},
	{"kernel", AT_START, "[", NULL, "[u]"},
	{"mysql-5", AT_START, NULL, NULL, "ymd_k:M:S"},
	{"apt", AT_START, "Start-Date:", "Start-Date:", "_Y-m-d_H:M:S"},
	{"apt", AT_START, "Log started:", "Log started:", "_Y-m-d_H:M:S"},
	{"journal-export", BEHIND, "__CURSOR=", ";t=", "x"},
	{"journal-json", BEHIND, "{", "\"__REALTIME_TIMESTAMP\"", "Js"},
	{"epoch", AT_START, NULL, NULL, "s"},
	{"epoch", AT_START, "[", NULL, "[s]"},
	{"audit", BEHIND, NULL, "audit(", "s"},
	{"access", BEHIND, NULL, "[", "d/b/Y:H:M:Sfz"},
	{"json", BEHIND, "{", "\"ts\"", "Js"},
	{"json", BEHIND, "{", "\"time\"", "Js"},
	{"json", BEHIND, "{", "\"timestamp\"", "Js"},
	{"json", BEHIND, "{", "\"@timestamp\"", "JY-m-dTH:M:Sfz"},
	{"json", BEHIND, "{", "\"timestamp\"", "JY-m-dTH:M:Sfz"},
	{"docker", BEHIND_LAST, "{\"log\":", "\"time\"", "JY-m-dTH:M:Sfz"},
	{"json", BEHIND, "{", "\"time\"", "JY-m-dTH:M:Sfz"},
	{"logfmt", BEHIND, NULL, "ts=", "Js"},
	{"logfmt", BEHIND, NULL, "time=", "Js"},
	{"iso-inside", ANYWHERE, NULL, NULL, "Y-m-dTH:M:Sfz"},
	{"slashes-inside", ANYWHERE, NULL, NULL, "Y/m/d_H:M:Sfz"},
};

void stamp_reader_init(struct stamp_reader *reader, int64_t newest_us, int64_t boot_us)
{
	tzset();
	*reader = (struct stamp_reader){.newest_us = newest_us, .boot_us = boot_us};
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* "2026-11-23 06:43:130" has no stamp in it. */
static bool match_whole(const char *pattern, const char *at, const char *end,
			struct stamp_parts *parts)
{
	const char *rest = stamp_match(pattern, at, end, parts);

	return rest && (rest == end || !is_word(*rest));
}

static bool match_anywhere(const struct stamp_format *format, const char *text, const char *end,
			   struct stamp_parts *parts)
{
	const char *limit = end - text > ANYWHERE_MAX ? text + ANYWHERE_MAX : end;

	for (const char *at = text; at < limit; at++)
		if ((*at == '1' || *at == '2') && (at == text || !is_word(at[-1])) &&
		    match_whole(format->pattern, at, end, parts))
			return true;
	return false;
}

static bool match_behind(const struct stamp_format *format, const char *text, const char *end,
			 struct stamp_parts *parts)
{
	size_t len = strlen(format->lead);

	for (const char *at = text;;) {
		at = memmem(at, (size_t)(end - at), format->lead, len);
		if (!at)
			return false;
		at += len;
		if ((!is_word(*format->lead) || at - len == text ||
		     !is_word(at[-(ptrdiff_t)len - 1])) &&
		    match_whole(format->pattern, at, end, parts))
			return true;
	}
}

static bool match_behind_last(const struct stamp_format *format, const char *text, const char *end,
			      struct stamp_parts *parts)
{
	size_t len = strlen(format->lead);
	const char *limit = end - text > STAMP_SCAN_MAX ? end - STAMP_SCAN_MAX : text;

	for (const char *at = end - len; at >= limit; at--)
		if (memcmp(at, format->lead, len) == 0)
			return match_whole(format->pattern, at + len, end, parts);
	return false;
}

static bool match(const struct stamp_format *format, const char *text, const char *end,
		  struct stamp_parts *parts)
{
	size_t start_len = format->start ? strlen(format->start) : 0;
	const char *scan_end = end - text > STAMP_SCAN_MAX ? text + STAMP_SCAN_MAX : end;

	if ((size_t)(end - text) < start_len || memcmp(text, format->start ?: "", start_len) != 0)
		return false;
	switch (format->place) {
	case AT_START:
		return match_whole(format->pattern, text + (format->lead ? start_len : 0), scan_end,
				   parts);
	case BEHIND:
		return match_behind(format, text, scan_end, parts);
	case BEHIND_LAST:
		return match_behind_last(format, text, end, parts);
	case ANYWHERE:
		return match_anywhere(format, text, scan_end, parts);
	}
	return false;
}

/* The date as Unix time, by the zone that it names or the host's. */
static bool resolve_civil(struct stamp_reader *reader, const struct civil *civil,
			  struct stamp *ret_stamp)
{
	int64_t early, late;

	if (!civil_is_valid(civil))
		return false;
	early = late = civil_seconds(civil) - civil->offset_s;
	if (civil->zone != CIVIL_OFFSET)
		civil_from_local(&reader->zone, early, &early, &late);
	if (civil->zone == CIVIL_NAMED && early != late) {
		if (civil_zone_is(early, civil->zone_name))
			late = early;
		else
			early = late;
	}
	ret_stamp->early_us = early * SECOND_US + civil->micros;
	ret_stamp->late_us = late * SECOND_US + civil->micros;
	return true;
}

/* Without a year: the last such day that is not newer than the file, or the lines behind this one. */
static bool resolve_year(struct stamp_reader *reader, struct civil *civil, struct stamp *ret_stamp)
{
	int64_t newest_s = reader->newest_us / SECOND_US + SLACK_S;
	int last = civil_year_of(newest_s);
	struct stamp stamp;

	for (civil->year = last; civil->year > last - YEARS_BACK; civil->year--)
		if (resolve_civil(reader, civil, &stamp) &&
		    stamp.early_us <= newest_s * SECOND_US) {
			*ret_stamp = stamp;
			return true;
		}
	return false;
}

static bool resolve(struct stamp_reader *reader, struct stamp_parts *parts, struct stamp *ret_stamp)
{
	if (parts->uptime && reader->boot_us == 0)
		return false;
	if (parts->uptime || parts->absolute) {
		int64_t at = parts->absolute_us + (parts->uptime ? reader->boot_us : 0);

		*ret_stamp = (struct stamp){at, at};
		return true;
	}
	if (parts->civil.year == CIVIL_NO_YEAR)
		return resolve_year(reader, &parts->civil, ret_stamp);
	return resolve_civil(reader, &parts->civil, ret_stamp);
}

static bool read_format(struct stamp_reader *reader, const struct stamp_format *format,
			const char *text, const char *end, struct stamp *ret_stamp)
{
	struct stamp_parts parts;

	return match(format, text, end, &parts) && resolve(reader, &parts, ret_stamp);
}

bool stamp_read(struct stamp_reader *reader, const char *text, size_t len, struct stamp *ret_stamp)
{
	const char *end = memchr(text, '\n', len);

	if (!end)
		end = text + len;
	if (end > text && end[-1] == '\r')
		end--;
	for (size_t i = 0; i < STAMP_KINDS && reader->formats[i]; i++)
		if (read_format(reader, reader->formats[i], text, end, ret_stamp))
			return true;
	return false;
}

static void vote(struct stamp_reader *reader, const char *line, const char *end,
		 unsigned votes[static TL_ARRAY_LEN(formats)])
{
	struct stamp stamp;

	for (size_t i = 0; i < TL_ARRAY_LEN(formats); i++)
		if (read_format(reader, &formats[i], line, end, &stamp)) {
			votes[i]++;
			return;
		}
}

/* A date within a line means less than one that it begins with: every twentieth line must have one. */
static bool is_enough(const struct stamp_format *format, unsigned votes, unsigned lines)
{
	return votes > 0 && (format->place != ANYWHERE || votes * 20 >= lines);
}

static void remember(struct stamp_reader *reader, const struct stamp_format *format)
{
	for (size_t i = 0; i < STAMP_KINDS; i++) {
		if (reader->formats[i] == format)
			return;
		if (!reader->formats[i]) {
			reader->formats[i] = format;
			return;
		}
	}
}

bool stamp_detect(struct stamp_reader *reader, const char *text, size_t len)
{
	unsigned votes[TL_ARRAY_LEN(formats)] = {0};
	const char *end = text + len;
	unsigned lines = 0;
	size_t best = 0;

	while (text < end && lines < LINES_MAX) {
		const char *next = memchr(text, '\n', (size_t)(end - text));

		if (!next)
			next = end;
		vote(reader, text, next > text && next[-1] == '\r' ? next - 1 : next, votes);
		lines += next > text;
		text = next < end ? next + 1 : end;
	}
	for (size_t i = 1; i < TL_ARRAY_LEN(formats); i++)
		if (votes[i] > votes[best])
			best = i;
	if (!is_enough(&formats[best], votes[best], lines))
		return false;
	remember(reader, &formats[best]);
	return true;
}

const char *stamp_name(const struct stamp_reader *reader)
{
	return reader->formats[0] ? reader->formats[0]->name : NULL;
}

bool stamp_lacks_year(const struct stamp_reader *reader)
{
	for (size_t i = 0; i < STAMP_KINDS && reader->formats[i]; i++)
		if (!strpbrk(reader->formats[i]->pattern, "Yysxu"))
			return true;
	return false;
}
