#include "session/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/https.h>
#include <towline/jwt.h>
#include <towline/str.h>

#define RESPONSE_MAX (16 * 1024)
#define DEAD_PEER_MS 60000 /* unacknowledged bytes: the link is dead (RFC 5482) */
#define LOOK_MS 200	   /* at `cancelled` */

/* One call as it goes on. */
struct call {
	const struct tl_session_request *request;
	const struct tl_dial_ask *ask;
	CURL *curl;
	int64_t deadline_ms;
};

void tl_dialled_clear(struct tl_dialled *dialled)
{
	curl_easy_cleanup(dialled->curl);
	tl_buf_clear(&dialled->rest);
	*dialled = (struct tl_dialled){.curl = NULL};
}

static bool is_cancelled(const struct call *call)
{
	return call->ask->cancelled && atomic_load(call->ask->cancelled);
}

static int on_progress(void *arg, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
		       curl_off_t sent)
{
	(void)to_get;
	(void)got;
	(void)to_send;
	(void)sent;
	return is_cancelled(arg);
}

static int setup(struct call *call, struct tl_err *err)
{
	const struct tl_session_request *request = call->request;
	CURL *curl = call->curl;
	CURLcode rc = CURLE_OK;
	int prepared = tl_https_prepare(curl, request->ca_file, request->proxy, err);

	if (prepared != 0)
		return prepared;
	rc |= curl_easy_setopt(curl, CURLOPT_URL, request->relay_url);
	rc |= curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	rc |= curl_easy_setopt(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
	rc |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)call->ask->timeout_ms);
	rc |= curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
	rc |= curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	rc |= curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
	rc |= curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	return rc == CURLE_OK ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the call");
}

/* Waits for the socket; TL_ETIMEOUT at the deadline. */
static int wait_socket(const struct call *call, short events, struct tl_err *err)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct pollfd item;

	if (curl_easy_getinfo(call->curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0)
		return tl_err_set(err, TL_EUNREACH, "the relay closed the connection");
	item = (struct pollfd){.fd = fd, .events = events};
	for (;;) {
		int64_t left_ms = call->deadline_ms - tl_clock_mono_ms(tl_clock_system());

		if (is_cancelled(call))
			return tl_err_set(err, TL_ECANCELED, "the call was cancelled");
		if (left_ms <= 0)
			return tl_err_set(err, TL_ETIMEOUT,
					  "the relay did not answer the call in time");
		if (poll(&item, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) > 0)
			return 0;
	}
}

static int send_all(const struct call *call, const char *bytes, size_t len, struct tl_err *err)
{
	while (len > 0) {
		size_t sent = 0;
		CURLcode code = curl_easy_send(call->curl, bytes, len, &sent);
		int rc = code == CURLE_AGAIN ? wait_socket(call, POLLOUT, err) : 0;

		if (code != CURLE_OK && code != CURLE_AGAIN)
			return tl_err_set(err, TL_EUNREACH, "the call to the relay broke: %s",
					  curl_easy_strerror(code));
		if (rc != 0)
			return rc;
		bytes += sent;
		len -= sent;
	}
	return 0;
}

static int send_request(const struct call *call, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(TL_JWT_MAX + 8192);
	const char *authority = call->request->relay_url + strlen("https://");
	char line[TL_LINE_HELLO_MAX];
	int rc;

	if (strpbrk(call->ask->access_token, "\r\n \t"))
		return tl_err_set(err, TL_EINVAL, "the access token is not valid");
	tl_line_hello_write(&call->ask->hello, line);
	tl_buf_printf(&text, "GET /v1/callhome/%s HTTP/1.1\r\nHost: ", call->request->session);
	tl_buf_append(&text, authority, strcspn(authority, "/"));
	tl_buf_printf(&text,
		      "\r\nConnection: Upgrade\r\nUpgrade: towline-ssh\r\n" TL_LINE_FIELD
		      ": %s\r\nUser-Agent: towline-session/" TOWLINE_VERSION "\r\n"
		      "Authorization: Bearer %s\r\n\r\n",
		      line, call->ask->access_token);
	tl_wipe(line, sizeof(line));
	rc = tl_buf_check(&text);
	if (rc != 0)
		return tl_err_set(err, rc, "the request to the relay is too long");
	return send_all(call, text.data, text.len, err);
}

/* The relay is busy, restarting, or another one than has the stream. */
static bool may_be_tried_again(const char *response)
{
	static const char *const codes[] = {"409", "429", "5"};

	for (size_t i = 0; tl_str_starts(response, "HTTP/1.1 ") && i < TL_ARRAY_LEN(codes); i++)
		if (tl_str_starts(response + strlen("HTTP/1.1 "), codes[i]))
			return true;
	return false;
}

