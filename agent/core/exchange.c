#include "core/exchange.h"

#include <stdio.h>
#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/https.h>
#include <towline/str.h>

#define CONNECT_TIMEOUT_MS 30000L
#define STALL_S 180L /* below 1 byte/s for so long ends an exchange that has a time limit */
#define PROBLEM_PREFIX "urn:towline:problem:"

struct tl_exchange {
	CURL *easy;
	struct curl_slist *headers;
	struct tl_buf answer;
	struct tl_reply reply;
	tl_exchange_data *on_data;
	void *data_arg;
	int file_fd;
	int64_t file_at, file_end;
	char curl_text[CURL_ERROR_SIZE];
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct tl_exchange *exchange = arg;
	size_t len = size * count;
	long status = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	if (exchange->on_data && status == 200)
		return exchange->on_data(exchange->data_arg, bytes, len) ? len : 0;
	tl_buf_append(&exchange->answer, bytes, len);
	return tl_buf_check(&exchange->answer) == 0 ? len : 0;
}

static bool header_is(const char *line, const char *name, char *ret_value, size_t capacity)
{
	size_t name_len = strlen(name);

	if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return false;
	line += name_len + 1;
	line += strspn(line, " \t");
	snprintf(ret_value, capacity, "%.*s", (int)strcspn(line, "\r\n"), line);
	return true;
}

static void read_header(struct tl_reply *reply, const char *line)
{
	char value[512];
	uint64_t number;
	int64_t wall_ms;

	if (header_is(line, "Location", value, sizeof(value))) {
		snprintf(reply->location, sizeof(reply->location), "%s", value);
	} else if (header_is(line, "Upload-Offset", value, sizeof(value))) {
		if (tl_str_u64(value, INT64_MAX, &number) == 0)
			reply->upload_offset = (int64_t)number;
	} else if (header_is(line, "Retry-After", value, sizeof(value))) {
		if (tl_str_u64(value, 86400, &number) == 0)
			reply->retry_after_ms = (int64_t)number * 1000;
		else if (tl_time_http_parse(value, &wall_ms) == 0)
			reply->retry_after_ms = wall_ms - tl_clock_wall_ms(tl_clock_system());
	}
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct tl_exchange *exchange = arg;
	char line[1024];

	if (size * count < sizeof(line)) {
		snprintf(line, sizeof(line), "%.*s", (int)(size * count), bytes);
		read_header(&exchange->reply, line);
	}
	return size * count;
}

static size_t on_read(char *bytes, size_t size, size_t count, void *arg)
{
	struct tl_exchange *exchange = arg;
	size_t want = size * count;
	ssize_t got;

	if ((int64_t)want > exchange->file_end - exchange->file_at)
		want = (size_t)(exchange->file_end - exchange->file_at);
	if (want == 0)
		return 0;
	got = pread(exchange->file_fd, bytes, want, exchange->file_at);
	if (got <= 0)
		return CURL_READFUNC_ABORT;
	exchange->file_at += got;
	return (size_t)got;
}

static int add_header(struct tl_exchange *exchange, const char *line)
{
	struct curl_slist *longer = curl_slist_append(exchange->headers, line);

	if (!longer)
		return TL_ENOMEM;
	exchange->headers = longer;
	return 0;
}

static int set_headers(struct tl_exchange *exchange, const struct tl_exchange_spec *spec)
{
	/* An answer to Expect would cost a round trip; refusals of large bodies are rare. */
	int rc = add_header(exchange, "Expect:");

	if (rc == 0 && spec->content_type) {
		char line[128];

		snprintf(line, sizeof(line), "Content-Type: %s", spec->content_type);
		rc = add_header(exchange, line);
	} else if (rc == 0) {
		rc = add_header(exchange, "Content-Type:"); /* libcurl would say it is a form */
	}
	if (rc == 0 && spec->bearer) {
		tl_auto(tl_buf) struct tl_buf line = TL_BUF_SECRET_INIT(8192);

		tl_buf_printf(&line, "Authorization: Bearer %s", spec->bearer);
		rc = tl_buf_check(&line);
		if (rc == 0)
			rc = add_header(exchange, line.data);
	}
	for (const char *const *line = spec->headers; rc == 0 && line && *line; line++)
		rc = add_header(exchange, *line);
	curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->headers);
	return rc;
}

static void set_body(struct tl_exchange *exchange, const struct tl_exchange_spec *spec)
{
	CURL *easy = exchange->easy;

	if (spec->file_len > 0) {
		exchange->file_fd = spec->file_fd;
		exchange->file_at = spec->file_offset;
		exchange->file_end = spec->file_offset + spec->file_len;
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)spec->file_len);
	} else if (spec->body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body_len);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, spec->body);
	} else if (!tl_streq(spec->method, "GET") && !tl_streq(spec->method, "HEAD")) {
		/* Content-Length: 0 rather than no length at all. */
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "");
	}
	if (tl_streq(spec->method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, spec->method);
}

static int set_transport(struct tl_exchange *exchange, const struct tl_exchange_spec *spec,
			 struct tl_err *err)
{
	CURL *easy = exchange->easy;
	int rc = tl_https_prepare(easy, spec->ca_file, spec->proxy, err);

