#include "ssh/proxy.h"

#include <libssh/server.h>
#include <stdio.h>
#include <string.h>

#define TYPED_MAX (64 * 1024) /* of another one's keyboard, waiting for the endpoint */

static const char no_x11[] = "X11 is not forwarded by Towline";

/* How the endpoint's channel is brought up, in this order. libssh carries on a call that returned
 * AGAIN when it is made again. */
enum step {
	STEP_IDLE,
	STEP_OPEN,
	STEP_ENV,
	STEP_PTY,
	STEP_AGENT,
	STEP_PROGRAM,
	STEP_RUNNING,
	STEP_REFUSED, /* a forwarding: to be written down */
	STEP_LOST
};

struct tl_proxy {
	struct tl_ssh_server_channel *channel;
	struct tl_ssh_stream stream; /* the endpoint's side */
	struct tl_ssh_link *upstream;
	struct tl_record *record;
	ssh_message
		incoming; /* the endpoint's request for the channel, until the client has answered */
	enum step step;
	void *env; /* iterator: the next variable to send */
	bool resized, recorded, ended;
	bool unread, unread_told; /* the engineer reads no more output */
	char signals[4][16];
	size_t signal_count;
	bool taken_over;
	struct tl_buf typed; /* by whoever has taken over, and not passed on yet */
};

struct tl_proxy *tl_proxy_new(struct tl_ssh_server_channel *channel)
{
	struct tl_proxy *proxy = calloc(1, sizeof(*proxy));

	if (!proxy)
		return NULL;
	proxy->channel = channel;
	proxy->typed = (struct tl_buf)TL_BUF_SECRET_INIT(TYPED_MAX);
	return proxy;
}

void tl_proxy_connect(struct tl_proxy *proxy, struct tl_ssh_link *upstream,
		      struct tl_record *record)
{
	ssh_channel handle = ssh_channel_new(tl_ssh_link_session(upstream));

	if (!handle) {
		tl_proxy_lose(proxy, "the relay is out of memory");
		return;
	}
	proxy->upstream = upstream;
	proxy->record = record;
	tl_ssh_stream_attach(&proxy->stream, upstream, handle);
	proxy->env = json_object_iter(proxy->channel->env);
	proxy->step = STEP_OPEN;
	tl_ssh_link_kick(upstream);
}

void tl_proxy_lose(struct tl_proxy *proxy, const char *sentence)
{
	if (proxy->step == STEP_LOST)
		return;
	proxy->step = STEP_LOST;
	tl_ssh_stream_clear(&proxy->stream);
	if (proxy->ended)
		return;
	if (!proxy->channel->forward) {
		tl_ssh_channel_answer(proxy->channel, false, sentence);
		return;
	}
	proxy->channel->drains = false;
	if (proxy->channel->open)
		tl_ssh_channel_refuse(proxy->channel, sentence);
	else
		tl_ssh_stream_close(&proxy->channel->stream);
}

/* ---- bringing the endpoint's side up ---------------------------------------------------------- */

static int step_env(struct tl_proxy *proxy)
{
	int rc;

	if (!proxy->env) {
		proxy->step = STEP_PTY;
		return SSH_OK;
	}
	rc = ssh_channel_request_env(proxy->stream.channel, json_object_iter_key(proxy->env),
				     json_string_value(json_object_iter_value(proxy->env)));
	if (rc != SSH_AGAIN) /* a refused variable is no reason to stop */
		proxy->env = json_object_iter_next(proxy->channel->env, proxy->env);
	return rc == SSH_AGAIN ? SSH_AGAIN : SSH_OK;
}

static int step_pty(struct tl_proxy *proxy)
{
	const struct tl_ssh_server_channel *channel = proxy->channel;
	int rc = SSH_OK;

	if (channel->has_pty)
		rc = ssh_channel_request_pty_size(proxy->stream.channel, channel->term,
						  (int)channel->columns, (int)channel->rows);
	if (rc == SSH_OK)
		proxy->step = STEP_AGENT;
	return rc;
}

/* Without a reply: the endpoint decides, and tells the engineer on the program's stderr. */
static int step_agent(struct tl_proxy *proxy)
{
	proxy->step = STEP_PROGRAM;
	return proxy->channel->wants_agent ? ssh_channel_request_auth_agent(proxy->stream.channel)
					   : SSH_OK;
}

