/* PATCH of an upload: bytes from the wire go straight to the blob and to the disk before they are
 * acknowledged. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/attend.h"
#include "desk/handlers.h"
#include "desk/upload.h"
#include "desk/upload_checksum.h"

struct patch {
	struct tl_upload upload;
	int fd;				     /* locked: one PATCH at a time */
	uint64_t start;			     /* where this PATCH began */
	uint64_t limit;			     /* the upload may grow up to here */
	struct tl_upload_checksum *checksum; /* of its bytes; NULL: none was given */
	struct tl_err err;
	struct tl_problem problem;
};

static void free_patch(struct patch *patch)
{
	if (!patch)
		return;
	if (patch->fd >= 0)
		close(patch->fd);
	tl_upload_checksum_free(patch->checksum);
	free(patch);
}
TL_DEFINE_AUTO_PTR(patch, free_patch);

/* A deferred length may be given with any PATCH, once. */
static int read_late_length(const struct tl_http_call *call, struct patch *patch)
{
	const char *text = tl_http_header(call, "upload-length");
	struct tl_upload *upload = &patch->upload;
	const uint64_t max = tl_desk_of(call)->max_recording_bytes; /* only they come without */
	int64_t length;

	if (!text)
		return 0;
	if (tl_str_i64(text, 0, INT64_MAX, &length) ||
	    (upload->length >= 0 && upload->length != length) || (uint64_t)length < upload->size)
		return tl_err_set(&patch->err, TL_EINVAL,
				  "Upload-Length contradicts what is known of the upload");
	if (upload->length < 0 && (uint64_t)length > max)
		return tl_err_set(&patch->err, TL_ETOOBIG,
				  "a recording may have at most %llu bytes",
				  (unsigned long long)max);
	upload->length = length;
	return tl_store_exec(tl_desk_store(call),
			     "UPDATE upload SET length = $2, updated_ms = $3 WHERE id = $1",
			     TL_ARGS(TL_ARG_TEXT(upload->id), TL_ARG_INT(length),
				     TL_ARG_INT(tl_clock_wall_ms(tl_desk_of(call)->clock))),
			     NULL, &patch->err);
}

/* What a crash left behind, or what is not what it should be: neither on the disk for certain nor checked. */
static int cut_back(struct patch *patch, uint64_t size)
{
	struct stat status;

	if (fstat(patch->fd, &status) == 0 && (uint64_t)status.st_size < size)
		return tl_err_set(&patch->err, TL_EIO, "the upload's blob lost bytes");
	if (ftruncate(patch->fd, (off_t)size))
		return tl_err_sys(&patch->err, TL_EIO, errno, "the upload cannot be cut back");
	patch->upload.size = size;
	return 0;
}

static int open_blob(struct tl_http_call *call, struct patch *patch)
{
	struct tl_upload *upload = &patch->upload;
	uint64_t size;
	int r;

	if (upload->state != TL_UPLOAD_OPEN || tl_upload_is_whole(upload))
		return 0; /* nothing left to write; sealed, perhaps */
	r = tl_blob_append(tl_desk_of(call)->blobs, upload->blob, &patch->fd, &size, &patch->err);
	if (r)
		return r;
	if ((r = tl_upload_lock(call, patch->fd, &patch->problem, &patch->err)))
		return r;
	/* Who had the lock before may have gone on since the row was read. */
	if ((r = tl_upload_load(tl_desk_store(call), tl_http_param(call, "id"),
				tl_http_principal(call)->id, upload, &patch->err)))
		return r;
	return cut_back(patch, upload->size);
}

static int check_offset(const struct tl_http_call *call, struct patch *patch)
{
	const struct tl_upload *upload = &patch->upload;
	const struct tl_desk *desk = tl_desk_of(call);
	const char *text = tl_http_header(call, "upload-offset");
	uint64_t offset, declared = tl_http_content_length(call);

	if (!text || tl_str_u64(text, INT64_MAX, &offset))
		return tl_err_set(&patch->err, TL_EINVAL,
				  "Upload-Offset must be a number of bytes");
	if (offset != upload->size)
		return tl_problem_set(&patch->problem, &patch->err, 409, "upload-offset",
				      "the upload is at %llu bytes, not at %llu",
				      (unsigned long long)upload->size, (unsigned long long)offset);
	patch->start = offset;
	patch->limit = upload->length >= 0 ? (uint64_t)upload->length : desk->max_recording_bytes;
	if (declared != UINT64_MAX && declared > patch->limit - offset)
		return tl_err_set(&patch->err, TL_ETOOBIG, "the upload ends at %llu bytes",
				  (unsigned long long)patch->limit);
	return 0;
}

