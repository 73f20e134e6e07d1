#include "session/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/clock.h>
#include <towline/https.h>
#include <towline/jwt.h>
#include <towline/str.h>

#define RESPONSE_MAX (16 * 1024)
#define DEAD_PEER_MS 60000 /* unacknowledged bytes: the link is dead (RFC 5482) */

static int setup(CURL *curl, const struct tl_session_request *request, struct tl_err *err)
{
	CURLcode rc = CURLE_OK;
	int prepared = tl_https_prepare(curl, request->ca_file, request->proxy, err);

	if (prepared != 0)
		return prepared;
	rc |= curl_easy_setopt(curl, CURLOPT_URL, request->relay_url);
	rc |= curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	rc |= curl_easy_setopt(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
	rc |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TL_DIAL_TIMEOUT_MS);
	rc |= curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
	return rc == CURLE_OK ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the call");
}

/* Waits for the socket; TL_ETIMEOUT at the deadline. */
static int wait_socket(CURL *curl, short events, int64_t deadline_ms, struct tl_err *err)
{
	int64_t left_ms = deadline_ms - tl_clock_mono_ms(tl_clock_system());
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct pollfd item;

	if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0)
		return tl_err_set(err, TL_EUNREACH, "the relay closed the connection");
	item = (struct pollfd){.fd = fd, .events = events};
	if (left_ms <= 0 || poll(&item, 1, (int)left_ms) == 0)
		return tl_err_set(err, TL_ETIMEOUT, "the relay did not answer the call in 30 s");
	return 0;
}

static int send_all(CURL *curl, const char *bytes, size_t len, int64_t deadline_ms,
		    struct tl_err *err)
{
	while (len > 0) {
		size_t sent = 0;
		CURLcode code = curl_easy_send(curl, bytes, len, &sent);
		int rc = code == CURLE_AGAIN ? wait_socket(curl, POLLOUT, deadline_ms, err) : 0;

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

static int send_request(CURL *curl, const struct tl_session_request *request, int64_t deadline_ms,
			struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(TL_JWT_MAX + 8192);
	const char *authority = request->relay_url + strlen("https://");
	int rc;

	if (strpbrk(request->access_token, "\r\n \t"))
		return tl_err_set(err, TL_EINVAL, "the access token is not valid");
	tl_buf_printf(&text, "GET /v1/callhome/%s HTTP/1.1\r\nHost: ", request->session);
	tl_buf_append(&text, authority, strcspn(authority, "/"));
	tl_buf_printf(&text,
		      "\r\nConnection: Upgrade\r\nUpgrade: towline-ssh\r\n"
		      "User-Agent: towline-session/" TOWLINE_VERSION "\r\n"
		      "Authorization: Bearer %s\r\n\r\n",
		      request->access_token);
	rc = tl_buf_check(&text);
	if (rc != 0)
		return tl_err_set(err, rc, "the request to the relay is too long");
	return send_all(curl, text.data, text.len, deadline_ms, err);
}

static int judge(const char *response, struct tl_err *err)
{
	size_t line_len = strcspn(response, "\r\n");

	if (strncmp(response, "HTTP/1.1 101", 12) == 0)
		return 0;
	if (strncmp(response, "HTTP/1.1 401", 12) == 0)
		return tl_err_set(err, TL_EAUTH, "the relay did not accept this host's token");
	return tl_err_set(err, TL_EDENIED, "the relay refused the call: %.*s",
			  (int)(line_len < 80 ? line_len : 80), response);
}

/* Reads up to the blank line; what follows it is the peer's first SSH bytes. */
static int read_response(CURL *curl, int64_t deadline_ms, struct tl_buf *rest, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(RESPONSE_MAX);

	for (;;) {
		char bytes[2048];
		const char *end;
		size_t got = 0;
		CURLcode code = curl_easy_recv(curl, bytes, sizeof(bytes), &got);
		int rc = code == CURLE_AGAIN ? wait_socket(curl, POLLIN, deadline_ms, err) : 0;

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
		tl_buf_append(rest, end + 4, text.len - (size_t)(end + 4 - text.data));
		return judge(text.data, err);
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

int tl_dial(const struct tl_session_request *request, CURL **ret_curl, struct tl_buf *rest,
	    struct tl_err *err)
{
	int64_t deadline_ms = tl_clock_mono_ms(tl_clock_system()) + TL_DIAL_TIMEOUT_MS;
	CURL *curl = NULL;
	CURLcode code;
	int rc;

	if (!tl_str_starts(request->relay_url, "https://"))
		return tl_err_set(err, TL_EINVAL, "the relay's URL must begin with https://");
	curl = curl_easy_init();
	rc = setup(curl, request, err);
	if (rc != 0) {
		curl_easy_cleanup(curl);
		return rc;
	}
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		rc = tl_err_set(err,
				code == CURLE_PEER_FAILED_VERIFICATION ? TL_EAUTH : TL_EUNREACH,
				"the relay %s cannot be called: %s", request->relay_url,
				curl_easy_strerror(code));
	if (rc == 0)
		rc = send_request(curl, request, deadline_ms, err);
	if (rc == 0)
		rc = read_response(curl, deadline_ms, rest, err);
	if (rc != 0) {
		curl_easy_cleanup(curl);
		return rc;
	}
	tune_socket(curl);
	*ret_curl = curl;
	return 0;
}