static int step_program(struct tl_proxy *proxy)
{
	const struct tl_ssh_server_channel *channel = proxy->channel;
	int rc = SSH_ERROR;

	switch (channel->program) {
	case TL_SSH_SHELL:
		rc = ssh_channel_request_shell(proxy->stream.channel);
		break;
	case TL_SSH_EXEC:
		rc = ssh_channel_request_exec(proxy->stream.channel, channel->command);
		break;
	case TL_SSH_SUBSYSTEM:
		rc = ssh_channel_request_subsystem(proxy->stream.channel, channel->command);
		break;
	case TL_SSH_NONE:
		break;
	}
	if (rc == SSH_OK) {
		proxy->step = STEP_RUNNING;
		tl_ssh_channel_answer(proxy->channel, true, NULL);
		if (channel->wants_x11)
			tl_ssh_channel_say(proxy->channel, no_x11);
	}
	return rc;
}

/* The endpoint has connected, or will not. */
static int step_connect(struct tl_proxy *proxy)
{
	const struct tl_ssh_route *route = &proxy->channel->route;
	int rc =
		ssh_channel_open_forward(proxy->stream.channel, route->to.host, (int)route->to.port,
					 route->from.host, (int)route->from.port);

	if (rc == SSH_OK)
		proxy->step = tl_ssh_channel_accept(proxy->channel) ? STEP_RUNNING : STEP_LOST;
	else if (rc != SSH_AGAIN)
		proxy->step = STEP_REFUSED;
	return rc == SSH_AGAIN ? SSH_AGAIN : SSH_OK;
}

static int step_open(struct tl_proxy *proxy)
{
	int rc;

	if (proxy->channel->forward)
		return step_connect(proxy);
	rc = ssh_channel_open_session(proxy->stream.channel);
	if (rc == SSH_OK)
		proxy->step = STEP_ENV;
	return rc;
}

static bool bring_up(struct tl_proxy *proxy)
{
	static int (*const steps[])(struct tl_proxy *) = {
		[STEP_OPEN] = step_open,   [STEP_ENV] = step_env,	  [STEP_PTY] = step_pty,
		[STEP_AGENT] = step_agent, [STEP_PROGRAM] = step_program,
	};
	bool moved = false;

	while (proxy->step > STEP_IDLE && proxy->step < STEP_RUNNING) {
		int rc = steps[proxy->step](proxy);

		if (rc == SSH_AGAIN)
			return moved;
		if (rc != SSH_OK) {
			tl_proxy_lose(proxy, "the endpoint refused the program");
			return true;
		}
		moved = true;
	}
	return moved;
}

/* ---- recording -------------------------------------------------------------------------------- */

static int record_forward(struct tl_proxy *proxy, const char *why, struct tl_err *err)
{
	const struct tl_ssh_route *route = &proxy->channel->route;
	char to[TL_SSH_PLACE_TEXT], from[TL_SSH_PLACE_TEXT];
	struct tl_record_forward facts = {.what = tl_ssh_route_name(route->kind), .why = why};

	facts.to = tl_ssh_place_text(&route->to, to);
	facts.from = tl_ssh_place_text(&route->from, from);
	return tl_record_forward(proxy->record, proxy->channel->number, &facts, err);
}

static int record_begin(struct tl_proxy *proxy, struct tl_err *err)
{
	const struct tl_ssh_server_channel *channel = proxy->channel;

	int rc;

	if (proxy->step == STEP_REFUSED) {
		static const char why[] = "the endpoint refused the connection";

		rc = record_forward(proxy, why, err);
		tl_proxy_lose(proxy, why);
		return rc;
	}
	if (proxy->recorded || proxy->step != STEP_RUNNING)
		return 0;
	proxy->recorded = true;
	tl_ssh_stream_wake(&proxy->channel->stream); /* what it sent meanwhile may pass */
	if (channel->forward)
		return record_forward(proxy, NULL, err);
	rc = tl_record_open(proxy->record, channel->number, tl_ssh_program_name(channel->program),
			    channel->command, tl_ssh_recorded_columns(channel),
			    tl_ssh_recorded_rows(channel), err);
	if (rc == 0 && channel->wants_x11)
		rc = tl_record_note(proxy->record, channel->number, no_x11, err);
	return rc;
}

int tl_proxy_record_end(struct tl_proxy *proxy, struct tl_err *err)
{
	int rc = 0;

	if (!proxy->recorded)
		return 0;
	proxy->recorded = false;
	if (proxy->stream.has_exit)
		rc = tl_record_exit(proxy->record, proxy->channel->number,
				    proxy->stream.exit_status,
				    proxy->stream.exit_signal[0] ? proxy->stream.exit_signal : NULL,
				    err);
	return rc != 0 ? rc : tl_record_close(proxy->record, proxy->channel->number, err);
}

/* ---- moving bytes ----------------------------------------------------------------------------- */

