#include "swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <towline/clock.h>
#include <towline/jwt.h>
#include <towline/str.h>

#define EVENTS 256
#define STEP_MS 100
#define RETRY_MS 1000L
#define RETRY_HINT_MS 2000 /* what the relay's retry event says */

/* ---- life ------------------------------------------------------------------------------------ */

static SSL_CTX *make_context(const char *ca_file)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context || SSL_CTX_load_verify_locations(context, ca_file, NULL) != 1) {
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	return context;
}

int swarm_new(size_t count, unsigned port, const char *ca_file, const char *relay_id,
	      struct swarm **ret_swarm, struct tl_err *err)
{
	tl_auto(swarm) struct swarm *swarm = calloc(1, sizeof(*swarm));

	if (!swarm || !(swarm->agents = calloc(count, sizeof(*swarm->agents))))
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	swarm->count = count;
	for (size_t i = 0; i < count; i++) {
		swarm->agents[i].fd = -1;
		tl_buf_init(&swarm->agents[i].out, SWARM_INPUT_MAX);
		tl_buf_init(&swarm->agents[i].in, SWARM_INPUT_MAX);
	}
	swarm->relay_id = relay_id;
	swarm->address = (struct sockaddr_in){.sin_family = AF_INET,
					      .sin_port = htons((uint16_t)port),
					      .sin_addr = {htonl(INADDR_LOOPBACK)}};
	swarm->context = make_context(ca_file);
	if (!swarm->context)
		return tl_err_set(err, TL_EINVAL, "%s holds no CA certificate", ca_file);
	swarm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (swarm->epoll_fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "epoll");
	*ret_swarm = tl_steal(&swarm);
	return 0;
}

static void disconnect(struct agent *agent)
{
	SSL_free(tl_steal(&agent->ssl));
	if (agent->fd >= 0)
		close(tl_steal_fd(&agent->fd));
}

void swarm_free(struct swarm *swarm)
{
	if (!swarm)
		return;
	for (size_t i = 0; swarm->agents && i < swarm->count; i++) {
		disconnect(&swarm->agents[i]);
		tl_buf_clear(&swarm->agents[i].out);
		tl_buf_clear(&swarm->agents[i].in);
		tl_key_free(swarm->agents[i].key);
	}
	SSL_CTX_free(swarm->context);
	if (swarm->epoll_fd > 0)
		close(swarm->epoll_fd);
	free(swarm->agents);
	free(swarm);
}

/* ---- what an agent sends --------------------------------------------------------------------- */

static int put_assertion(const struct swarm *swarm, struct agent *agent, struct tl_buf *out,
			 struct tl_err *err)
{
	int64_t now_s = tl_clock_wall_ms(tl_clock_system()) / 1000;
	struct tl_id jti = tl_id_new(tl_clock_system());
	tl_json *claims = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "iss", agent->host, "sub",
				    agent->host, "aud", swarm->relay_id, "jti", jti.text, "iat",
				    (json_int_t)now_s, "exp", (json_int_t)(now_s + 300));

	return claims ? tl_jwt_sign(agent->key, TL_JWT_ASSERTION, claims, out, err)
		      : tl_err_set(err, TL_ENOMEM, "out of memory");
}

static int put_token_request(const struct swarm *swarm, struct agent *agent, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(SWARM_INPUT_MAX);
	int r;

	tl_buf_puts(&body, "grant_type=client_credentials&client_assertion_type="
			   "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
			   "&client_assertion=");
	if ((r = put_assertion(swarm, agent, &body, err)))
		return r;
	tl_buf_printf(&agent->out,
		      "POST /v1/oauth/token HTTP/1.1\r\nHost: localhost\r\n"
		      "Content-Type: application/x-www-form-urlencoded\r\n"
		      "Content-Length: %zu\r\n\r\n%s",
		      body.len, tl_buf_str(&body));
	r = tl_buf_check(&agent->out);
	return r ? tl_err_set(err, r, "a token request is too large") : 0;
}

static void put_stream_request(struct agent *agent, const char *token)
{
	tl_buf_printf(&agent->out,
		      "GET /v1/agent/stream?generation=%lld HTTP/1.1\r\nHost: localhost\r\n"
		      "Accept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n",
		      (long long)tl_clock_wall_ms(tl_clock_system()), token);
}

/* ---- an agent's steps ------------------------------------------------------------------------ */

static void wait_until_retry(struct agent *agent, int64_t least_ms, int64_t jitter_ms)
{
	agent->retry_ms =
		tl_clock_mono_ms(tl_clock_system()) + least_ms + random() % (jitter_ms + 1);
	agent->phase = WAITING;
	disconnect(agent);
}

