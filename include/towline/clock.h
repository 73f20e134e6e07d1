/* Time, injectable. Everything that decides by time takes a `struct tl_clock`; programs pass
 * tl_clock_system(), tests a fake one that they move by hand. Any thread. */
#ifndef TOWLINE_CLOCK_H
#define TOWLINE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>

struct tl_clock {
	int64_t (*wall_ms)(const struct tl_clock *clock); /* Unix time, milliseconds */
	int64_t (*mono_ms)(const struct tl_clock *clock); /* CLOCK_BOOTTIME, milliseconds */
};

const struct tl_clock *tl_clock_system(void);

static inline int64_t tl_clock_wall_ms(const struct tl_clock *clock)
{
	return clock->wall_ms(clock);
}
static inline int64_t tl_clock_mono_ms(const struct tl_clock *clock)
{
	return clock->mono_ms(clock);
}

/* A clock for tests: shows what its fields say. */
struct tl_clock_fake {
	struct tl_clock clock;
	int64_t wall_now_ms;
	int64_t mono_now_ms;
};
void tl_clock_fake_init(struct tl_clock_fake *fake, int64_t wall_now_ms);
/* Moves both clocks forward. */
void tl_clock_fake_advance(struct tl_clock_fake *fake, int64_t ms);

#define TL_TIME_TEXT 32 /* room for any of the texts below */

/* RFC 3339 in UTC with milliseconds: "2026-03-01T09:30:00.000Z". */
void tl_time_rfc3339(int64_t wall_ms, char text[static TL_TIME_TEXT]);
/* Parses that, with or without milliseconds, "Z" only; 0 or TL_EINVAL. */
TL_MUST_CHECK int tl_time_rfc3339_parse(const char *text, int64_t *ret_wall_ms);
/* RFC 9110 §5.6.7 IMF-fixdate: "Sun, 01 Mar 2026 09:30:00 GMT". */
void tl_time_http(int64_t wall_ms, char text[static TL_TIME_TEXT]);
/* Parses IMF-fixdate; 0 or TL_EINVAL. */
TL_MUST_CHECK int tl_time_http_parse(const char *text, int64_t *ret_wall_ms);
/* "3 min", "2 h 5 min", "4 d": for people. */
void tl_time_span(int64_t span_ms, char text[static TL_TIME_TEXT]);

#endif
