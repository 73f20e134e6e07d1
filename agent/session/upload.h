/* A recording's way to the relay while the session runs: a tus 1.0 upload of deferred length
 * (docs/protocol.md). The file is the queue; a thread of its own reads it, so that neither a slow relay
 * nor a lost one holds the session up. The file is removed when the relay has all of it. */
#ifndef TOWLINE_SESSION_UPLOAD_H
#define TOWLINE_SESSION_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#include "session/request.h"

struct tl_recording_upload;

/* Begins to upload `path` as the recording of `session`. `request` (relay, CA, proxy, token) is read
 * now. */
TL_MUST_CHECK int tl_recording_upload_start(const struct tl_session_request *request,
					    const char *path, const char *session,
					    struct tl_recording_upload **ret_upload,
					    struct tl_err *err);
/* There is more in the file. Any thread. */
void tl_recording_upload_wake(struct tl_recording_upload *upload);
void tl_recording_upload_token(struct tl_recording_upload *upload, const char *access_token);
/* The file is complete: waits up to `max_ms` until the relay has it, then frees. True when it has;
 * otherwise the file stays for the next time. */
bool tl_recording_upload_finish(struct tl_recording_upload *upload, int64_t max_ms);

#endif
