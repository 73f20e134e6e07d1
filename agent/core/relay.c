#include "core/relay.h"

#include <stdio.h>
#include <time.h>
#include <towline/jwt.h>
#include <towline/str.h>

#include "core/multi.h"

#define TOKEN_MARGIN_MS 120000 /* a token is renewed so long before its end */
#define TOKEN_TIMEOUT_MS 60000
#define TOKEN_WAITERS_MAX 16
#define ASSERTION_LIFE_S 120 /* the protocol allows 300 */

enum call_state { CALL_NEW, CALL_WAITS_FOR_TOKEN, CALL_RUNS };

struct tl_call {
	struct tl_relay *relay;
	struct tl_call *next, *previous;
	enum call_state state;
	unsigned
		round; /* of the token: a failed fetch ends the calls that waited for it, not later ones */
	bool repeated;
	struct tl_call_spec spec; /* pointers lead into the members below */
	char *method, *url, *body, *content_type;
	char *headers[TL_CALL_HEADERS_MAX + 1];
	struct tl_exchange *exchange;
};

struct token_waiter {
	tl_relay_token *on_token;
	void *arg;
};

struct tl_relay {
	struct tl_relay_options options;
	struct tl_multi *multi;
	uv_timer_t
		kick; /* starts new calls outside libcurl's callbacks, which may not add handles */
	struct tl_call *calls;
	struct tl_buf token;
	int64_t token_until_mono_ms;
	struct tl_exchange *token_exchange;
	bool token_skew_corrected; /* in this fetch */
	unsigned round;
	struct token_waiter waiters[TOKEN_WAITERS_MAX];
	size_t waiter_count;
	int64_t offset_ms;
};

static void fetch_token(struct tl_relay *relay);

static bool has_token(const struct tl_relay *relay)
{
	return relay->token.len > 0 &&
	       tl_clock_mono_ms(relay->options.clock) < relay->token_until_mono_ms;
}

static void drop_token(struct tl_relay *relay)
{
	tl_buf_clear(&relay->token);
	relay->token = (struct tl_buf)TL_BUF_SECRET_INIT(TL_JWT_MAX);
}

static void call_free(struct tl_call *call)
{
	if (!call)
		return;
	tl_exchange_free(call->exchange);
	for (size_t i = 0; i < TL_CALL_HEADERS_MAX; i++)
		free(call->headers[i]);
	free(call->method);
	free(call->url);
	free(call->body);
	free(call->content_type);
	free(call);
}
static inline void call_auto(struct tl_call **call)
{
	call_free(*call);
}

static void call_link(struct tl_call *call)
{
	struct tl_call **last = &call->relay->calls;

	while (*last) {
		call->previous = *last;
		last = &(*last)->next;
	}
	*last = call;
}

static void call_unlink(struct tl_call *call)
{
	if (call->previous)
		call->previous->next = call->next;
	else
		call->relay->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
}

static void call_end(struct tl_call *call, const struct tl_reply *reply)
{
	call_unlink(call);
	call->spec.on_done(call->spec.arg, reply);
	call_free(call);
}

static void call_fail(struct tl_call *call, const struct tl_err *err)
{
	struct tl_reply reply = {.upload_offset = -1, .err = *err};

	call_end(call, &reply);
}

