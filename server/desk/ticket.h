/* Tickets, as the API shows them. Workers only (own store). */
#ifndef TOWLINE_SERVER_TICKET_H
#define TOWLINE_SERVER_TICKET_H

#include <towline/id.h>
#include <towline/json.h>

#include "store/store.h"

#define TL_TICKET_NUMBER_MAX 32

/* The columns that tl_ticket_make reads, and where from. */
#define TL_TICKET_COLUMNS \
	"t.id, t.number, t.summary, t.state, t.priority, t.host_id, h.name, t.requester, " \
	"t.created_ms, t.updated_ms, t.impact, t.urgency, t.version, t.kind, t.description"
#define TL_TICKET_FROM " FROM ticket t LEFT JOIN host h ON h.id = t.host_id "

/* An item of a list. */
json_t *tl_ticket_make(const struct tl_rows *row);
/* The whole ticket: with description, version, bundles and sessions. `number` in any case.
 * TL_ENOENT. The caller owns *ret_ticket. */
TL_MUST_CHECK int tl_ticket_load(struct tl_store *store, const char *number, json_t **ret_ticket,
				 struct tl_err *err);
/* The id behind a number (any case); TL_ENOENT. */
TL_MUST_CHECK int tl_ticket_find(struct tl_store *store, const char *number,
				 char ret_id[static TL_ID_LEN + 1], struct tl_err *err);

#endif
