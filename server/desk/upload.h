/* Uploads: the tus 1.0 protocol (tus.io/protocols/resumable-upload: core, creation,
 * creation-defer-length, checksum, expiration, termination) over blobs. What has been acknowledged is on the disk; after a crash an
 * upload goes on from there. Workers only (own store). */
#ifndef TOWLINE_SERVER_UPLOAD_H
#define TOWLINE_SERVER_UPLOAD_H

#include "desk/desk.h"
#include "desk/reply.h"
#include "desk/upload_meta.h"

#define TL_TUS_VERSION "1.0.0"
#define TL_UPLOAD_LENGTH_DEFERRED (-1)
#define TL_UPLOADS_OPEN_MAX 32 /* bundles of a host */
/* A bundle that nobody goes on with is forgotten: longer than any host is away and still wants help. */
#define TL_UPLOAD_LIFE_MS (INT64_C(14) * 24 * 3600 * 1000)

enum tl_upload_state { TL_UPLOAD_OPEN, TL_UPLOAD_COMPLETE, TL_UPLOAD_REJECTED, TL_UPLOAD_ABORTED };

struct tl_upload {
	char id[TL_ID_LEN + 1];
	char blob[64];
	char host[TL_ID_LEN + 1];
	char ticket[TL_ID_LEN + 1];  /* id, "" for none */
	char session[TL_ID_LEN + 1]; /* "" for none */
	enum tl_upload_state state;
	int64_t length; /* bytes, or TL_UPLOAD_LENGTH_DEFERRED */
	/* Bytes that were acknowledged. The blob may have more after a crash; those do not count. */
	uint64_t size;
	struct tl_upload_meta meta;
};

/* The host's own upload; TL_ENOENT for any other. */
TL_MUST_CHECK int tl_upload_load(struct tl_store *store, const char *id, const char *host,
				 struct tl_upload *ret_upload, struct tl_err *err);
static inline bool tl_upload_is_whole(const struct tl_upload *upload)
{
	return upload->length >= 0 && upload->size == (uint64_t)upload->length;
}
/* Refuses (412 with Tus-Version) a request of another version of the protocol. True: replied. */
bool tl_upload_wrong_version(struct tl_http_call *call);

/* Locks the upload's blob, open at `fd`, until that is closed: one request at a time writes to it or
 * takes it in. Otherwise TL_EDENIED with a problem that says when to come again. */
TL_MUST_CHECK int tl_upload_lock(struct tl_http_call *call, int fd, struct tl_problem *problem,
				 struct tl_err *err);

/* When the last byte is there: intake of a bundle, seal of a recording. Idempotent. TL_EDENIED with a
 * problem when it was rejected; another error leaves the upload open, to be tried again. */
TL_MUST_CHECK int tl_upload_complete(struct tl_http_call *call, struct tl_upload *upload,
				     struct tl_problem *problem, struct tl_err *err);

/* Adds Upload-Expires to the reply about an upload that is not whole. */
void tl_upload_add_expiry(struct tl_http_call *call, const struct tl_upload *upload);
/* Removes uploads that nobody went on with. */
TL_MUST_CHECK int tl_upload_sweep(struct tl_desk *desk, struct tl_store *store, struct tl_err *err);

/* The two kinds. Each blob is whole and closed. */
TL_MUST_CHECK int tl_bundle_take(struct tl_http_call *call, const struct tl_upload *upload,
				 struct tl_problem *problem, struct tl_err *err);
TL_MUST_CHECK int tl_recording_take(struct tl_http_call *call, const struct tl_upload *upload,
				    struct tl_err *err);

#endif