/* What the relay says of the line, if it knows lines. */
static int read_field(const char *response, struct tl_dialled *dialled, struct tl_err *err)
{
	const char *at = strcasestr(response, "\r\n" TL_LINE_FIELD ":");
	char value[TL_LINE_HELLO_MAX] = "";
	size_t len;

	if (!at)
		return 0;
	at += strlen("\r\n" TL_LINE_FIELD ":");
	at += strspn(at, " ");
	len = strcspn(at, "\r");
	if (len < sizeof(value))
		memcpy(value, at, len);
	if (tl_line_hello_parse(value, &dialled->hello) != 0 || !dialled->hello.token[0])
		return tl_err_set(err, TL_EPROTO, "the relay's answer to the call is not valid");
	dialled->is_line = true;
	tl_wipe(value, sizeof(value));
	return 0;
}

static int judge(const char *response, struct tl_dialled *dialled, struct tl_err *err)
{
	size_t line_len = strcspn(response, "\r\n");

	if (strncmp(response, "HTTP/1.1 101", 12) == 0)
		return read_field(response, dialled, err);
	if (strncmp(response, "HTTP/1.1 401", 12) == 0)
		return tl_err_set(err, TL_EAUTH, "the relay did not accept this host's token");
	if (strncmp(response, "HTTP/1.1 410", 12) == 0)
		return tl_err_set(err, TL_EDENIED, "the session is over at the relay");
	return tl_err_set(err, may_be_tried_again(response) ? TL_EBUSY : TL_EDENIED,
			  "the relay refused the call: %.*s", (int)(line_len < 80 ? line_len : 80),
			  response);
}

/* Reads up to the blank line; what follows it is the peer's first SSH bytes. */
static int read_response(const struct call *call, struct tl_dialled *dialled, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(RESPONSE_MAX);

	for (;;) {
		char bytes[2048];
		char *end;
		size_t got = 0;
		CURLcode code = curl_easy_recv(call->curl, bytes, sizeof(bytes), &got);
		int rc = code == CURLE_AGAIN ? wait_socket(call, POLLIN, err) : 0;

		if (rc != 0)
			return rc;
		if (code == CURLE_AGAIN)
			continue;
		if (code != CURLE_OK || got == 0)
			return tl_err_set(err, TL_EUNREACH, "the relay closed the call");
		tl_buf_append(&text, bytes, got);
		if (tl_buf_check(&text) != 0)
			return tl_err_set(err, TL_EPROTO, "the relay's answer is too long");
		end = memmem(text.data, text.len, "\r\n\r\n", 4);
		if (!end)
			continue;
		tl_buf_append(&dialled->rest, end + 4, text.len - (size_t)(end + 4 - text.data));
		end[2] = '\0';
		return judge(text.data, dialled, err);
	}
}

static void tune_socket(CURL *curl)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	unsigned timeout_ms = DEAD_PEER_MS;

	if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
				 sizeof(timeout_ms));
}

static int connect_to(const struct call *call, struct tl_err *err)
{
	CURLcode code = curl_easy_perform(call->curl);

	if (code == CURLE_OK)
		return 0;
	return tl_err_set(err, code == CURLE_PEER_FAILED_VERIFICATION ? TL_EAUTH : TL_EUNREACH,
			  "the relay %s cannot be called: %s", call->request->relay_url,
			  curl_easy_strerror(code));
}

int tl_dial(const struct tl_session_request *request, const struct tl_dial_ask *ask,
	    struct tl_dialled *ret_dialled, struct tl_err *err)
{
	tl_auto(tl_dialled) struct tl_dialled dialled = {.rest = TL_BUF_INIT(TL_DIAL_REST_MAX)};
	struct call call = {.request = request, .ask = ask};
	int rc;

	if (!tl_str_starts(request->relay_url, "https://"))
		return tl_err_set(err, TL_EINVAL, "the relay's URL must begin with https://");
	call.deadline_ms = tl_clock_mono_ms(tl_clock_system()) + ask->timeout_ms;
	call.curl = dialled.curl = curl_easy_init();
	rc = setup(&call, err);
	if (rc == 0)
		rc = connect_to(&call, err);
	if (rc == 0)
		rc = send_request(&call, err);
	if (rc == 0)
		rc = read_response(&call, &dialled, err);
	if (rc != 0)
		return rc;
	/* The progress function's argument goes with this frame. */
	(void)curl_easy_setopt(dialled.curl, CURLOPT_NOPROGRESS, 1L);
	tune_socket(dialled.curl);
	*ret_dialled = dialled;
	dialled = (struct tl_dialled){.curl = NULL};
	return 0;
}