static void fail(struct swarm *swarm, struct agent *agent, const char *why)
{
	static const char *const phases[] = {"connecting", "TLS", "token", "stream", "holding"};

	if (swarm->first_failure[0] == '\0')
		snprintf(swarm->first_failure, sizeof(swarm->first_failure), "%s: %s",
			 phases[agent->phase], why);
	if (agent->phase == HOLDING && agent->sent_away) {
		swarm->holding--;
		wait_until_retry(agent, 0, RETRY_HINT_MS);
		return;
	}
	if (agent->phase == HOLDING) {
		swarm->holding--;
		swarm->lost++;
		agent->phase = LOST;
		disconnect(agent);
		return;
	}
	swarm->failed++;
	wait_until_retry(agent, 0, RETRY_MS << (agent->failures < 6 ? agent->failures : 6));
	agent->failures++;
}

/* The body of a complete response with Content-Length, NULL while it is not. */
static const char *whole_body(const struct agent *agent)
{
	const char *head = tl_buf_str(&agent->in);
	const char *end = strstr(head, "\r\n\r\n");
	const char *length = strcasestr(head, "\r\ncontent-length:");

	if (!end || !length || length > end)
		return NULL;
	size_t need = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);

	return agent->in.len - (size_t)(end + 4 - head) >= need ? end + 4 : NULL;
}

/* Comes back after what the relay asks, plus up to as much again, so that not all return at once. */
static void postpone(struct swarm *swarm, struct agent *agent)
{
	const char *after = strcasestr(tl_buf_str(&agent->in), "\r\nretry-after:");
	int64_t wait_ms =
		after ? 1000 * strtol(after + strlen("\r\nretry-after:"), NULL, 10) : 1000;

	swarm->postponed++;
	wait_until_retry(agent, wait_ms, wait_ms);
}

static void on_refusal(struct swarm *swarm, struct agent *agent)
{
	if (tl_str_starts(agent->in.data, "HTTP/1.1 503 "))
		postpone(swarm, agent);
	else
		fail(swarm, agent, agent->in.data);
}

static void on_token_bytes(struct swarm *swarm, struct agent *agent)
{
	const char *body = whole_body(agent);

	if (!body)
		return;
	if (!tl_str_starts(tl_buf_str(&agent->in), "HTTP/1.1 200 ")) {
		on_refusal(swarm, agent);
		return;
	}
	tl_json *json = json_loads(body, JSON_DISABLE_EOF_CHECK, NULL);
	const char *token = json_string_value(json_object_get(json, "access_token"));

	if (!token) {
		fail(swarm, agent, "no access_token in the answer");
		return;
	}
	put_stream_request(agent, token);
	tl_buf_clear(&agent->in);
	tl_buf_init(&agent->in, SWARM_INPUT_MAX);
	agent->phase = OPENING_STREAM;
}

static void on_bytes(struct swarm *swarm, struct agent *agent, const char *bytes, size_t len)
{
	if (agent->phase == HOLDING) {
		agent->sent_away |= memmem(bytes, len, "event: retry", 12) != NULL;
		return;
	}
	tl_buf_append(&agent->in, bytes, len);
	if (agent->phase == ASKING_TOKEN) {
		on_token_bytes(swarm, agent);
	} else if (strstr(tl_buf_str(&agent->in), "event: hello")) {
		agent->phase = HOLDING;
		swarm->holding++;
		swarm->returned += agent->sent_away;
		agent->sent_away = false;
		tl_buf_clear(&agent->in);
		tl_buf_clear(&agent->out);
	} else if (whole_body(agent)) {
		on_refusal(swarm, agent);
	}
}

/* True when the agent can go on at once. */
static bool tls_result(struct swarm *swarm, struct agent *agent, int result)
{
	if (result > 0)
		return true;
	int error = SSL_get_error(agent->ssl, result);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return false;
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	fail(swarm, agent, reason ? reason : "the relay closed the connection");
	ERR_clear_error();
	return false;
}

static bool flush(struct swarm *swarm, struct agent *agent)
{
	while (agent->ssl && agent->out.len) {
		int n = SSL_write(agent->ssl, agent->out.data, (int)agent->out.len);

		if (!tls_result(swarm, agent, n))
			return false;
		tl_buf_consume(&agent->out, (size_t)n);
	}
	return agent->ssl != NULL;
}

static void converse(struct swarm *swarm, struct agent *agent)
{
	char bytes[4096];

	while (flush(swarm, agent)) {
		int n = SSL_read(agent->ssl, bytes, sizeof(bytes));

		if (!tls_result(swarm, agent, n))
			return;
		on_bytes(swarm, agent, bytes, (size_t)n);
	}
}

