/* The second look at a finished bundle's file. Library towline_rescan_bundle (libarchive). */
#ifndef TOWLINE_RESCAN_BUNDLE_H
#define TOWLINE_RESCAN_BUNDLE_H

#include <towline/bundle.h>

#include "rescan/rescan.h"

/* Walks the bundle read from `fd` and looks at each member's name and bytes. 0 whatever was found (ask
 * tl_rescan_verdict), or why the bundle cannot be read. */
TL_MUST_CHECK int tl_rescan_bundle(struct tl_rescan *rescan, int fd,
				   const struct tl_bundle_limits *limits, struct tl_err *err);

#endif