static void call_start(struct tl_call *call)
{
	struct tl_relay *relay = call->relay;
	struct tl_exchange_spec spec = {
		.method = call->method,
		.url = call->url,
		.ca_file = relay->options.ca_file,
		.proxy = relay->options.proxy,
		.bearer = tl_buf_str(&relay->token),
		.content_type = call->body ? "application/json" : call->content_type,
		.body = call->body,
		.body_len = call->body ? strlen(call->body) : 0,
		.headers = (const char *const *)call->headers,
		.file_fd = call->spec.file_fd,
		.file_offset = call->spec.file_offset,
		.file_len = call->spec.file_len,
		.timeout_ms = call->spec.timeout_ms,
		.on_data = call->spec.on_data,
		.data_arg = call->spec.data_arg,
	};
	struct tl_err err = TL_ERR_INIT;

	tl_exchange_free(tl_steal(&call->exchange));
	call->state = CALL_RUNS;
	if (tl_exchange_new(&spec, &call->exchange, &err) == 0 &&
	    tl_multi_add(relay->multi, tl_exchange_handle(call->exchange)) == 0)
		return;
	tl_err_set(&err, TL_ENOMEM, "out of memory");
	tl_exchange_free(tl_steal(&call->exchange));
	call_fail(call, &err);
}

static void start_calls(struct tl_relay *relay)
{
	for (struct tl_call *call = relay->calls, *next; call; call = next) {
		next = call->next;
		if (call->state == CALL_RUNS)
			continue;
		if (has_token(relay)) {
			call_start(call);
			continue;
		}
		if (call->state == CALL_NEW)
			call->round = relay->round;
		call->state = CALL_WAITS_FOR_TOKEN;
		fetch_token(relay);
	}
}

static struct tl_call *call_of(struct tl_relay *relay, const struct tl_exchange *exchange)
{
	struct tl_call *call = relay->calls;

	while (call && call->exchange != exchange)
		call = call->next;
	return call;
}

static void on_kick(uv_timer_t *timer)
{
	struct tl_relay *relay = timer->data;

	if (relay->waiter_count > 0 && !has_token(relay))
		fetch_token(relay);
	start_calls(relay);
}

static void kick(struct tl_relay *relay)
{
	uv_timer_start(&relay->kick, on_kick, 0, 0);
}

static void tell_waiters(struct tl_relay *relay, const char *token, const struct tl_err *err)
{
	struct token_waiter waiters[TOKEN_WAITERS_MAX];
	size_t count = relay->waiter_count;

	memcpy(waiters, relay->waiters, sizeof(waiters));
	relay->waiter_count = 0;
	for (size_t i = 0; i < count; i++)
		waiters[i].on_token(waiters[i].arg, token, err);
}

static void fail_waiting(struct tl_relay *relay, const struct tl_reply *reply)
{
	unsigned round = relay->round++;
	struct tl_call *call = relay->calls;

	while (call) {
		if (call->state == CALL_WAITS_FOR_TOKEN && call->round <= round) {
			call_end(call, reply);
			call = relay->calls; /* the callback may have changed the list */
		} else {
			call = call->next;
		}
	}
	tell_waiters(relay, NULL, &reply->err);
}

static int assertion(struct tl_relay *relay, struct tl_buf *out, struct tl_err *err)
{
	const struct tl_identity *identity = relay->options.identity;
	struct tl_id jti = tl_id_new(relay->options.clock);
	int64_t now_s = tl_relay_now_ms(relay) / 1000;
	tl_json *claims =
		json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", identity->host_id, "sub",
			  identity->host_id, "aud", identity->relay_id, "jti", jti.text, "iat",
			  (json_int_t)now_s, "exp", (json_int_t)(now_s + ASSERTION_LIFE_S));

	if (!claims)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return tl_jwt_sign(relay->options.key, TL_JWT_ASSERTION, claims, out, err);
}

static int token_exchange_new(struct tl_relay *relay, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf form = TL_BUF_SECRET_INIT(TL_JWT_MAX);
	char url[640];
	int rc;

	tl_buf_puts(&form, "grant_type=client_credentials&client_assertion_type="
			   "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
			   "&client_assertion=");
	rc = assertion(relay, &form, err);
	if (rc != 0)
		return rc;
	snprintf(url, sizeof(url), "%s/v1/oauth/token", relay->options.identity->url);
	return tl_exchange_new(
		&(struct tl_exchange_spec){
			.method = "POST",
			.url = url,
			.ca_file = relay->options.ca_file,
			.proxy = relay->options.proxy,
			.content_type = "application/x-www-form-urlencoded",
			.body = form.data,
			.body_len = form.len,
			.timeout_ms = TOKEN_TIMEOUT_MS,
		},
		&relay->token_exchange, err);
}

