/* Creating uploads and asking how far they are. */
#include "desk/upload.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/handlers.h"
#include "desk/quota.h"
#include "desk/ticket.h"
#include "desk/upload_checksum.h"

#define BUSY_RETRY_S "5"

static const char *const state_names[] = {"open", "complete", "rejected", "aborted"};

bool tl_upload_wrong_version(struct tl_http_call *call)
{
	tl_http_add_header(call, "Tus-Resumable", TL_TUS_VERSION);
	if (tl_streq(tl_http_header(call, "tus-resumable"), TL_TUS_VERSION))
		return false;
	tl_http_add_header(call, "Tus-Version", TL_TUS_VERSION);
	tl_http_problem(call, 412, "tus-version", "uploads speak tus " TL_TUS_VERSION);
	return true;
}

void tl_upload_options(struct tl_http_call *call)
{
	char max[24];

	snprintf(max, sizeof max, "%llu", (unsigned long long)tl_desk_of(call)->max_bundle_bytes);
	tl_http_add_header(call, "Tus-Resumable", TL_TUS_VERSION);
	tl_http_add_header(call, "Tus-Version", TL_TUS_VERSION);
	tl_http_add_header(call, "Tus-Extension",
			   "creation,creation-defer-length,checksum,expiration,termination");
	tl_http_add_header(call, "Tus-Checksum-Algorithm", TL_TUS_CHECKSUMS);
	tl_http_add_header(call, "Tus-Max-Size", max);
	tl_http_reply(call, 204, NULL);
}

/* ---- loading ---------------------------------------------------------------------------------- */

static enum tl_upload_state state_of(const char *name)
{
	size_t i;

	for (i = 0; i < TL_ARRAY_LEN(state_names); i++)
		if (tl_streq(state_names[i], name))
			return (enum tl_upload_state)i;
	return TL_UPLOAD_ABORTED;
}

static void copy(char *to, size_t size, const struct tl_rows *row, int column)
{
	snprintf(to, size, "%s", tl_rows_text(row, column));
}

