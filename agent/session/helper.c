#include "session/helper.h"

#include <string.h>
#include <towline/str.h>

#include "core/channel.h"

struct call {
	json_int_t id; /* 0: free */
	tl_session_answer *answer;
	void *arg;
};

struct tl_session_helper {
	struct tl_channel *channel;
	struct call calls[TL_SESSION_CALLS_MAX];
	json_int_t last_id;
	const struct tl_session_helper_events *events;
	void *arg;
};

/* The code that a peer named; what we do not know is an internal error of its. */
static int code_of(const char *name)
{
#define NAMED_(symbol, code, status, text) \
	if (tl_streq(name, #symbol)) \
		return TL_##symbol;
	TL_ERRORS(NAMED_)
#undef NAMED_
	return TL_EINTERNAL;
}

static void error_of(const json_t *error, struct tl_err *err)
{
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));

	tl_err_set(err, code_of(code), "%s", text ? text : "the helper gave no reason");
}

static void on_event(struct tl_session_helper *helper, const json_t *json)
{
	const json_t *args = json_object_get(json, "args");
	const char *event = json_string_value(json_object_get(json, "event"));
	const char *reason = json_string_value(json_object_get(args, "reason"));
	const char *said = json_string_value(json_object_get(args, "said"));

	if (tl_streq(event, "ended"))
		helper->events->ended(helper->arg, reason ? reason : "ended by the helper");
	else if (tl_streq(event, "company"))
		helper->events->company(helper->arg, said ? said : "",
					json_string_value(json_object_get(args, "held")));
}

static void on_message(void *arg, struct tl_channel *channel, struct tl_ipc_message *message)
{
	struct tl_session_helper *helper = arg;
	json_int_t id = json_integer_value(json_object_get(message->json, "id"));
	json_t *result = json_object_get(message->json, "result");
	struct tl_err err = TL_ERR_INIT;

	(void)channel;
	if (json_object_get(message->json, "event")) {
		on_event(helper, message->json);
		return;
	}
	for (size_t i = 0; id > 0 && i < TL_SESSION_CALLS_MAX; i++) {
		struct call call = helper->calls[i];

		if (call.id != id)
			continue;
		helper->calls[i].id = 0;
		if (!call.answer)
			return;
		if (!result) {
			error_of(json_object_get(message->json, "error"), &err);
			call.answer(call.arg, NULL, &err);
			return;
		}
		json_incref(result);
		json_decref(message->json);
		message->json = result;
		call.answer(call.arg, message, NULL);
		return;
	}
}

static void on_gone(void *arg, struct tl_channel *channel)
{
	struct tl_session_helper *helper = arg;
	struct tl_err err = TL_ERR_INIT;

	(void)channel;
	helper->channel = NULL;
	tl_err_set(&err, TL_EUNREACH, "towline-helper stopped");
	for (size_t i = 0; i < TL_SESSION_CALLS_MAX; i++) {
		struct call call = helper->calls[i];

		helper->calls[i].id = 0;
		if (call.id && call.answer)
			call.answer(call.arg, NULL, &err);
	}
	helper->events->lost(helper->arg);
}

static const struct tl_channel_events channel_events = {.on_message = on_message,
							.on_gone = on_gone};

int tl_session_helper_connect(uv_loop_t *loop, const char *path,
			      const struct tl_session_helper_events *events, void *arg,
			      struct tl_session_helper **ret_helper, struct tl_err *err)
{
	tl_free struct tl_session_helper *helper = calloc(1, sizeof(*helper));
	int fd = -1;
	int rc = helper ? tl_ipc_connect(path, &fd, err)
			: tl_err_set(err, TL_ENOMEM, "out of memory");

	if (rc == 0)
		rc = tl_channel_new(loop, fd, &channel_events, helper, &helper->channel, err);
	if (rc != 0)
		return rc;
	helper->events = events;
	helper->arg = arg;
	*ret_helper = tl_steal(&helper);
	return 0;
}

static struct call *free_call(struct tl_session_helper *helper)
{
	for (size_t i = 0; i < TL_SESSION_CALLS_MAX; i++)
		if (helper->calls[i].id == 0)
			return &helper->calls[i];
	return NULL;
}

int tl_session_helper_call(struct tl_session_helper *helper, const char *verb, json_t *args,
			   tl_session_answer *answer, void *arg, struct tl_err *err)
{
	tl_json *owned = args;
	tl_json *request = NULL;
	struct call *call = free_call(helper);
	int rc;

	if (!helper->channel)
		return tl_err_set(err, TL_EUNREACH, "towline-helper stopped");
	if (!call || !owned)
		return tl_err_set(err, TL_EBUSY, "too many requests wait for the helper");
	request =
		json_pack("{s:I,s:s,s:O}", "id", helper->last_id + 1, "verb", verb, "args", owned);
	if (!request)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	rc = tl_channel_send(helper->channel, request, NULL, 0, err);
	if (rc == 0)
		*call = (struct call){.id = ++helper->last_id, .answer = answer, .arg = arg};
	return rc;
}

void tl_session_helper_forget(struct tl_session_helper *helper, const void *arg)
{
	for (size_t i = 0; i < TL_SESSION_CALLS_MAX; i++)
		if (helper->calls[i].arg == arg)
			helper->calls[i].answer = NULL;
}

void tl_session_helper_free(struct tl_session_helper *helper)
{
	if (!helper)
		return;
	tl_channel_close(helper->channel);
	free(helper);
}
