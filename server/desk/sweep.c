/* What nobody ends any more: sessions that a crash left open, and those whose time has passed. */
#include <stdio.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/session.h"
#include "desk/upload.h"

/* Whoever carries a session ends it by itself; only when it did not for this long is it gone. */
#define GRACE_MS 60000

struct orphans {
	const char *
		sql; /* selects one id with its lane; $1 the node, $2 now less the grace, $3 the longest session */
	const char *reason;
};

static const struct orphans left_by_crash = {
	"SELECT id, lane FROM session WHERE state IN ('requested', 'consented', 'open') "
	"AND (node = $1 OR node IS NULL) ORDER BY id LIMIT 1",
	"the relay was restarted and the connection was lost",
};

static const struct orphans overdue[] = {
	{"SELECT id, lane FROM session WHERE state = 'requested' AND expires_ms < $2 "
	 "ORDER BY id LIMIT 1",
	 "the request expired: nobody answered it in time"},
	{"SELECT id, lane FROM session WHERE (state = 'consented' OR (state = 'open' AND opened_ms "
	 "IS "
	 "NULL)) AND expires_ms < $2 ORDER BY id LIMIT 1",
	 "the request expired: the endpoint agreed, but the session never began"},
	{"SELECT id, lane FROM session WHERE state = 'open' AND opened_ms < $2 - $3 "
	 "ORDER BY id LIMIT 1",
	 "the session's time has passed and nobody told of its end"},
};

struct orphan {
	char session[TL_ID_LEN + 1];
	bool is_bastion;
};

static int next(const struct tl_desk *desk, struct tl_store *store, const struct orphans *orphans,
		struct orphan *ret_orphan, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int64_t due_ms = tl_clock_wall_ms(desk->clock) - GRACE_MS;
	int r = tl_store_row(store, orphans->sql,
			     TL_ARGS(TL_ARG_TEXT(desk->node), TL_ARG_INT(due_ms),
				     TL_ARG_INT(desk->session_max_s * 1000)),
			     &row, err);

	if (r)
		return r;
	snprintf(ret_orphan->session, sizeof ret_orphan->session, "%s", tl_rows_text(row, 0));
	ret_orphan->is_bastion = tl_streq(tl_rows_text(row, 1), tl_lane_name(TL_LANE_BASTION));
	return 0;
}

/* What the relay itself recorded until it was cut off is evidence: unsealed by a key, read-only from
 * now on. An endpoint's recording follows by itself. */
static bool keep_recording(struct tl_desk *desk, const struct orphan *orphan)
{
	char blob[TL_ID_LEN + 5];
	tl_fd int fd = -1;
	uint64_t size = 0;

	if (!orphan->is_bastion)
		return false;
	snprintf(blob, sizeof blob, "rec-%s", orphan->session);
	return tl_blob_read(desk->blobs, blob, &fd, &size, NULL) == 0 && size > 0 &&
	       tl_blob_seal(desk->blobs, blob, NULL) == 0;
}

static int end_all(struct tl_desk *desk, struct tl_store *store, const struct orphans *orphans,
		   struct tl_err *err)
{
	struct orphan orphan;
	int r;

	while ((r = next(desk, store, orphans, &orphan, err)) == 0) {
		const struct tl_session_end end = {.reason = orphans->reason,
						   .has_recording = keep_recording(desk, &orphan)};

		if ((r = tl_session_ended(desk, store, orphan.session, &end, err)))
			return r;
		tl_broker_forget(desk->broker, orphan.session);
		tl_log_warning("a session that nobody ended was closed",
			       TL_S("session", orphan.session), TL_S("reason", orphans->reason));
	}
	return r == TL_ENOENT ? 0 : r;
}

int tl_desk_recover(struct tl_desk *desk, struct tl_store *store, struct tl_err *err)
{
	return end_all(desk, store, &left_by_crash, err);
}

int tl_desk_sweep(struct tl_desk *desk, struct tl_store *store, struct tl_err *err)
{
	int r = tl_store_exec(store, "DELETE FROM assertion_jti WHERE expires_ms < $1",
			      TL_ARGS(TL_ARG_INT(tl_clock_wall_ms(desk->clock))), NULL, err);

	for (size_t i = 0; r == 0 && i < TL_ARRAY_LEN(overdue); i++)
		r = end_all(desk, store, &overdue[i], err);
	return r ? r : tl_upload_sweep(desk, store, err);
}
