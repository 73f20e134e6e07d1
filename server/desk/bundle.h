/* Bundles, as the API shows them. */
#ifndef TOWLINE_SERVER_BUNDLE_H
#define TOWLINE_SERVER_BUNDLE_H

#include <towline/json.h>

#include "store/store.h"

/* The columns that tl_bundle_make reads, and where from. */
#define TL_BUNDLE_COLUMNS \
	"b.id, t.number, b.host_id, h.name, b.sha256, b.index_sha256, b.size, b.unpacked, " \
	"b.members, " \
	"b.created_ms, b.facts, b.consent"
#define TL_BUNDLE_FROM \
	" FROM bundle b JOIN ticket t ON t.id = b.ticket_id JOIN host h ON h.id = b.host_id "

json_t *tl_bundle_make(const struct tl_rows *row);

#endif
