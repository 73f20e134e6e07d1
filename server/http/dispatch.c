#include <string.h>
#include <towline/json.h>
#include <towline/log.h>
#include <towline/str.h>

#include "http/call.h"
#include "http/server.h"

static void ensure_replied(struct tl_http_call *call)
{
	if (call->replied)
		return;
	tl_log_error("a handler did not reply", TL_S("method", call->request.method),
		     TL_S("path", call->request.path));
	tl_http_problem(call, 500, "internal", "the server could not do this; its log says why");
}

static void refuse_caller(struct tl_http_call *call, const struct tl_err *err)
{
	if (call->replied)
		return;
	if (err->code == TL_EAUTH)
		tl_http_problem(call, 401, "unauthenticated", tl_err_text(err));
	else if (err->code == TL_EACCES)
		tl_http_problem(call, 403, "forbidden", tl_err_text(err));
	else
		tl_http_fail(call, err);
}

/* The row decides who may call; this runs before any handler or sink. */
static bool authorise(struct tl_http_call *call)
{
	const struct tl_http_config *config = &call->http->config;
	struct tl_err err = TL_ERR_INIT;
	int rc;

	if (call->authorised)
		return true;
	call->principal.role = TL_ROLE_NOBODY;
	if (!(call->route->roles & TL_ROLE_NOBODY)) {
		if (!config->authenticate)
			rc = tl_err_set(&err, TL_EAUTH, "this server knows nobody");
		else
			rc = config->authenticate(call, &call->principal, &err);
		if (rc < 0) {
			err.code = rc;
			refuse_caller(call, &err);
			return false;
		}
		if (!(call->principal.role & call->route->roles)) {
			tl_http_problem(call, 403, "forbidden", "your role may not do this");
			return false;
		}
	}
	call->authorised = true;
	return true;
}

static void run_begin(struct tl_http_call *call)
{
	const struct tl_http_sink *sink = call->route->sink;

	if (!authorise(call))
		return;
	if (!sink && call->last) {
		call->route->handler(call);
		ensure_replied(call);
		return;
	}
	if (sink && sink->begin(call) < 0) {
		ensure_replied(call);
		return;
	}
	call->begun = sink != NULL;
	call->outcome = TL_OUTCOME_BODY;
	if (!sink || !call->last)
		return;
	call->begun = false;
	sink->end(call);
	ensure_replied(call);
}

/* name=value pairs to an object of strings; a repeated name is refused. */
static int parse_form(struct tl_http_call *call, json_t **ret_json, struct tl_err *err)
{
	const char *at = tl_buf_str(&call->body);
	tl_json *form = json_object();

	while (*at) {
		size_t len = strcspn(at, "&"), name_len = strcspn(at, "=&");
		size_t value_at = name_len < len ? name_len + 1 : name_len;
		char *name = tl_arena_alloc(&call->arena, name_len + 1);
		char *value = tl_arena_alloc(&call->arena, len - value_at + 1);

		if (!name || !value)
			return tl_err_set(err, TL_ENOMEM, "out of memory");
		if (tl_percent_decode(at, name_len, true, name) < 0 ||
		    tl_percent_decode(at + value_at, len - value_at, true, value) < 0)
			return tl_err_set(err, TL_EINVAL, "the form has a bad percent escape");
		if (len > 0 && json_object_get(form, name))
			return tl_err_set(err, TL_EINVAL, "form field \"%s\" is repeated", name);
		if (len > 0 && json_object_set_new(form, name, json_string(value)) < 0)
			return tl_err_set(err, TL_EINVAL, "the form is not UTF-8");
		at += len + (at[len] == '&');
	}
	*ret_json = tl_steal(&form);
	return 0;
}

static int parse_body(struct tl_http_call *call, struct tl_err *err)
{
	if (call->route->body == TL_BODY_NONE)
		return 0;
	if (strlen(tl_buf_str(&call->body)) != call->body.len)
		return tl_err_set(err, TL_EINVAL, "the body holds a NUL");
	if (call->route->body == TL_BODY_FORM)
		return parse_form(call, &call->json, err);
	return tl_json_parse(tl_buf_str(&call->body), call->body.len, &call->json, err);
}

static void run_handle(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;

	if (!authorise(call))
		return;
	if (parse_body(call, &err) < 0) {
		tl_http_problem(call, 400, "body-invalid", tl_err_text(&err));
		return;
	}
	if (call->json && !json_is_object(call->json) && !json_is_array(call->json)) {
		tl_http_problem(call, 400, "body-invalid",
				"the body must be an object or an array");
		return;
	}
	tl_buf_clear(&call->body);
	call->route->handler(call);
	ensure_replied(call);
}

static void run_broken(struct tl_http_call *call)
{
	call->begun = false;
	if (call->route->sink->broken)
		call->route->sink->broken(call);
}

static void run_piece(struct tl_http_call *call)
{
	const struct tl_http_sink *sink = call->route->sink;

	call->outcome = TL_OUTCOME_BODY;
	if (call->body.len > 0 && sink->piece(call, call->body.data, call->body.len) < 0) {
		call->cut = !call->last;
		ensure_replied(call);
		run_broken(call);
		return;
	}
	tl_buf_reset(&call->body);
	if (!call->last)
		return;
	call->begun = false;
	sink->end(call);
	ensure_replied(call);
}

static void run_refill(struct tl_http_call *call)
{
	call->outcome = TL_OUTCOME_REPLY;
	if (tl_response_refill(call) < 0)
		call->cut = true;
}

void tl_dispatch_run(struct tl_http_call *call)
{
	static void (*const stages[])(struct tl_http_call *) = {
		[TL_STAGE_BEGIN] = run_begin,	[TL_STAGE_HANDLE] = run_handle,
		[TL_STAGE_PIECE] = run_piece,	[TL_STAGE_BROKEN] = run_broken,
		[TL_STAGE_REFILL] = run_refill,
	};

	stages[call->stage](call);
}
