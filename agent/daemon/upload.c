#include "daemon/upload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <towline/crypto.h>
#include <towline/str.h>

#include "core/backoff.h"

#define METADATA_MAX (64 * 1024)
#define HASH_PIECE (64 * 1024)
#define SHORT_TIMEOUT_MS 60000
/* A chunk on a line of 4 KB/s, and the relay's check of the bundle after the last one. */
#define CHUNK_TIMEOUT_MS (30 * 60 * 1000)

enum upload_state { UPLOAD_CREATING, UPLOAD_SENDING, UPLOAD_ASKING, UPLOAD_WAITING, UPLOAD_ENDED };
enum upload_event { UPLOAD_EV_REPLY, UPLOAD_EV_TIMER };

struct tl_upload {
	struct tl_upload_spec spec;
	enum upload_state state;
	char *metadata_header;
	char location[512]; /* "": not created yet */
	int64_t offset;
	struct tl_call *call;
	uv_timer_t timer;
	struct tl_backoff backoff;
};

static void upload_step(struct tl_upload *upload, enum upload_event event,
			const struct tl_reply *reply);

void tl_upload_metadata(struct tl_buf *out, const char *key, const char *value)
{
	if (out->len > 0)
		tl_buf_putc(out, ',');
	tl_buf_printf(out, "%s ", key);
	tl_base64_encode(out, value, strlen(value));
}

static void on_reply(void *arg, const struct tl_reply *reply)
{
	struct tl_upload *upload = arg;

	upload->call = NULL;
	upload_step(upload, UPLOAD_EV_REPLY, reply);
}

static void on_timer(uv_timer_t *timer)
{
	upload_step(timer->data, UPLOAD_EV_TIMER, NULL);
}

static void create(struct tl_upload *upload)
{
	char length[64];
	const char *const headers[] = {"Tus-Resumable: 1.0.0", length, upload->metadata_header,
				       NULL};

	snprintf(length, sizeof(length), "Upload-Length: %lld", (long long)upload->spec.size);
	upload->call = tl_relay_call(upload->spec.relay,
				     &(struct tl_call_spec){.method = "POST",
							    .path = "/v1/uploads",
							    .headers = headers,
							    .timeout_ms = SHORT_TIMEOUT_MS,
							    .on_done = on_reply,
							    .arg = upload});
}

/* "Upload-Checksum: sha256 …" of the bytes that are about to be sent. */
static int hash_chunk(const struct tl_upload *upload, int64_t len, struct tl_buf *out)
{
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	tl_free char *piece = malloc(HASH_PIECE);
	uint8_t digest[TL_SHA256_LEN];
	int64_t done = 0;

	while (piece && done < len) {
		size_t room = len - done < HASH_PIECE ? (size_t)(len - done) : HASH_PIECE;
		ssize_t n = pread(upload->spec.fd, piece, room, upload->offset + done);

		if (n <= 0 && errno != EINTR)
			return TL_EIO;
		if (n > 0)
			tl_sha256_update(hash, piece, (size_t)n);
		done += n > 0 ? n : 0;
	}
	tl_sha256_final(hash, digest);
	tl_buf_puts(out, "Upload-Checksum: sha256 ");
	tl_base64_encode(out, digest, sizeof(digest));
	return piece ? tl_buf_check(out) : TL_ENOMEM;
}

static void send_chunk(struct tl_upload *upload)
{
	int64_t len = upload->spec.size - upload->offset;
	tl_auto(tl_buf) struct tl_buf checksum = TL_BUF_INIT(128);
	char offset[64];
	const char *headers[] = {"Tus-Resumable: 1.0.0", offset, NULL, NULL};

	if (len > upload->spec.chunk_bytes)
		len = upload->spec.chunk_bytes;
	if (len > 0 && hash_chunk(upload, len, &checksum) != 0)
		return; /* like no memory: tried again */
	if (len > 0)
		headers[2] = tl_buf_str(&checksum);
	snprintf(offset, sizeof(offset), "Upload-Offset: %lld", (long long)upload->offset);
	/* With everything sent an empty chunk asks for the verdict, whose first answer was lost. */
	upload->call = tl_relay_call(upload->spec.relay,
				     &(struct tl_call_spec){
					     .method = "PATCH",
					     .path = upload->location,
					     .headers = headers,
					     .content_type = "application/offset+octet-stream",
					     .file_fd = upload->spec.fd,
					     .file_offset = upload->offset,
					     .file_len = len,
					     .timeout_ms = CHUNK_TIMEOUT_MS,
					     .on_done = on_reply,
					     .arg = upload,
				     });
}

static void ask_offset(struct tl_upload *upload)
{
	static const char *const headers[] = {"Tus-Resumable: 1.0.0", NULL};

	upload->call = tl_relay_call(upload->spec.relay,
				     &(struct tl_call_spec){.method = "HEAD",
							    .path = upload->location,
							    .headers = headers,
							    .timeout_ms = SHORT_TIMEOUT_MS,
							    .on_done = on_reply,
							    .arg = upload});
}

static void upload_enter(struct tl_upload *upload, enum upload_state state)
{
	upload->state = state;
	switch (state) {
	case UPLOAD_CREATING:
		create(upload);
		break;
	case UPLOAD_SENDING:
		send_chunk(upload);
		break;
	case UPLOAD_ASKING:
		ask_offset(upload);
		break;
	case UPLOAD_WAITING:
		uv_timer_start(&upload->timer, on_timer,
			       (uint64_t)tl_backoff_draw(&upload->backoff), 0);
		return;
	case UPLOAD_ENDED:
		return;
	}
	if (!upload->call) /* memory ran out */
		upload_enter(upload, UPLOAD_WAITING);
}