static void fetch_token(struct tl_relay *relay)
{
	struct tl_reply reply = {.upload_offset = -1};

	if (relay->token_exchange)
		return;
	if (token_exchange_new(relay, &reply.err) == 0) {
		if (tl_multi_add(relay->multi, tl_exchange_handle(relay->token_exchange)) == 0)
			return;
		tl_err_set(&reply.err, TL_ENOMEM, "out of memory");
	}
	tl_exchange_free(tl_steal(&relay->token_exchange));
	fail_waiting(relay, &reply);
}

static int take_token(struct tl_relay *relay, const struct tl_reply *reply)
{
	const char *token = json_string_value(json_object_get(reply->json, "access_token"));
	int64_t life_ms =
		json_integer_value(json_object_get(reply->json, "expires_in")) * INT64_C(1000);

	if (!token || life_ms <= TOKEN_MARGIN_MS || life_ms > INT64_C(86400000))
		return TL_EPROTO;
	drop_token(relay);
	tl_buf_puts(&relay->token, token);
	relay->token_until_mono_ms =
		tl_clock_mono_ms(relay->options.clock) + life_ms - TOKEN_MARGIN_MS;
	return tl_buf_check(&relay->token);
}

static void on_token_answer(struct tl_relay *relay, CURLcode code)
{
	struct tl_exchange *exchange = tl_steal(&relay->token_exchange);
	const struct tl_reply *reply = tl_exchange_finish(exchange, code);
	struct tl_reply broken = {.upload_offset = -1};

	if (reply->status == 200 && take_token(relay, reply) == 0) {
		relay->token_skew_corrected = false;
		tell_waiters(relay, tl_buf_str(&relay->token), NULL);
		start_calls(relay);
	} else if (tl_streq(reply->problem, "clock-skew") && !relay->token_skew_corrected) {
		const char *time = json_string_value(json_object_get(reply->json, "relay_time"));

		relay->token_skew_corrected = true;
		tl_relay_note_time(relay, time ? time : "");
		fetch_token(relay);
	} else {
		relay->token_skew_corrected = false;
		if (reply->status == 200) {
			tl_err_set(&broken.err, TL_EPROTO,
				   "the relay's access token has a wrong form");
			reply = &broken;
		}
		fail_waiting(relay, reply);
	}
	tl_exchange_free(exchange);
}

static void on_multi_done(void *arg, CURL *easy, CURLcode code)
{
	struct tl_relay *relay = arg;
	struct tl_exchange *exchange = tl_exchange_of(easy);
	struct tl_call *call;
	const struct tl_reply *reply;

	if (exchange == relay->token_exchange) {
		on_token_answer(relay, code);
		return;
	}
	call = call_of(relay, exchange);
	reply = tl_exchange_finish(exchange, code);
	if (reply->status == 401 && !call->repeated) {
		call->repeated = true;
		call->state = CALL_NEW;
		drop_token(relay);
		kick(relay);
		return;
	}
	call_end(call, reply);
}

int tl_relay_new(const struct tl_relay_options *options, struct tl_relay **ret_relay,
		 struct tl_err *err)
{
	struct tl_relay *relay = calloc(1, sizeof(*relay));
	int rc;

	if (!relay)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	relay->options = *options;
	drop_token(relay);
	rc = tl_multi_new(options->loop, on_multi_done, relay, &relay->multi, err);
	if (rc != 0) {
		free(relay);
		return rc;
	}
	uv_timer_init(options->loop, &relay->kick);
	relay->kick.data = relay;
	*ret_relay = relay;
	return 0;
}