static int move_out(struct tl_proxy *proxy, enum tl_ssh_stream_kind kind, struct tl_err *err)
{
	struct tl_ssh_stream *to = &proxy->channel->stream;
	const char *bytes;
	size_t len = tl_ssh_stream_peek(&proxy->stream, kind, &bytes);
	size_t room = tl_ssh_stream_room(to, kind);
	int rc;

	len = len < room ? len : room;
	if (len == 0)
		return false;
	rc = kind == TL_SSH_STDERR
		     ? tl_record_stderr(proxy->record, proxy->channel->number, bytes, len, err)
		     : tl_record_output(proxy->record, proxy->channel->number, bytes, len, err);
	if (rc != 0)
		return rc;
	tl_ssh_stream_send(to, kind, bytes, len);
	tl_ssh_stream_take(&proxy->stream, kind, len);
	return true;
}

static int move_typed(struct tl_proxy *proxy, struct tl_err *err)
{
	size_t room = tl_ssh_stream_room(&proxy->stream, TL_SSH_DATA);
	size_t len = proxy->typed.len < room ? proxy->typed.len : room;
	int rc;

	if (len == 0)
		return false;
	rc = tl_record_input(proxy->record, proxy->channel->number, proxy->typed.data, len, err);
	if (rc != 0)
		return rc;
	tl_ssh_stream_send(&proxy->stream, TL_SSH_DATA, proxy->typed.data, len);
	tl_buf_consume(&proxy->typed, len);
	return true;
}

static int move_in(struct tl_proxy *proxy, struct tl_err *err)
{
	struct tl_ssh_stream *from = &proxy->channel->stream;
	const char *bytes;
	size_t len = tl_ssh_stream_peek(from, TL_SSH_DATA, &bytes);
	size_t room = tl_ssh_stream_room(&proxy->stream, TL_SSH_DATA);
	int rc;

	if (proxy->stream.closed_in) {
		tl_ssh_stream_take(from, TL_SSH_DATA, len);
		return len > 0;
	}
	if (proxy->taken_over) {
		/* Kept for later it would run when nobody expects it. */
		tl_ssh_stream_take(from, TL_SSH_DATA, len);
		rc = move_typed(proxy, err);
		return rc != 0 ? rc : len > 0;
	}
	len = len < room ? len : room;
	if (len == 0) {
		if (tl_ssh_stream_at_end(from) && !proxy->stream.eof_wanted) {
			tl_ssh_stream_end(&proxy->stream);
			return true;
		}
		return false;
	}
	rc = tl_record_input(proxy->record, proxy->channel->number, bytes, len, err);
	if (rc != 0)
		return rc;
	tl_ssh_stream_send(&proxy->stream, TL_SSH_DATA, bytes, len);
	tl_ssh_stream_take(from, TL_SSH_DATA, len);
	return true;
}

/* The endpoint's channel is over once it is closed and everything it carried has been passed on. */
static void pass_end(struct tl_proxy *proxy)
{
	const struct tl_ssh_stream *from = &proxy->stream;

	if (proxy->channel->forward && tl_ssh_stream_at_end(from) &&
	    !proxy->channel->stream.eof_wanted)
		tl_ssh_stream_end(&proxy->channel->stream);
	if (proxy->ended || !tl_ssh_stream_is_closed(from))
		return;
	proxy->ended = true;
	if (proxy->channel->forward)
		tl_ssh_stream_close(&proxy->channel->stream);
	else
		tl_ssh_stream_finish(&proxy->channel->stream,
				     from->has_exit ? from->exit_status : 255,
				     from->exit_signal[0] ? from->exit_signal : NULL);
}

static void pass_requests(struct tl_proxy *proxy)
{
	if (proxy->resized)
		(void)ssh_channel_change_pty_size(proxy->stream.channel,
						  (int)proxy->channel->columns,
						  (int)proxy->channel->rows);
	proxy->resized = false;
	if (proxy->unread && !proxy->unread_told)
		(void)ssh_channel_request_send_break(proxy->stream.channel, 0);
	proxy->unread_told = proxy->unread;
	for (size_t i = 0; i < proxy->signal_count; i++)
		(void)ssh_channel_request_send_signal(proxy->stream.channel, proxy->signals[i]);
	proxy->signal_count = 0;
}

int tl_proxy_pump_upstream(struct tl_proxy *proxy, struct tl_err *err)
{
	const char *bytes;
	bool moved;
	int rc;

	if (proxy->step == STEP_IDLE || proxy->step == STEP_LOST)
		return false;
	moved = bring_up(proxy);
	rc = record_begin(proxy, err);
	if (rc != 0 || proxy->step != STEP_RUNNING)
		return rc != 0 ? rc : moved;
	pass_requests(proxy);
	moved |= tl_ssh_stream_pump(&proxy->stream);
	/* Bytes for the engineer, or room for what the engineer has sent. */
	if (tl_ssh_stream_peek(&proxy->stream, TL_SSH_DATA, &bytes) > 0 ||
	    tl_ssh_stream_peek(&proxy->stream, TL_SSH_STDERR, &bytes) > 0 ||
	    (moved && tl_ssh_stream_peek(&proxy->channel->stream, TL_SSH_DATA, &bytes) > 0) ||
	    proxy->stream.eof_in || proxy->channel->stream.closed_in)
		tl_ssh_stream_wake(&proxy->channel->stream);
	return moved;
}

