#include "daemon/link.h"

#include <stdlib.h>
#include <towline/log.h>
#include <towline/str.h>

#include "core/channel.h"

#define RETRY_MS 2000

struct pending {
	json_int_t id; /* 0: free */
	tl_link_done *on_done;
	void *arg;
};

struct tl_link {
	struct tl_link_options options;
	struct tl_channel *channel; /* NULL while there is no helper */
	struct tl_ipc_peer helper;  /* who answered last */
	uv_timer_t retry;
	json_int_t last_id;
	struct pending calls[TL_LINK_CALLS_MAX];
};

static void connect_now(struct tl_link *link);

static void on_retry(uv_timer_t *timer)
{
	struct tl_link *link = timer->data;

	if (!link->channel)
		connect_now(link);
}

static int code_of(const char *name)
{
#define CODE_OF(code_name, number, status, text) \
	if (tl_streq(name, #code_name)) \
		return TL_##code_name;
	TL_ERRORS(CODE_OF)
#undef CODE_OF
	return TL_EPROTO;
}

static void answer(struct pending *call, const json_t *json)
{
	const json_t *error = json_object_get(json, "error");
	struct pending taken = *call;
	struct tl_err err = TL_ERR_INIT;

	*call = (struct pending){0};
	if (!taken.on_done)
		return;
	if (!error) {
		taken.on_done(taken.arg, json_object_get(json, "result"), NULL);
		return;
	}
	tl_err_set(&err, code_of(json_string_value(json_object_get(error, "code"))), "%s",
		   json_is_string(json_object_get(error, "text"))
			   ? json_string_value(json_object_get(error, "text"))
			   : "the helper refused without a reason");
	taken.on_done(taken.arg, NULL, &err);
}

static void on_message(void *arg, struct tl_channel *channel, struct tl_ipc_message *message)
{
	struct tl_link *link = arg;
	const char *event = json_string_value(json_object_get(message->json, "event"));
	json_int_t id = json_integer_value(json_object_get(message->json, "id"));

	(void)channel;
	if (event) {
		link->options.on_event(link->options.arg, event,
				       json_object_get(message->json, "args"));
		return;
	}
	for (size_t i = 0; id > 0 && i < TL_LINK_CALLS_MAX; i++) {
		if (link->calls[i].id == id) {
			answer(&link->calls[i], message->json);
			return;
		}
	}
}

static void on_gone(void *arg, struct tl_channel *channel)
{
	struct tl_link *link = arg;
	struct tl_err err = TL_ERR_INIT;

	(void)channel;
	link->channel = NULL;
	tl_log_warning("the helper has gone");
	tl_err_set(&err, TL_EUNREACH, "the helper ended meanwhile");
	for (size_t i = 0; i < TL_LINK_CALLS_MAX; i++) {
		struct pending taken = link->calls[i];

		link->calls[i] = (struct pending){0};
		if (taken.on_done)
			taken.on_done(taken.arg, NULL, &err);
	}
	link->options.on_lost(link->options.arg);
	uv_timer_start(&link->retry, on_retry, RETRY_MS, RETRY_MS);
}

static const struct tl_channel_events channel_events = {on_message, on_gone};

static void on_hello(void *arg, const json_t *result, const struct tl_err *err)
{
	(void)arg;
	(void)result;
	if (err)
		tl_log_error("the helper does not accept this agent", TL_ERR(err));
	else
		tl_log_info("the helper is there");
}

static void connect_now(struct tl_link *link)
{
	int fd;

	/* Connecting to a local socket never waits for longer than its backlog is full. */
	if (tl_ipc_connect(link->options.path, &fd, NULL) != 0 ||
	    tl_ipc_peer_of(fd, &link->helper, NULL) != 0 ||
	    tl_channel_new(link->options.loop, fd, &channel_events, link, &link->channel, NULL) !=
		    0) {
		uv_timer_start(&link->retry, on_retry, RETRY_MS, RETRY_MS);
		return;
	}
	uv_timer_stop(&link->retry);
	tl_link_call(link, "hello",
		     json_pack("{s:s, s:O}", "agent_version", TOWLINE_VERSION, "identity",
			       link->options.identity),
		     NULL, 0, on_hello, link);
}

int tl_link_new(const struct tl_link_options *options, struct tl_link **ret_link,
		struct tl_err *err)
{
	struct tl_link *link = calloc(1, sizeof(*link));

	if (!link)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	link->options = *options;
	uv_timer_init(options->loop, &link->retry);
	link->retry.data = link;
	connect_now(link);
	*ret_link = link;
	return 0;
}

static struct pending *free_call(struct tl_link *link)
{
	for (size_t i = 0; i < TL_LINK_CALLS_MAX; i++) {
		if (link->calls[i].id == 0)
			return &link->calls[i];
	}
	return NULL;
}

void tl_link_call(struct tl_link *link, const char *verb, json_t *args, const int *fds,
		  size_t fd_count, tl_link_done *on_done, void *arg)
{
	tl_json *request = NULL;
	struct tl_err err = TL_ERR_INIT;
	struct pending *call;
	json_int_t id;

	if (!link->channel)
		connect_now(link); /* says hello first */
	call = free_call(link);
	id = link->last_id + 1;
	request = json_pack("{s:I, s:s, s:o}", "id", id, "verb", verb, "args",
			    args ? args : json_object());
	if (!link->channel)
		tl_err_set(&err, TL_EUNREACH,
			   "the helper does not answer at %s: start towline-helper",
			   link->options.path);
	else if (!call || !request)
		tl_err_set(&err, TL_EBUSY, "too many requests wait for the helper");
	else if (tl_channel_send(link->channel, request, fds, fd_count, &err) == 0) {
		link->last_id = id;
		*call = (struct pending){id, on_done, arg};
		return;
	}
	on_done(arg, NULL, &err);
}

void tl_link_cancel(struct tl_link *link, const void *arg)
{
	for (size_t i = 0; i < TL_LINK_CALLS_MAX; i++) {
		if (link->calls[i].arg == arg)
			link->calls[i].on_done = NULL;
	}
}

bool tl_link_is_up(const struct tl_link *link)
{
	return link->channel != NULL;
}

bool tl_link_is_split(const struct tl_link *link)
{
	return link->channel && link->helper.uid != geteuid();
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tl_link_close(struct tl_link *link)
{
	if (!link)
		return;
	tl_channel_close(link->channel);
	uv_close((uv_handle_t *)&link->retry, on_closed);
}