static void step(struct swarm *swarm, struct agent *agent)
{
	int error = 0;

	switch (agent->phase) {
	case CONNECTING:
		if (getsockopt(agent->fd, SOL_SOCKET, SO_ERROR, &error,
			       &(socklen_t){sizeof(error)}) ||
		    error) {
			fail(swarm, agent, strerror(error));
			return;
		}
		agent->phase = SHAKING;
		__attribute__((fallthrough));
	case SHAKING:
		if (!tls_result(swarm, agent, SSL_connect(agent->ssl)))
			return;
		agent->phase = ASKING_TOKEN;
		__attribute__((fallthrough));
	case ASKING_TOKEN:
	case OPENING_STREAM:
	case HOLDING:
		converse(swarm, agent);
		return;
	case WAITING:
	case LOST:
		return;
	}
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int start_one(struct swarm *swarm, struct agent *agent, struct tl_err *err)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = agent};

	agent->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	agent->ssl = SSL_new(swarm->context);
	if (agent->fd < 0 || !agent->ssl)
		return tl_err_sys(err, TL_EIO, errno, "a socket (raise the limit on open files)");
	SSL_set_fd(agent->ssl, agent->fd);
	SSL_set1_host(agent->ssl, "localhost");
	if (connect(agent->fd, (struct sockaddr *)&swarm->address, sizeof(swarm->address)) &&
	    errno != EINPROGRESS)
		return tl_err_sys(err, TL_EUNREACH, errno, "the relay");
	if (epoll_ctl(swarm->epoll_fd, EPOLL_CTL_ADD, agent->fd, &event))
		return tl_err_sys(err, TL_EIO, errno, "epoll");
	return 0;
}

int swarm_start(struct swarm *swarm, struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < swarm->count; i++)
		r = put_token_request(swarm, &swarm->agents[i], err);
	for (size_t i = 0; r == 0 && i < swarm->count; i++)
		r = start_one(swarm, &swarm->agents[i], err);
	return r;
}

/* Those whose wait is over connect anew. */
static int resume_waiting(struct swarm *swarm, struct tl_err *err)
{
	int64_t now_ms = tl_clock_mono_ms(tl_clock_system());
	int r = 0;

	for (size_t i = 0; r == 0 && i < swarm->count; i++) {
		struct agent *agent = &swarm->agents[i];

		if (agent->phase != WAITING || agent->retry_ms > now_ms)
			continue;
		tl_buf_reset(&agent->in);
		tl_buf_reset(&agent->out);
		agent->phase = CONNECTING;
		if ((r = put_token_request(swarm, agent, err)) == 0)
			r = start_one(swarm, agent, err);
	}
	return r;
}

static int serve(struct swarm *swarm, int64_t timeout_ms, struct tl_err *err)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(swarm->epoll_fd, events, EVENTS,
			       (int)(timeout_ms < STEP_MS ? timeout_ms : STEP_MS));

	if (count < 0 && errno != EINTR)
		return tl_err_sys(err, TL_EIO, errno, "epoll");
	for (int i = 0; i < count; i++)
		step(swarm, events[i].data.ptr);
	return resume_waiting(swarm, err);
}

static bool never(const struct swarm *swarm)
{
	(void)swarm;
	return false;
}

static bool settled(const struct swarm *swarm)
{
	return swarm->holding + swarm->lost == swarm->count;
}

static bool all_returned(const struct swarm *swarm)
{
	return settled(swarm) && swarm->returned + swarm->lost >= swarm->count;
}

static int serve_until(struct swarm *swarm, int64_t deadline_ms,
		       bool (*is_enough)(const struct swarm *swarm), struct tl_err *err)
{
	int64_t left;
	int r = 0;

	while (r == 0 && (left = deadline_ms - tl_clock_mono_ms(tl_clock_system())) > 0) {
		if (is_enough(swarm))
			break;
		r = serve(swarm, left, err);
	}
	return r;
}

int swarm_until_settled(struct swarm *swarm, int64_t deadline_ms, struct tl_err *err)
{
	return serve_until(swarm, deadline_ms, settled, err);
}

int swarm_until_returned(struct swarm *swarm, int64_t deadline_ms, struct tl_err *err)
{
	return serve_until(swarm, deadline_ms, all_returned, err);
}

int swarm_hold(struct swarm *swarm, int64_t deadline_ms, struct tl_err *err)
{
	return serve_until(swarm, deadline_ms, never, err);
}
