/* The boots that the journal remembers. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_BOOTS_H
#define TOWLINE_COLLECT_BOOTS_H

#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#include "collect/slice.h"

/* When this host was started, microseconds of Unix time; 0 when that cannot be read. `root` as in
 * collect_context. */
int64_t boots_current_us(const char *root);

/* The range of one boot: "0" is this one, "-1" the one before, or its id (32 hexadecimal digits, with or
 * without dashes). This one's end is open. TL_EINVAL for what is neither, TL_ENOENT for one that the journal
 * does not know. */
TL_MUST_CHECK int boots_find(const char *which, int64_t current_us, struct slice_range *ret_range,
			     struct tl_err *err);

#endif
