#include "session/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <towline/https.h>
#include <towline/jwt.h>
#include <towline/str.h>

#define CHUNK_MAX (1024 * 1024)
#define GATHER_MS 200 /* lines that come together travel together */
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 10000
#define CALL_TIMEOUT_S 60L

struct tl_recording_upload {
	char *url, *ca_file, *proxy, *path, *location;
	char session[TL_ID_LEN + 1];
	int fd;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct tl_buf token;
	bool woken, complete, abandoned, done;
	/* the thread's own */
	CURL *curl;
	uint64_t offset;
	bool hopeless;
	int64_t retry_ms;
};

/* ---- one HTTP call ---------------------------------------------------------------------------- */

struct call {
	const char *method;
	const char *url;
	struct curl_slist *headers;
	const char *body;
	size_t body_len;
	long status;
	char location[512];
	bool has_offset;
	uint64_t offset;
};

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct call *call = arg;
	size_t len = size * count;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1024);
	const char *value;

	tl_buf_append(&text, line, len);
	if (tl_buf_check(&text) != 0)
		return len;
	text.data[strcspn(text.data, "\r\n")] = '\0';
	value = strchr(text.data, ':');
	if (!value)
		return len;
	value += 1 + strspn(value + 1, " ");
	if (strncasecmp(text.data, "Location:", 9) == 0)
		snprintf(call->location, sizeof(call->location), "%s", value);
	if (strncasecmp(text.data, "Upload-Offset:", 14) == 0)
		call->has_offset = tl_str_u64(value, INT64_MAX, &call->offset) == 0;
	return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

static void add_header(struct call *call, const char *format, ...) TL_PRINTF(2, 3);
static void add_header(struct call *call, const char *format, ...)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(TL_JWT_MAX + 64);
	char *line = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&line, format, args) >= 0)
		tl_buf_puts(&text, line);
	va_end(args);
	free(line);
	call->headers = curl_slist_append(call->headers, tl_buf_str(&text));
}

static void add_token(struct tl_recording_upload *upload, struct call *call)
{
	pthread_mutex_lock(&upload->lock);
	add_header(call, "Authorization: Bearer %s", tl_buf_str(&upload->token));
	pthread_mutex_unlock(&upload->lock);
}

static int set_options(struct tl_recording_upload *upload, struct call *call)
{
	CURL *curl = upload->curl;
	int rc;

	curl_easy_reset(curl);
	rc = tl_https_prepare(curl, upload->ca_file, upload->proxy, NULL);
	curl_easy_setopt(curl, CURLOPT_URL, call->url);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, CALL_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	if (strcmp(call->method, "HEAD") == 0) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
		return rc;
	}
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body ? call->body : "");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
	return rc;
}

/* The status, or 0 when there was no answer. */
static long perform(struct tl_recording_upload *upload, struct call *call)
{
	add_token(upload, call);
	add_header(call, "Tus-Resumable: 1.0.0");
	add_header(call, "Expect:");
	if (set_options(upload, call) == 0 && curl_easy_perform(upload->curl) == CURLE_OK)
		curl_easy_getinfo(upload->curl, CURLINFO_RESPONSE_CODE, &call->status);
	curl_slist_free_all(call->headers);
	return call->status;
}

/* ---- tus -------------------------------------------------------------------------------------- */

static bool is_hopeless(long status)
{
	return status >= 400 && status < 500 && status != 401 && status != 408 && status != 409 &&
	       status != 423 && status != 429;
}

static int note_location(struct tl_recording_upload *upload, const char *location)
{
	free(upload->location);
	upload->location = NULL;
	if (location[0] == '/') {
		if (asprintf(&upload->location, "%s%s", upload->url, location) < 0)
			upload->location = NULL;
	} else if (tl_str_starts(location, upload->url) && location[strlen(upload->url)] == '/') {
		upload->location = strdup(location); /* the token goes to no other server */
	}
	return upload->location ? 0 : TL_EPROTO;
}