static int prepare(struct tl_http_call *call, struct patch *patch)
{
	const char *checksum = tl_http_header(call, "upload-checksum");
	int r = tl_upload_load(tl_desk_store(call), tl_http_param(call, "id"),
			       tl_http_principal(call)->id, &patch->upload, &patch->err);

	if (r == 0 && checksum)
		r = tl_upload_checksum_new(checksum, &patch->checksum, &patch->err);
	if (r)
		return r;
	if (!tl_streq(tl_http_header(call, "content-type"), "application/offset+octet-stream"))
		return tl_problem_set(&patch->problem, &patch->err, 415, "content-type",
				      "a PATCH carries application/offset+octet-stream");
	if (patch->upload.state == TL_UPLOAD_REJECTED)
		return tl_problem_set(&patch->problem, &patch->err, 422, "bundle-rejected",
				      "this upload was rejected; the ticket's timeline says why");
	if ((r = read_late_length(call, patch)) || (r = open_blob(call, patch)))
		return r;
	return check_offset(call, patch);
}

static int begin(struct tl_http_call *call)
{
	tl_auto(patch) struct patch *patch = calloc(1, sizeof *patch);

	if (tl_upload_wrong_version(call))
		return TL_EPROTO;
	if (!patch) {
		tl_http_fail(call, &(struct tl_err){.code = TL_ENOMEM});
		return TL_ENOMEM;
	}
	patch->fd = -1;
	if (prepare(call, patch)) {
		tl_reply_failure(call, &patch->problem, &patch->err);
		return patch->err.code;
	}
	tl_http_set_state(call, tl_steal(&patch));
	return 0;
}

static int refuse(struct tl_http_call *call, const struct patch *patch)
{
	tl_reply_failure(call, &patch->problem, &patch->err);
	return patch->err.code;
}

static int piece(struct tl_http_call *call, const void *bytes, size_t len)
{
	struct patch *patch = tl_http_state(call);

	if (patch->fd < 0 || len > patch->limit - patch->upload.size) {
		tl_err_set(&patch->err, TL_ETOOBIG, "the upload ends at %llu bytes",
			   (unsigned long long)patch->limit);
		return refuse(call, patch);
	}
	if (patch->checksum)
		tl_upload_checksum_update(patch->checksum, bytes, len);
	if (tl_fs_write_all(patch->fd, bytes, len, &patch->err))
		return refuse(call, patch);
	patch->upload.size += len;
	return 0;
}

/* Makes what came durable and notes it. */
static int keep(const struct tl_http_call *call, struct patch *patch)
{
	if (patch->fd < 0)
		return 0;
	if (fsync(patch->fd))
		return tl_err_sys(&patch->err, TL_EIO, errno, "cannot store the upload");
	return tl_store_exec(tl_desk_store(call),
			     "UPDATE upload SET received = $2, updated_ms = $3 WHERE id = $1",
			     TL_ARGS(TL_ARG_TEXT(patch->upload.id), TL_ARG_INT(patch->upload.size),
				     TL_ARG_INT(tl_clock_wall_ms(tl_desk_of(call)->clock))),
			     NULL, &patch->err);
}

static int check_bytes(struct patch *patch)
{
	int r;

	if (!patch->checksum || tl_upload_checksum_fits(patch->checksum))
		return 0;
	r = patch->fd >= 0 ? cut_back(patch, patch->start) : 0;
	return r ? r
		 : tl_problem_set(
			   &patch->problem, &patch->err, 460, "checksum-mismatch",
			   "the bytes are not those of the Upload-Checksum: send them again");
}

static void end(struct tl_http_call *call)
{
	tl_auto(patch) struct patch *patch = tl_http_state(call);
	char offset[24];
	int r;

	tl_http_set_state(call, NULL);
	r = check_bytes(patch);
	if (r == 0)
		r = keep(call, patch);
	if (r == 0 && patch->upload.session[0])
		tl_attend_grew(tl_desk_of(call), patch->upload.session);
	if (r == 0 && tl_upload_is_whole(&patch->upload)) {
		if (patch->fd >= 0)
			close(tl_steal_fd(&patch->fd));
		r = tl_upload_complete(call, &patch->upload, &patch->problem, &patch->err);
	}
	if (r) {
		tl_reply_failure(call, &patch->problem, &patch->err);
		return;
	}
	snprintf(offset, sizeof offset, "%llu", (unsigned long long)patch->upload.size);
	tl_http_add_header(call, "Upload-Offset", offset);
	tl_upload_add_expiry(call, &patch->upload);
	tl_http_reply(call, 204, NULL);
}

static void broken(struct tl_http_call *call)
{
	tl_auto(patch) struct patch *patch = tl_http_state(call);
	int r;

	tl_http_set_state(call, NULL);
	if (!patch)
		return;
	if (patch->checksum) /* half a chunk cannot be checked */
		r = patch->fd >= 0 ? cut_back(patch, patch->start) : 0;
	else
		r = keep(call, patch);
	if (r)
		tl_log_warning("a broken upload could not be kept",
			       TL_S("upload", patch->upload.id), TL_ERR(&patch->err));
}

const struct tl_http_sink tl_upload_sink = {begin, piece, end, broken};