int tl_proxy_pump_engineer(struct tl_proxy *proxy, struct tl_err *err)
{
	int moved = 0, rc;

	if (proxy->step != STEP_RUNNING || !proxy->recorded)
		return false;
	if (proxy->channel->unread && !proxy->unread) {
		proxy->unread = true;
		tl_ssh_link_kick(proxy->upstream);
	}
	rc = move_in(proxy, err);
	for (int kind = 0; rc >= 0 && kind < 2; kind++) {
		moved |= rc;
		rc = move_out(proxy, (enum tl_ssh_stream_kind)kind, err);
	}
	if (rc < 0)
		return rc;
	pass_end(proxy);
	/* What a connection's client sent before it closed goes on to the endpoint. */
	proxy->channel->drains = proxy->channel->forward && !proxy->stream.closed_in &&
				 (!tl_ssh_stream_is_closed(&proxy->channel->stream) ||
				  proxy->stream.out[TL_SSH_DATA].len > 0);
	return moved | rc;
}

/* ---- channels that the endpoint asks for ------------------------------------------------------ */

void tl_proxy_take(struct tl_proxy *proxy, struct tl_ssh_server_channel *channel,
		   struct tl_ssh_link *upstream, struct tl_record *record, ssh_message message)
{
	proxy->channel = channel;
	proxy->upstream = upstream;
	proxy->record = record;
	proxy->incoming = message;
}

void tl_proxy_opened(struct tl_proxy *proxy, bool accepted)
{
	ssh_message message = tl_steal(&proxy->incoming);
	ssh_channel handle = NULL;

	if (!message || proxy->step == STEP_LOST) {
		ssh_message_free(message);
		return;
	}
	if (accepted)
		handle = ssh_message_channel_request_open_reply_accept(message);
	else
		(void)ssh_message_reply_default(message);
	ssh_message_free(message);
	if (!handle) {
		proxy->step = STEP_REFUSED;
		return;
	}
	tl_ssh_stream_attach(&proxy->stream, proxy->upstream, handle);
	proxy->step = STEP_RUNNING;
}

/* ---- the rest --------------------------------------------------------------------------------- */

void tl_proxy_resize(struct tl_proxy *proxy)
{
	proxy->resized = true;
	if (proxy->upstream && proxy->step != STEP_LOST)
		tl_ssh_link_kick(proxy->upstream);
}

void tl_proxy_signal(struct tl_proxy *proxy, const char *name)
{
	if (proxy->signal_count < TL_ARRAY_LEN(proxy->signals))
		snprintf(proxy->signals[proxy->signal_count++], sizeof(proxy->signals[0]), "%s",
			 name);
	if (proxy->upstream && proxy->step != STEP_LOST)
		tl_ssh_link_kick(proxy->upstream);
}

int tl_proxy_typist(struct tl_proxy *proxy, const char *who, struct tl_err *err)
{
	char sentence[200];

	if (proxy->step != STEP_RUNNING || !proxy->recorded || proxy->taken_over == (who != NULL))
		return 0;
	proxy->taken_over = who != NULL;
	tl_buf_reset(&proxy->typed);
	if (who)
		snprintf(sentence, sizeof(sentence),
			 "%s has taken over: what you type is not passed on", who);
	else
		snprintf(sentence, sizeof(sentence), "you type again");
	tl_ssh_channel_say(proxy->channel, sentence);
	if (who)
		snprintf(sentence, sizeof(sentence), "%s has taken the keyboard over", who);
	else
		snprintf(sentence, sizeof(sentence), "the keyboard is the engineer's again");
	return tl_record_note(proxy->record, proxy->channel->number, sentence, err);
}

void tl_proxy_type(struct tl_proxy *proxy, const void *bytes, size_t len)
{
	if (!proxy->taken_over || proxy->typed.len + len > TYPED_MAX)
		return;
	tl_buf_append(&proxy->typed, bytes, len);
	tl_ssh_link_kick(tl_ssh_server_link(proxy->channel->server));
}

void tl_proxy_free(struct tl_proxy *proxy)
{
	if (!proxy)
		return;
	tl_buf_clear(&proxy->typed);
	if (proxy->incoming)
		ssh_message_free(proxy->incoming);
	tl_ssh_stream_clear(&proxy->stream);
	free(proxy);
}