static bool create(struct tl_recording_upload *upload)
{
	tl_auto(tl_buf) struct tl_buf metadata = TL_BUF_INIT(256);
	tl_free char *url = NULL;
	struct call call = {.method = "POST"};

	if (asprintf(&url, "%s/v1/uploads", upload->url) < 0)
		return false;
	call.url = url;
	tl_buf_puts(&metadata, "kind ");
	tl_base64_encode(&metadata, "recording", strlen("recording"));
	tl_buf_puts(&metadata, ",session ");
	tl_base64_encode(&metadata, upload->session, strlen(upload->session));
	add_header(&call, "Upload-Defer-Length: 1");
	add_header(&call, "Upload-Metadata: %s", tl_buf_str(&metadata));
	if (perform(upload, &call) != 201) {
		upload->hopeless = is_hopeless(call.status);
		return false;
	}
	upload->offset = call.has_offset ? call.offset : 0;
	return note_location(upload, call.location) == 0;
}

static bool ask_offset(struct tl_recording_upload *upload)
{
	struct call call = {.method = "HEAD", .url = upload->location};
	long status = perform(upload, &call);

	if (status == 404 || status == 410) {
		free(upload->location);
		upload->location = NULL;
	}
	if (status < 200 || status > 299 || !call.has_offset)
		return false;
	upload->offset = call.offset;
	return true;
}

/* Sends what the file has beyond the offset, at most a chunk. */
static bool send_chunk(struct tl_recording_upload *upload, uint64_t size, bool is_last)
{
	size_t want =
		size - upload->offset > CHUNK_MAX ? CHUNK_MAX : (size_t)(size - upload->offset);
	tl_free char *bytes = malloc(want + 1);
	struct call call = {.method = "PATCH", .url = upload->location, .body = bytes};
	ssize_t got = bytes ? pread(upload->fd, bytes, want, (off_t)upload->offset) : -1;

	if (got < 0)
		return false;
	call.body_len = (size_t)got;
	add_header(&call, "Content-Type: application/offset+octet-stream");
	add_header(&call, "Upload-Offset: %llu", (unsigned long long)upload->offset);
	if (is_last && upload->offset + (uint64_t)got == size)
		add_header(&call, "Upload-Length: %llu", (unsigned long long)size);
	if (perform(upload, &call) == 204) {
		upload->offset = call.has_offset ? call.offset : upload->offset + (uint64_t)got;
		return true;
	}
	upload->hopeless = is_hopeless(call.status);
	if (!upload->hopeless)
		(void)ask_offset(upload);
	return false;
}

/* ---- the thread ------------------------------------------------------------------------------- */

/* Sleeps until woken or for `ms`; with `wakes` false only an end wakes. */
static void rest(struct tl_recording_upload *upload, int64_t ms, bool wakes)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&upload->lock);
	while (!upload->abandoned && !(wakes && (upload->woken || upload->complete)))
		if (pthread_cond_timedwait(&upload->changed, &upload->lock, &until) != 0)
			break;
	upload->woken = false;
	pthread_mutex_unlock(&upload->lock);
}

/* False when there is nothing more to do. */
static bool step(struct tl_recording_upload *upload)
{
	struct stat stat;
	bool complete, abandoned, fine = true;
	uint64_t size;

	pthread_mutex_lock(&upload->lock);
	complete = upload->complete;
	abandoned = upload->abandoned;
	pthread_mutex_unlock(&upload->lock);
	if (abandoned || upload->hopeless || fstat(upload->fd, &stat) != 0)
		return false;
	size = (uint64_t)stat.st_size;
	if (!upload->location)
		fine = create(upload);
	else if (size > upload->offset || complete)
		fine = send_chunk(upload, size, complete);
	else
		rest(upload, RETRY_LAST_MS, true);
	if (fine && complete && upload->location && upload->offset == size)
		return false;
	if (fine) {
		upload->retry_ms = RETRY_FIRST_MS;
		if (!complete)
			rest(upload, GATHER_MS, false);
	} else {
		rest(upload, upload->retry_ms, false);
		upload->retry_ms =
			upload->retry_ms * 2 < RETRY_LAST_MS ? upload->retry_ms * 2 : RETRY_LAST_MS;
	}
	return true;
}

