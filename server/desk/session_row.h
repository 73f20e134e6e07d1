/* Sessions, as the API shows them. */
#ifndef TOWLINE_SERVER_SESSION_ROW_H
#define TOWLINE_SERVER_SESSION_ROW_H

#include <towline/json.h>

#include "store/store.h"

/* The columns that tl_session_make reads, and where from. */
#define TL_SESSION_COLUMNS \
	"s.id, t.number, s.host_id, h.name, u.login, s.lane, s.scopes, s.purpose, s.state, " \
	"s.decision, " \
	"s.decision_reason, s.end_reason, s.requested_ms, s.opened_ms, s.ended_ms, s.bytes_in, " \
	"s.bytes_out, s.recording_blob, s.expires_ms, s.note, s.account, s.break_glass, " \
	"CASE WHEN s.statement IS NULL THEN 0 ELSE 1 END, " \
	"s.paused, s.four_eyes"
#define TL_SESSION_FROM \
	" FROM session s JOIN ticket t ON t.id = s.ticket_id JOIN host h ON h.id = s.host_id " \
	"JOIN app_user u ON u.id = s.user_id "

json_t *tl_session_make(const struct tl_rows *row);
/* One with what is known of its recording; the caller owns it. TL_ENOENT says which. */
TL_MUST_CHECK int tl_session_shown(struct tl_store *store, const char *id, json_t **ret_session,
				   struct tl_err *err);

#endif
