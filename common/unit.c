#include <towline/unit.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <towline/clock.h>
#include <towline/str.h>

static void bytes_text(const char *rest, double value, char text[static TL_UNIT_TEXT])
{
	static const char *const sizes[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t size = 0;

	for (; fabs(value) >= 1000 && size + 1 < TL_ARRAY_LEN(sizes); size++)
		value /= 1000;
	snprintf(text, TL_UNIT_TEXT, size ? "%.4g %s%.8s" : "%.0f %s%.8s", value, sizes[size],
		 rest);
}

void tl_unit_text(const char *unit, double value, char text[static TL_UNIT_TEXT])
{
	bool is_plain = tl_streq(unit, "1");
	char span[TL_TIME_TEXT];

	if (!isfinite(value)) {
		snprintf(text, TL_UNIT_TEXT, "unknown");
	} else if (tl_str_starts(unit, "By")) {
		bytes_text(unit + 2, value, text);
	} else if (tl_streq(unit, "s") && fabs(value) >= 60 && fabs(value) < 1e14) {
		tl_time_span((int64_t)(fabs(value) * 1000), span);
		snprintf(text, TL_UNIT_TEXT, "%s%s", value < 0 ? "-" : "", span);
	} else if (tl_streq(unit, "Cel")) {
		snprintf(text, TL_UNIT_TEXT, "%.0f °C", value);
	} else {
		bool is_whole = value == floor(value) && fabs(value) < 1e15;

		snprintf(text, TL_UNIT_TEXT, is_whole ? "%.0f%s%.16s" : "%.4g%s%.16s", value,
			 is_plain ? "" : " ", is_plain ? "" : unit);
	}
}
