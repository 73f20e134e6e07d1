/* Uploads that are given up: withdrawn by their host (tus termination), or left alone for too long
 * (expiration). A recording is evidence: nobody takes it back, and it does not expire. */
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/handlers.h"
#include "desk/upload.h"

#define SWEPT_MAX 100 /* at a time */

void tl_upload_add_expiry(struct tl_http_call *call, const struct tl_upload *upload)
{
	int64_t at_ms = tl_clock_wall_ms(tl_desk_of(call)->clock) + TL_UPLOAD_LIFE_MS;
	time_t at = (time_t)(at_ms / 1000);
	struct tm utc;
	char text[64];

	if (upload->state != TL_UPLOAD_OPEN || !tl_streq(upload->meta.kind, "bundle"))
		return;
	gmtime_r(&at, &utc);
	strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
	tl_http_add_header(call, "Upload-Expires", text);
}

/* The row goes first: without it nobody finds the blob. An upload that went on meanwhile stays. */
static int forget(struct tl_desk *desk, struct tl_store *store, const char *id, const char *blob,
		  int64_t before_ms, struct tl_err *err)
{
	int64_t gone = 0;
	int r = tl_store_exec(store,
			      "DELETE FROM upload WHERE id = $1 AND state = 'open' "
			      "AND kind = 'bundle' AND updated_ms < $2",
			      TL_ARGS(TL_ARG_TEXT(id), TL_ARG_INT(before_ms)), &gone, err);

	if (r || !gone)
		return r ? r : tl_err_set(err, TL_ECONFLICT, "the upload was ended meanwhile");
	return tl_blob_remove(desk->blobs, blob, err);
}

static int check_withdrawal(const struct tl_upload *upload, struct tl_problem *problem,
			    struct tl_err *err)
{
	if (!tl_streq(upload->meta.kind, "bundle"))
		return tl_problem_set(problem, err, 403, "recording-stays",
				      "a recording is not taken back");
	if (upload->state == TL_UPLOAD_COMPLETE)
		return tl_problem_set(
			problem, err, 403, "upload-complete",
			"the bundle is whole and on its ticket: it is not taken back");
	return 0;
}

static int terminate(struct tl_http_call *call, struct tl_problem *problem, struct tl_err *err)
{
	struct tl_desk *desk = tl_desk_of(call);
	struct tl_upload upload;
	tl_fd int fd = -1;
	uint64_t size;
	int r = tl_upload_load(tl_desk_store(call), tl_http_param(call, "id"),
			       tl_http_principal(call)->id, &upload, err);

	if (r || (r = check_withdrawal(&upload, problem, err)))
		return r;
	if (upload.state != TL_UPLOAD_OPEN) /* rejected: there is nothing left of it */
		return 0;
	if ((r = tl_blob_read(desk->blobs, upload.blob, &fd, &size, err)) ||
	    (r = tl_upload_lock(call, fd, problem, err)))
		return r;
	return forget(desk, tl_desk_store(call), upload.id, upload.blob, INT64_MAX, err);
}

void tl_upload_terminate(struct tl_http_call *call)
{
	struct tl_problem problem = TL_PROBLEM_INIT;
	struct tl_err err = TL_ERR_INIT;

	if (tl_upload_wrong_version(call))
		return;
	if (terminate(call, &problem, &err))
		tl_reply_failure(call, &problem, &err);
	else
		tl_http_reply(call, 204, NULL);
}

static int forget_oldest(struct tl_desk *desk, struct tl_store *store, int64_t before_ms,
			 struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	char id[TL_ID_LEN + 1], blob[64];
	int r = tl_store_row(store,
			     "SELECT id, blob FROM upload WHERE state = 'open' "
			     "AND kind = 'bundle' AND updated_ms < $1 ORDER BY id LIMIT 1",
			     TL_ARGS(TL_ARG_INT(before_ms)), &row, err);

	if (r)
		return r;
	snprintf(id, sizeof id, "%s", tl_rows_text(row, 0));
	snprintf(blob, sizeof blob, "%s", tl_rows_text(row, 1));
	tl_rows_free(tl_steal(&row));
	r = forget(desk, store, id, blob, before_ms, err);
	if (r == 0)
		tl_log_info("an upload that nobody went on with was removed", TL_S("upload", id));
	return r == TL_ECONFLICT ? 0 : r;
}

int tl_upload_sweep(struct tl_desk *desk, struct tl_store *store, struct tl_err *err)
{
	int64_t before_ms = tl_clock_wall_ms(desk->clock) - TL_UPLOAD_LIFE_MS;
	int r = 0;

	for (int i = 0; r == 0 && i < SWEPT_MAX; i++)
		r = forget_oldest(desk, store, before_ms, err);
	return r == TL_ENOENT ? 0 : r;
}