int tl_upload_load(struct tl_store *store, const char *id, const char *host,
		   struct tl_upload *ret_upload, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_upload upload = {.length = TL_UPLOAD_LENGTH_DEFERRED};
	int r = tl_store_row(
		store,
		"SELECT id, blob, principal, ticket_id, session_id, state, length, metadata, "
		"received "
		"FROM upload WHERE id = $1 AND principal = $2",
		TL_ARGS(TL_ARG_TEXT(id), TL_ARG_TEXT(host)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no upload %s of yours", id);
	if (r)
		return r;
	copy(upload.id, sizeof upload.id, row, 0);
	copy(upload.blob, sizeof upload.blob, row, 1);
	copy(upload.host, sizeof upload.host, row, 2);
	copy(upload.ticket, sizeof upload.ticket, row, 3);
	copy(upload.session, sizeof upload.session, row, 4);
	upload.state = state_of(tl_rows_text(row, 5));
	if (!tl_rows_is_null(row, 6))
		upload.length = tl_rows_int(row, 6);
	upload.size = (uint64_t)tl_rows_int(row, 8);
	/* What was stored is the header that was accepted. */
	if ((r = tl_upload_meta_parse(tl_rows_text(row, 7), &upload.meta, err)))
		return r;
	*ret_upload = upload;
	return 0;
}

/* ---- creating --------------------------------------------------------------------------------- */

struct creation {
	struct tl_desk *desk;
	const char *host, *header;
	struct tl_upload_meta meta;
	int64_t length;
	struct tl_problem problem;
	char id[TL_ID_LEN + 1];
	char ticket[TL_ID_LEN + 1];
	bool existed;
};

static const char *subject_of(const struct tl_upload_meta *meta)
{
	return tl_streq(meta->kind, "bundle") ? meta->bundle : meta->session;
}

/* The upload of this subject, if there is one. TL_ENOENT when not. */
static int find_existing(struct tl_change *change, struct creation *c, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(change->store,
			     "SELECT id, principal FROM upload WHERE kind = $1 AND subject = $2",
			     TL_ARGS(TL_ARG_TEXT(c->meta.kind), TL_ARG_TEXT(subject_of(&c->meta))),
			     &row, err);

	if (r)
		return r;
	if (!tl_streq(tl_rows_text(row, 1), c->host))
		return tl_problem_set(&c->problem, err, 409, "upload-in-use",
				      "another host uploads under this id");
	snprintf(c->id, sizeof c->id, "%s", tl_rows_text(row, 0));
	c->existed = true;
	return 0;
}

/* A bundle belongs to a ticket of the host, a recording to a session of the host. */
static int check_subject(struct tl_change *change, struct creation *c, struct tl_err *err)
{
	bool is_bundle = tl_streq(c->meta.kind, "bundle");
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(
		change->store,
		is_bundle ? "SELECT id, host_id FROM ticket WHERE number = upper(CAST($1 AS TEXT))"
			  : "SELECT ticket_id, host_id FROM session "
			    "WHERE id = $1 AND lane = 'end-to-end'",
		TL_ARGS(TL_ARG_TEXT(is_bundle ? c->meta.ticket : c->meta.session)), &row, err);

	if (r && r != TL_ENOENT)
		return r;
	if (r || !tl_streq(tl_rows_text(row, 1), c->host))
		return tl_problem_set(&c->problem, err, 404,
				      is_bundle ? "ticket-unknown" : "session-unknown",
				      "this host has no %s %s",
				      is_bundle ? "ticket" : "recorded session",
				      is_bundle ? c->meta.ticket : c->meta.session);
	snprintf(c->ticket, sizeof c->ticket, "%s", tl_rows_text(row, 0));
	return 0;
}

/* An agent sends one bundle after the other; what it leaves open takes the relay's disk. */
static int check_open(struct tl_change *change, struct creation *c, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(change->store,
			     "SELECT count(*) FROM upload WHERE principal = $1 AND kind = 'bundle' "
			     "AND state = 'open'",
			     TL_ARGS(TL_ARG_TEXT(c->host)), &row, err);

	if (r || tl_rows_int(row, 0) < TL_UPLOADS_OPEN_MAX)
		return r;
	return tl_problem_set(&c->problem, err, 429, "too-many-uploads",
			      "%d bundles of this host are not whole yet: finish them first",
			      TL_UPLOADS_OPEN_MAX);
}

static int check_share(struct tl_change *change, struct creation *c, struct tl_err *err)
{
	int r = check_open(change, c, err);

	return r ? r
		 : tl_quota_check_bytes(c->desk, change->store, c->host, (uint64_t)c->length,
					&c->problem, err);
}

static int create(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct creation *c = arg;
	struct tl_id id = tl_id_new(change->clock);
	char blob[TL_ID_LEN + 5];
	int r = find_existing(change, c, err);

	if (r != TL_ENOENT)
		return r;
	if ((r = check_subject(change, c, err)) ||
	    (tl_streq(c->meta.kind, "bundle") && (r = check_share(change, c, err))))
		return r;
	if (tl_streq(c->meta.kind, "bundle"))
		snprintf(blob, sizeof blob, "%s", id.text);
	else
		snprintf(blob, sizeof blob, "rec-%s", c->meta.session);
	/* Before the row: a row never lacks its blob. One that a lost transaction left is taken. */
	r = tl_blob_create(c->desk->blobs, blob, err);
	if (r && r != TL_EEXIST)
		return r;
	snprintf(c->id, sizeof c->id, "%s", id.text);
	return tl_store_exec(
		change->store,
		"INSERT INTO upload (id, kind, subject, principal, length, metadata, created_ms, "
		"updated_ms, blob, ticket_id, session_id) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)",
		TL_ARGS(TL_ARG_TEXT(c->id), TL_ARG_TEXT(c->meta.kind),
			TL_ARG_TEXT(subject_of(&c->meta)), TL_ARG_TEXT(c->host),
			c->length < 0 ? TL_ARG_TEXT(NULL) : TL_ARG_INT(c->length),
			TL_ARG_TEXT(c->header), TL_ARG_INT(change->now_ms), TL_ARG_TEXT(blob),
			TL_ARG_TEXT(c->ticket),
			TL_ARG_TEXT(c->meta.session[0] ? c->meta.session : NULL)),
		NULL, err);
}

/* Upload-Length, or Upload-Defer-Length: 1 for a recording. */
static int read_length(const struct tl_http_call *call, struct creation *c, struct tl_err *err)
{
	bool is_bundle = tl_streq(c->meta.kind, "bundle");
	uint64_t max = is_bundle ? c->desk->max_bundle_bytes : c->desk->max_recording_bytes;
	const char *text = tl_http_header(call, "upload-length");
	const char *deferred = tl_http_header(call, "upload-defer-length");

	c->length = TL_UPLOAD_LENGTH_DEFERRED;
	if (!text && tl_streq(deferred, "1") && !is_bundle)
		return 0;
	if (!text || deferred)
		return tl_err_set(err, TL_EINVAL,
				  "an upload needs either Upload-Length or, for a "
				  "recording, Upload-Defer-Length: 1");
	if (tl_str_i64(text, 0, INT64_MAX, &c->length) || (is_bundle && c->length == 0))
		return tl_err_set(err, TL_EINVAL, "Upload-Length must be a number of bytes");
	if ((uint64_t)c->length > max)
		return tl_err_set(err, TL_ETOOBIG, "a %s may have at most %llu bytes", c->meta.kind,
				  (unsigned long long)max);
	return 0;
}

static int prepare(const struct tl_http_call *call, struct creation *c, struct tl_err *err)
{
	int r;

	c->header = tl_http_header(call, "upload-metadata");
	if (!c->header)
		return tl_err_set(err, TL_EINVAL, "Upload-Metadata is missing");
	if ((r = tl_upload_meta_parse(c->header, &c->meta, err)))
		return r;
	return read_length(call, c, err);
}

/* ---- replies ---------------------------------------------------------------------------------- */

static void add_progress(struct tl_http_call *call, const struct tl_upload *upload)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)upload->size);
	tl_http_add_header(call, "Upload-Offset", text);
	if (upload->length < 0) {
		tl_http_add_header(call, "Upload-Defer-Length", "1");
		return;
	}
	tl_upload_add_expiry(call, upload);
	snprintf(text, sizeof text, "%lld", (long long)upload->length);
	tl_http_add_header(call, "Upload-Length", text);
}