	if (rc != 0)
		return rc;
	if (!spec->ca_file) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(easy, CURLOPT_URL, spec->url);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "towline-agent/" TOWLINE_VERSION);
	if (spec->timeout_ms > 0) {
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, STALL_S);
	}
	return 0;
}

int tl_exchange_new(const struct tl_exchange_spec *spec, struct tl_exchange **ret_exchange,
		    struct tl_err *err)
{
	tl_auto(tl_exchange) struct tl_exchange *exchange = calloc(1, sizeof(*exchange));
	int rc;

	if (!exchange)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	exchange->easy = curl_easy_init();
	exchange->reply.upload_offset = -1;
	exchange->on_data = spec->on_data;
	exchange->data_arg = spec->data_arg;
	tl_buf_init(&exchange->answer, TL_EXCHANGE_BODY_MAX);
	rc = set_transport(exchange, spec, err);
	if (rc != 0)
		return rc;
	set_body(exchange, spec);
	if (set_headers(exchange, spec) != 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	curl_easy_setopt(exchange->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(exchange->easy, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(exchange->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(exchange->easy, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(exchange->easy, CURLOPT_ERRORBUFFER, exchange->curl_text);
	curl_easy_setopt(exchange->easy, CURLOPT_PRIVATE, exchange);
	*ret_exchange = tl_steal(&exchange);
	return 0;
}

CURL *tl_exchange_handle(struct tl_exchange *exchange)
{
	return exchange->easy;
}

struct tl_exchange *tl_exchange_of(CURL *easy)
{
	char *exchange = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);
	return (struct tl_exchange *)(void *)exchange;
}

int tl_reply_code(int status)
{
	static const struct {
		int status, code;
	} codes[] = {{400, TL_EINVAL},	  {401, TL_EAUTH},	  {403, TL_EDENIED},
		     {404, TL_ENOENT},	  {408, TL_ETIMEOUT},	  {409, TL_ECONFLICT},
		     {412, TL_ECONFLICT}, {413, TL_ETOOBIG},	  {422, TL_EINVAL},
		     {429, TL_EBUSY},	  {501, TL_EUNSUPPORTED}, {503, TL_EBUSY},
		     {504, TL_ETIMEOUT}};

	for (size_t i = 0; i < TL_ARRAY_LEN(codes); i++) {
		if (codes[i].status == status)
			return codes[i].code;
	}
	return status >= 500 ? TL_EUNREACH : TL_EPROTO;
}

static void describe_transport(struct tl_exchange *exchange, CURLcode code)
{
	const char *why = exchange->curl_text[0] ? exchange->curl_text : curl_easy_strerror(code);
	struct tl_err *err = &exchange->reply.err;

	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		tl_err_set(err, TL_EAUTH,
			   "the relay's certificate is not one of the CA pinned at enrolment (%s)",
			   why);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		tl_err_set(err, TL_ETIMEOUT, "the relay does not answer (%s)", why);
	else
		tl_err_set(err, TL_EUNREACH, "the relay cannot be reached (%s)", why);
}

static void describe_problem(struct tl_reply *reply)
{
	const char *type = json_string_value(json_object_get(reply->json, "type"));
	const char *title = json_string_value(json_object_get(reply->json, "title"));
	const char *detail = json_string_value(json_object_get(reply->json, "detail"));
	const char *text = detail ? detail : title;

	if (tl_str_starts(type ? type : "", PROBLEM_PREFIX))
		snprintf(reply->problem, sizeof(reply->problem), "%s",
			 type + sizeof(PROBLEM_PREFIX) - 1);
	if (text)
		tl_err_set(&reply->err, tl_reply_code(reply->status), "%s", text);
	else
		tl_err_set(&reply->err, tl_reply_code(reply->status),
			   "the relay answered with status %d", reply->status);
}

const struct tl_reply *tl_exchange_finish(struct tl_exchange *exchange, CURLcode code)
{
	struct tl_reply *reply = &exchange->reply;
	long status = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK) {
		describe_transport(exchange, code);
		return reply;
	}
	reply->status = (int)status;
	if (exchange->answer.len > 0 &&
	    tl_json_parse(tl_buf_str(&exchange->answer), exchange->answer.len, &reply->json,
			  NULL) != 0)
		reply->json = NULL;
	if (status < 200 || status > 299)
		describe_problem(reply);
	return reply;
}

const struct tl_reply *tl_exchange_perform(struct tl_exchange *exchange)
{
	return tl_exchange_finish(exchange, curl_easy_perform(exchange->easy));
}

void tl_exchange_free(struct tl_exchange *exchange)
{
	if (!exchange)
		return;
	curl_easy_cleanup(exchange->easy);
	for (struct curl_slist *line = exchange->headers; line; line = line->next)
		tl_wipe(line->data, strlen(line->data)); /* the bearer token is among them */
	curl_slist_free_all(exchange->headers);
	tl_buf_clear(&exchange->answer);
	json_decref(exchange->reply.json);
	free(exchange);
}

bool tl_reply_is_transient(const struct tl_reply *reply)
{
	return reply->status == 0 || reply->status == 408 || reply->status == 425 ||
	       reply->status == 429 || (reply->status >= 500 && reply->status != 501);
}
