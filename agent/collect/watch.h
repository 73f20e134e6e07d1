/* The second look (agent/rescan) at all that goes into a bundle, and the canaries that go the way of all
 * sources: either withholds the bundle. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_WATCH_H
#define TOWLINE_COLLECT_WATCH_H

#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#include "collect/bundle_writer.h"

#define WATCH_CANARY_PATH "redaction/canary.txt"

struct watch {
	struct tl_canary *canary;
	struct tl_rescan *rescan;
	struct tl_buf text; /* the canaries' source */
	struct bundle_watch bundle;
};

/* `watch` stays where it is: the writer calls it. */
TL_MUST_CHECK int watch_open(struct watch *watch, struct tl_err *err);
/* What was seen of the canaries comes out of the redactor as `text`: a member of the bundle. */
TL_MUST_CHECK int watch_append(struct bundle_writer *writer, const char *text, struct tl_err *err);
void watch_clear(struct watch *watch);
TL_DEFINE_AUTO(watch, watch_clear);

#endif