static void reply_created(struct tl_http_call *call, const struct creation *c)
{
	struct tl_upload upload;
	struct tl_err err = TL_ERR_INIT;
	char location[64];

	if (tl_upload_load(tl_desk_store(call), c->id, c->host, &upload, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	if (upload.state == TL_UPLOAD_REJECTED) {
		tl_http_problem(call, 422, "bundle-rejected",
				"this bundle was rejected before; its ticket says why");
		return;
	}
	snprintf(location, sizeof location, "/v1/uploads/%s", upload.id);
	tl_http_add_header(call, "Location", location);
	add_progress(call, &upload);
	tl_http_reply(call, 201, NULL);
}

void tl_upload_create(struct tl_http_call *call)
{
	struct creation c = {.desk = tl_desk_of(call), .host = tl_http_principal(call)->id};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r;

	if (tl_upload_wrong_version(call))
		return;
	if ((r = prepare(call, &c, &err)) == 0) {
		tl_change_init(&change, call, create, &c);
		r = tl_change_run(&change, &err);
	}
	if (r)
		tl_reply_failure(call, &c.problem, &err);
	else
		reply_created(call, &c);
}

/* HEAD. An upload that is whole but was not taken in (a crash came between) is taken in now, since a
 * client that hears of all bytes would not come back. */
void tl_upload_show(struct tl_http_call *call)
{
	struct tl_problem problem = TL_PROBLEM_INIT;
	struct tl_err err = TL_ERR_INIT;
	struct tl_upload upload;
	int r;

	if (tl_upload_wrong_version(call))
		return;
	tl_http_add_header(call, "Cache-Control", "no-store");
	r = tl_upload_load(tl_desk_store(call), tl_http_param(call, "id"),
			   tl_http_principal(call)->id, &upload, &err);
	if (r == 0 && tl_upload_is_whole(&upload))
		r = tl_upload_complete(call, &upload, &problem, &err);
	if (r) {
		tl_reply_failure(call, &problem, &err);
		return;
	}
	add_progress(call, &upload);
	tl_http_reply(call, 200, NULL);
}

int tl_upload_lock(struct tl_http_call *call, int fd, struct tl_problem *problem,
		   struct tl_err *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	tl_http_add_header(call, "Retry-After", BUSY_RETRY_S);
	return tl_problem_set(problem, err, 423, "upload-busy",
			      "another request is at work on this upload");
}

/* Alone with the upload, as it is now: who had it before may have ended it. */
static int lock_again(struct tl_http_call *call, struct tl_upload *upload, int *ret_fd,
		      struct tl_problem *problem, struct tl_err *err)
{
	struct tl_desk *desk = tl_desk_of(call);
	char id[TL_ID_LEN + 1], host[TL_ID_LEN + 1];
	tl_fd int fd = -1;
	uint64_t size;
	int r;

	memcpy(id, upload->id, sizeof id);
	memcpy(host, upload->host, sizeof host);
	if ((r = tl_blob_read(desk->blobs, upload->blob, &fd, &size, err)) ||
	    (r = tl_upload_lock(call, fd, problem, err)) ||
	    (r = tl_upload_load(tl_desk_store(call), id, host, upload, err)))
		return r;
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

int tl_upload_complete(struct tl_http_call *call, struct tl_upload *upload,
		       struct tl_problem *problem, struct tl_err *err)
{
	tl_fd int lock_fd = -1;
	int r = 0;

	if (upload->state == TL_UPLOAD_OPEN)
		r = lock_again(call, upload, &lock_fd, problem, err);
	if (r)
		return r;
	if (upload->state == TL_UPLOAD_COMPLETE)
		return 0;
	if (upload->state != TL_UPLOAD_OPEN)
		return tl_problem_set(problem, err, 422, "bundle-rejected",
				      "this upload was rejected; the ticket's timeline says why");
	if (tl_streq(upload->meta.kind, "bundle"))
		r = tl_bundle_take(call, upload, problem, err);
	else
		r = tl_recording_take(call, upload, err);
	if (r == 0)
		upload->state = TL_UPLOAD_COMPLETE;
	return r;
}