static char *call_url(const struct tl_relay *relay, const char *path)
{
	const char *base = relay->options.identity->url;
	char *url = NULL;

	/* A Location may be absolute; a token never goes to another server than the enrolled one. */
	if (tl_str_starts(path, base) && path[strlen(base)] == '/')
		return strdup(path);
	if (path[0] != '/' || asprintf(&url, "%s%s", base, path) < 0)
		return NULL;
	return url;
}

static bool copy_texts(struct tl_call *call, const struct tl_call_spec *spec)
{
	bool ok = true;

	call->method = strdup(spec->method);
	call->url = call_url(call->relay, spec->path);
	if (spec->json)
		call->body = json_dumps(spec->json, JSON_COMPACT);
	if (spec->content_type)
		call->content_type = strdup(spec->content_type);
	for (size_t i = 0; spec->headers && spec->headers[i] && i < TL_CALL_HEADERS_MAX; i++) {
		call->headers[i] = strdup(spec->headers[i]);
		ok = ok && call->headers[i];
	}
	return ok && call->method && call->url && (!spec->json || call->body) &&
	       (!spec->content_type || call->content_type);
}

struct tl_call *tl_relay_call(struct tl_relay *relay, const struct tl_call_spec *spec)
{
	tl_cleanup(call_auto) struct tl_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->relay = relay;
	call->spec = *spec;
	if (!copy_texts(call, spec))
		return NULL;
	call_link(call);
	kick(relay);
	return tl_steal(&call);
}

void tl_call_cancel(struct tl_call *call)
{
	if (!call)
		return;
	if (call->state == CALL_RUNS)
		tl_multi_remove(call->relay->multi, tl_exchange_handle(call->exchange));
	call_unlink(call);
	call_free(call);
}

void tl_relay_get_token(struct tl_relay *relay, tl_relay_token *on_token, void *arg)
{
	struct tl_err err = TL_ERR_INIT;

	if (has_token(relay)) {
		on_token(arg, tl_buf_str(&relay->token), NULL);
	} else if (relay->waiter_count == TOKEN_WAITERS_MAX) {
		tl_err_set(&err, TL_EBUSY, "too many activities wait for the relay");
		on_token(arg, NULL, &err);
	} else {
		relay->waiters[relay->waiter_count++] = (struct token_waiter){on_token, arg};
		kick(relay);
	}
}

int64_t tl_relay_offset_ms(const struct tl_relay *relay)
{
	return relay->offset_ms;
}

int64_t tl_relay_now_ms(const struct tl_relay *relay)
{
	return tl_clock_wall_ms(relay->options.clock) + relay->offset_ms;
}

void tl_relay_note_time(struct tl_relay *relay, const char *relay_time)
{
	struct tm tm = {0};
	const char *rest = strptime(relay_time, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t wall_ms;

	if (!rest || (rest[0] != 'Z' && rest[0] != '.'))
		return;
	wall_ms = (int64_t)timegm(&tm) * 1000;
	if (rest[0] == '.')
		wall_ms += (int64_t)(strtod(rest, NULL) * 1000);
	relay->offset_ms = wall_ms - tl_clock_wall_ms(relay->options.clock);
}

const struct tl_identity *tl_relay_identity(const struct tl_relay *relay)
{
	return relay->options.identity;
}

const struct tl_key *tl_relay_key(const struct tl_relay *relay)
{
	return relay->options.key;
}

static void on_kick_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tl_relay_close(struct tl_relay *relay)
{
	if (!relay)
		return;
	while (relay->calls)
		tl_call_cancel(relay->calls);
	if (relay->token_exchange) {
		tl_multi_remove(relay->multi, tl_exchange_handle(relay->token_exchange));
		tl_exchange_free(tl_steal(&relay->token_exchange));
	}
	tl_multi_close(tl_steal(&relay->multi));
	drop_token(relay);
	uv_close((uv_handle_t *)&relay->kick, on_kick_closed);
}
