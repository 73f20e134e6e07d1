/* Moments and ranges of time as people write them.
 *
 *     2026-03-01T09:30:00Z  2026-03-01T09:30+01:00   RFC 3339, seconds and zone optional
 *     2026-03-01 09:30[:00]  2026-03-01  09:30[:00]  in this host's zone; a time alone is today's
 *     now  today  yesterday  boot                    boot: when this host was started
 *     2h  2h ago  1h30m  3 days ago                  before now
 *     @1772357400                                    seconds of Unix time
 *
 * Private to agent/collect. Any thread, as far as localtime_r(3) is. */
#ifndef TOWLINE_COLLECT_WHEN_H
#define TOWLINE_COLLECT_WHEN_H

#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#include "collect/slice.h"

#define WHEN_AROUND_US (15 * 60 * INT64_C(1000000)) /* to both sides, where no span is given */

struct when_base {
	int64_t now_us;	 /* Unix time, microseconds */
	int64_t boot_us; /* of this boot; 0: unknown */
};

/* Microseconds of Unix time. TL_EINVAL says what would be understood. */
TL_MUST_CHECK int when_parse(const char *text, const struct when_base *base, int64_t *ret_us,
			     struct tl_err *err);
/* "1h30m", "2 days": microseconds, above 0 and below 100 years. TL_EINVAL. */
TL_MUST_CHECK int when_span(const char *text, int64_t *ret_us, struct tl_err *err);
/* "TIME", "TIME±SPAN" or "TIME+-SPAN": a range around the moment. */
TL_MUST_CHECK int when_around(const char *text, const struct when_base *base,
			      struct slice_range *ret_range, struct tl_err *err);

struct when_request {
	const char *since, *until, *around, *boot; /* NULL: not given */
};
/* The range that is asked for; ends that are not given stay open. A contradiction (around and since, an end
 * before its beginning) is TL_EINVAL. `boot` is looked up by boots_find (boots.h). */
TL_MUST_CHECK int when_range(const struct when_request *request, const struct when_base *base,
			     struct slice_range *ret_range, struct tl_err *err);

#endif