static void end(struct tl_upload *upload, const struct tl_err *err)
{
	upload_enter(upload, UPLOAD_ENDED);
	upload->spec.on_end(upload->spec.arg, err);
}

static void wait_for_better(struct tl_upload *upload, const struct tl_reply *reply)
{
	struct tl_err err = reply->err;

	if (!err.code)
		tl_err_set(&err, TL_EPROTO, "the relay's answer to an upload makes no sense");
	tl_backoff_ask(&upload->backoff, reply->retry_after_ms);
	upload->spec.on_trouble(upload->spec.arg, &err);
	upload_enter(upload, UPLOAD_WAITING);
}

/* A refusal that no repetition changes. 401 is the host's trouble, 404 and 409 the upload's, 460 the
 * line's: all can be mended. 423: the relay still has the connection that broke, and ends it soon. */
static bool is_final(int status)
{
	return status >= 400 && status < 500 && status != 401 && status != 404 && status != 408 &&
	       status != 409 && status != 410 && status != 423 && status != 425 && status != 429 &&
	       status != 460;
}

static void on_created(struct tl_upload *upload, const struct tl_reply *reply)
{
	if ((reply->status != 200 && reply->status != 201) || !reply->location[0]) {
		wait_for_better(upload, reply);
		return;
	}
	snprintf(upload->location, sizeof(upload->location), "%s", reply->location);
	upload->offset = reply->upload_offset > 0 ? reply->upload_offset : 0;
	upload_enter(upload, UPLOAD_SENDING);
}

static void on_sent(struct tl_upload *upload, const struct tl_reply *reply)
{
	bool taken = (reply->status == 204 || reply->status == 200) &&
		     reply->upload_offset <= upload->spec.size;

	if (taken && reply->upload_offset == upload->spec.size) {
		upload->spec.on_progress(upload->spec.arg, reply->upload_offset);
		end(upload, NULL);
	} else if (taken && reply->upload_offset > upload->offset) {
		tl_backoff_reset(&upload->backoff);
		upload->offset = reply->upload_offset;
		upload->spec.on_progress(upload->spec.arg, upload->offset);
		upload_enter(upload, UPLOAD_SENDING);
	} else { /* no answer, trouble, or another offset than ours: ask for it, later */
		wait_for_better(upload, reply);
	}
}

static void on_offset(struct tl_upload *upload, const struct tl_reply *reply)
{
	if (reply->status == 404 || reply->status == 410) {
		upload->location[0] = '\0';
		upload_enter(upload, UPLOAD_CREATING);
	} else if ((reply->status == 200 || reply->status == 204) && reply->upload_offset >= 0 &&
		   reply->upload_offset <= upload->spec.size) {
		upload->offset = reply->upload_offset;
		upload_enter(upload, UPLOAD_SENDING);
	} else {
		wait_for_better(upload, reply);
	}
}

static void upload_step(struct tl_upload *upload, enum upload_event event,
			const struct tl_reply *reply)
{
	if (event == UPLOAD_EV_TIMER) {
		upload_enter(upload, upload->location[0] ? UPLOAD_ASKING : UPLOAD_CREATING);
		return;
	}
	if (is_final(reply->status)) {
		end(upload, &reply->err);
		return;
	}
	switch (upload->state) {
	case UPLOAD_CREATING:
		on_created(upload, reply);
		break;
	case UPLOAD_SENDING:
		on_sent(upload, reply);
		break;
	case UPLOAD_ASKING:
		on_offset(upload, reply);
		break;
	case UPLOAD_WAITING:
	case UPLOAD_ENDED:
		break;
	}
}

int tl_upload_new(const struct tl_upload_spec *spec, struct tl_upload **ret_upload,
		  struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf header = TL_BUF_INIT(METADATA_MAX);
	struct tl_upload *upload = calloc(1, sizeof(*upload));

	tl_buf_printf(&header, "Upload-Metadata: %s", spec->metadata);
	if (!upload || tl_buf_check(&header) != 0) {
		free(upload);
		return tl_err_set(err, TL_ENOMEM, "the upload cannot be described");
	}
	upload->spec = *spec;
	if (upload->spec.chunk_bytes <= 0)
		upload->spec.chunk_bytes = TL_UPLOAD_CHUNK;
	upload->metadata_header = tl_buf_take(&header);
	uv_timer_init(spec->loop, &upload->timer);
	upload->timer.data = upload;
	upload_enter(upload, UPLOAD_CREATING);
	*ret_upload = upload;
	return 0;
}

void tl_upload_wake(struct tl_upload *upload)
{
	if (upload->state != UPLOAD_WAITING)
		return;
	uv_timer_stop(&upload->timer);
	upload_step(upload, UPLOAD_EV_TIMER, NULL);
}

static void on_closed(uv_handle_t *handle)
{
	struct tl_upload *upload = handle->data;

	free(upload->metadata_header);
	free(upload);
}

void tl_upload_close(struct tl_upload *upload)
{
	if (!upload)
		return;
	tl_call_cancel(tl_steal(&upload->call));
	uv_close((uv_handle_t *)&upload->timer, on_closed);
}
