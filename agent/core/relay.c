#include "core/relay.h"

#include <stdio.h>
#include <towline/str.h>

#include "core/access.h"
#include "core/multi.h"

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

struct tl_relay {
	struct tl_relay_options options;
	struct tl_multi *multi;
	uv_timer_t
		kick; /* starts new calls outside libcurl's callbacks, which may not add handles */
	struct tl_call *calls;
	struct tl_access *access;
	unsigned round;
};

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
		.bearer = tl_access_token(relay->access),
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
	bool wanted = tl_access_is_wanted(relay->access);

	for (struct tl_call *call = relay->calls, *next; call; call = next) {
		next = call->next;
		if (call->state == CALL_RUNS)
			continue;
		if (tl_access_token(relay->access)) {
			call_start(call);
			continue;
		}
		if (call->state == CALL_NEW)
			call->round = relay->round;
		call->state = CALL_WAITS_FOR_TOKEN;
		wanted = true;
	}
	if (wanted && !tl_access_token(relay->access))
		tl_access_fetch(relay->access);
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
	start_calls(timer->data);
}

static void kick(struct tl_relay *relay)
{
	uv_timer_start(&relay->kick, on_kick, 0, 0);
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
}

static void on_access(void *arg, const struct tl_reply *failure)
{
	if (failure)
		fail_waiting(arg, failure);
	else
		start_calls(arg);
}

static void on_multi_done(void *arg, CURL *easy, CURLcode code)
{
	struct tl_relay *relay = arg;
	struct tl_exchange *exchange = tl_exchange_of(easy);
	struct tl_call *call;
	const struct tl_reply *reply;

	if (tl_access_take(relay->access, exchange, code))
		return;
	call = call_of(relay, exchange);
	reply = tl_exchange_finish(exchange, code);
	if (reply->status == 401 && !call->repeated) {
		call->repeated = true;
		call->state = CALL_NEW;
		tl_access_drop(relay->access);
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
	rc = tl_multi_new(options->loop, on_multi_done, relay, &relay->multi, err);
	if (rc != 0) {
		free(relay);
		return rc;
	}
	relay->access = tl_access_new(&(struct tl_access_options){.relay = &relay->options,
								  .multi = relay->multi,
								  .on_outcome = on_access,
								  .arg = relay});
	if (!relay->access) {
		tl_multi_close(relay->multi);
		free(relay);
		return tl_err_set(err, TL_ENOMEM, "out of memory");
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
	const char *token = tl_access_token(relay->access);
	struct tl_err err = TL_ERR_INIT;

	if (token)
		on_token(arg, token, NULL);
	else if (tl_access_wait(relay->access, on_token, arg, &err) == 0)
		kick(relay);
	else
		on_token(arg, NULL, &err);
}

int64_t tl_relay_offset_ms(const struct tl_relay *relay)
{
	return tl_access_offset_ms(relay->access);
}

int64_t tl_relay_now_ms(const struct tl_relay *relay)
{
	return tl_access_now_ms(relay->access);
}

void tl_relay_note_time(struct tl_relay *relay, const char *relay_time)
{
	tl_access_note_time(relay->access, relay_time);
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
	tl_access_free(tl_steal(&relay->access));
	tl_multi_close(tl_steal(&relay->multi));
	uv_close((uv_handle_t *)&relay->kick, on_kick_closed);
}
