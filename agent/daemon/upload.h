/* Uploading one bundle: a tus 1.0 client that resumes (tus.io/protocols/resumable-upload). One object an
 * upload; upload_step is the only switch, upload_enter the only place that changes state. It goes on
 * trying until the relay takes or refuses the bundle. Loop thread only. */
#ifndef TOWLINE_AGENT_UPLOAD_H
#define TOWLINE_AGENT_UPLOAD_H

#include <towline/err.h>

#include "core/relay.h"

#define TL_UPLOAD_CHUNK (4 * 1024 * 1024) /* unless the configuration says another */

struct tl_upload;

struct tl_upload_spec {
	uv_loop_t *loop;
	struct tl_relay *relay;
	int fd; /* borrowed until the upload is closed */
	int64_t size;
	int64_t chunk_bytes;  /* of one request: what is sent again, at most, when one breaks */
	const char *metadata; /* the value of Upload-Metadata; copied */
	/* Bytes that the relay has. */
	void (*on_progress)(void *arg, int64_t sent);
	/* Once: err NULL when the relay has taken the bundle, else why it never will. */
	void (*on_end)(void *arg, const struct tl_err *err);
	/* It waits before it tries again. */
	void (*on_trouble)(void *arg, const struct tl_err *err);
	void *arg;
};

TL_MUST_CHECK int tl_upload_new(const struct tl_upload_spec *spec, struct tl_upload **ret_upload,
				struct tl_err *err);
/* The relay has become reachable: an upload that waits goes on at once. */
void tl_upload_wake(struct tl_upload *upload);
/* Stops; no callback comes any more. NULL is allowed. */
void tl_upload_close(struct tl_upload *upload);

/* Appends "key base64(value)" in Upload-Metadata's syntax, with a comma where needed. */
void tl_upload_metadata(struct tl_buf *out, const char *key, const char *value);

#endif