static void *run(void *arg)
{
	struct tl_recording_upload *upload = arg;
	struct stat stat;

	while (step(upload))
		;
	pthread_mutex_lock(&upload->lock);
	upload->done = true;
	pthread_cond_broadcast(&upload->changed);
	pthread_mutex_unlock(&upload->lock);
	if (!upload->hopeless && upload->complete && fstat(upload->fd, &stat) == 0 &&
	    upload->offset == (uint64_t)stat.st_size)
		(void)unlink(upload->path);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------- */

static void upload_free(struct tl_recording_upload *upload)
{
	if (upload->curl)
		curl_easy_cleanup(upload->curl);
	if (upload->fd >= 0)
		close(upload->fd);
	tl_buf_clear(&upload->token);
	free(upload->url);
	free(upload->ca_file);
	free(upload->proxy);
	free(upload->path);
	free(upload->location);
	pthread_mutex_destroy(&upload->lock);
	pthread_cond_destroy(&upload->changed);
	free(upload);
}

static int prepare(struct tl_recording_upload *upload, const struct tl_session_request *request,
		   const char *path, const char *session, struct tl_err *err)
{
	size_t url_len = strlen(request->relay_url);

	while (url_len > 0 && request->relay_url[url_len - 1] == '/')
		url_len--;
	upload->url = strndup(request->relay_url, url_len);
	upload->ca_file = strdup(request->ca_file);
	upload->path = strdup(path);
	upload->proxy = request->proxy ? strdup(request->proxy) : NULL;
	upload->curl = curl_easy_init();
	tl_buf_puts(&upload->token, request->access_token);
	snprintf(upload->session, sizeof(upload->session), "%s", session);
	upload->retry_ms = RETRY_FIRST_MS;
	if (!upload->url || !upload->ca_file || !upload->path || !upload->curl ||
	    (request->proxy && !upload->proxy) || tl_buf_check(&upload->token) != 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	upload->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return upload->fd >= 0 ? 0 : tl_err_sys(err, TL_EIO, errno, "the recording %s", path);
}

int tl_recording_upload_start(const struct tl_session_request *request, const char *path,
			      const char *session, struct tl_recording_upload **ret_upload,
			      struct tl_err *err)
{
	struct tl_recording_upload *upload = calloc(1, sizeof(*upload));
	int rc;

	if (!upload)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	upload->fd = -1;
	upload->token = (struct tl_buf)TL_BUF_SECRET_INIT(TL_JWT_MAX);
	pthread_mutex_init(&upload->lock, NULL);
	pthread_cond_init(&upload->changed, NULL);
	rc = prepare(upload, request, path, session, err);
	if (rc == 0 && pthread_create(&upload->thread, NULL, run, upload) != 0)
		rc = tl_err_set(err, TL_EIO, "no thread for the recording's upload");
	if (rc != 0) {
		upload_free(upload);
		return rc;
	}
	*ret_upload = upload;
	return 0;
}

void tl_recording_upload_wake(struct tl_recording_upload *upload)
{
	pthread_mutex_lock(&upload->lock);
	upload->woken = true;
	pthread_cond_broadcast(&upload->changed);
	pthread_mutex_unlock(&upload->lock);
}

void tl_recording_upload_token(struct tl_recording_upload *upload, const char *access_token)
{
	pthread_mutex_lock(&upload->lock);
	tl_buf_clear(&upload->token);
	upload->token = (struct tl_buf)TL_BUF_SECRET_INIT(TL_JWT_MAX);
	tl_buf_puts(&upload->token, access_token);
	pthread_mutex_unlock(&upload->lock);
}

bool tl_recording_upload_finish(struct tl_recording_upload *upload, int64_t max_ms)
{
	struct timespec until;
	bool all;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += max_ms / 1000 + 1;
	pthread_mutex_lock(&upload->lock);
	upload->complete = true;
	pthread_cond_broadcast(&upload->changed);
	while (!upload->done)
		if (pthread_cond_timedwait(&upload->changed, &upload->lock, &until) != 0)
			break;
	upload->abandoned = !upload->done;
	pthread_cond_broadcast(&upload->changed);
	pthread_mutex_unlock(&upload->lock);
	pthread_join(upload->thread, NULL);
	all = access(upload->path, F_OK) != 0;
	upload_free(upload);
	return all;
}
