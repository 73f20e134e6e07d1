/* The bastion lane: one session for a guest's connection, its channels proxied one by one. */
#include <stdio.h>
#include <string.h>
#include <towline/log.h>
#include <towline/str.h>

#include "ssh/front_private.h"
#include "ssh/gate.h"
#include "ssh/proxy.h"
#include "ssh/upstream.h"

#define PATIENCE_MS 700 /* an answer that comes sooner needs no words */
#define LEAVE_MS 10000	/* how long a client may stay when its session is over */

enum phase { PHASE_ASKING, PHASE_CALLING, PHASE_READY, PHASE_OVER };

struct tl_bastion {
	struct tl_guest *guest;
	struct tl_visit *visit;
	struct tl_upstream *upstream;
	struct tl_key *key; /* of this session alone */
	struct tl_record *record;
	uv_timer_t patience;
	enum phase phase;
	struct tl_gate *gate;
	char why[256]; /* PHASE_OVER */
};

static struct tl_ssh_server_channel *channels(const struct tl_bastion *bastion)
{
	return bastion->guest->server ? tl_ssh_server_channels(bastion->guest->server)
				      : bastion->guest->local;
}

/* The proxy of a channel; NULL for what is not ours or has none. */
static struct tl_proxy *proxy_of(const struct tl_bastion *bastion,
				 const struct tl_ssh_server_channel *channel)
{
	return channel->forward && !bastion->guest->names_host ? NULL : channel->data;
}

/* ---- the end ---------------------------------------------------------------------------------- */

/* Every program ends with the sentence, and so does the connection. */
static void give_up(struct tl_bastion *bastion, const char *sentence)
{
	struct tl_ssh_server_channel *channel;

	if (bastion->phase == PHASE_OVER)
		return;
	bastion->phase = PHASE_OVER;
	uv_timer_stop(&bastion->patience);
	if (bastion->guest->server)
		tl_ssh_link_deadline(tl_ssh_server_link(bastion->guest->server), LEAVE_MS,
				     sentence);
	else
		tl_ssh_stream_wake(&bastion->guest->local->stream);
	snprintf(bastion->why, sizeof(bastion->why), "%s", sentence);
	for (channel = channels(bastion); channel; channel = channel->next)
		if (proxy_of(bastion, channel))
			tl_proxy_lose(channel->data, sentence);
	tl_gate_lose(bastion->gate);
	tl_log_info("session ends",
		    TL_S("session", bastion->visit ? tl_visit_session(bastion->visit) : NULL),
		    TL_S("engineer", bastion->guest->engineer.login), TL_S("reason", sentence));
}

static void on_record_failed(struct tl_bastion *bastion, const struct tl_err *err)
{
	char sentence[TL_ERR_TEXT_MAX + 64];

	snprintf(sentence, sizeof(sentence), "the recording failed, so the session ends: %s",
		 tl_err_text(err));
	give_up(bastion, sentence);
}

/* ---- the session's events --------------------------------------------------------------------- */

static void say_waiting(uv_timer_t *timer)
{
	struct tl_bastion *bastion = timer->data;
	const struct tl_session_target *target = tl_visit_target(bastion->visit);
	struct tl_ssh_server_channel *channel;
	char sentence[400];

	snprintf(sentence, sizeof(sentence), "waiting for consent on %s (ticket %s)…",
		 target->host_name, target->ticket);
	for (channel = channels(bastion); channel; channel = channel->next)
		if (proxy_of(bastion, channel))
			tl_ssh_channel_say(channel, sentence);
}

static void on_asked(void *arg, const struct tl_session_target *target)
{
	struct tl_bastion *bastion = arg;

	(void)target;
	uv_timer_start(&bastion->patience, say_waiting, PATIENCE_MS, 0);
}

static void on_upstream_ready(void *arg)
{
	struct tl_bastion *bastion = arg;
	struct tl_ssh_server_channel *channel;

	bastion->phase = PHASE_READY;
	for (channel = channels(bastion); channel; channel = channel->next)
		if (proxy_of(bastion, channel))
			tl_proxy_connect(channel->data, tl_upstream_link(bastion->upstream),
					 bastion->record);
	tl_gate_connect(bastion->gate, tl_upstream_link(bastion->upstream), bastion->record);
}

/* A connection that came in at the endpoint, or a program there that wants the engineer's ssh-agent. */
static bool on_upstream_open(void *arg, ssh_message message)
{
	struct tl_bastion *bastion = arg;
	struct tl_ssh_server_channel *channel = NULL;
	struct tl_proxy *proxy;
	struct tl_ssh_route route;
	struct tl_err err = TL_ERR_INIT;

	if (bastion->phase != PHASE_READY || !bastion->guest->server ||
	    !tl_gate_expects(bastion->gate, message, &route))
		return false;
	proxy = tl_proxy_new(NULL);
	if (!proxy)
		return false;
	if (tl_ssh_server_open(bastion->guest->server, &route, proxy, &channel, &err) != 0) {
		tl_proxy_free(proxy);
		return false;
	}
	tl_proxy_take(proxy, channel, tl_upstream_link(bastion->upstream), bastion->record,
		      message);
	return true;
}

static bool on_upstream_pump(void *arg)
{
	struct tl_bastion *bastion = arg;
	struct tl_ssh_server_channel *channel;
	struct tl_err err = TL_ERR_INIT;
	bool moved = false;

	for (channel = channels(bastion); channel; channel = channel->next) {
		int rc = proxy_of(bastion, channel) ? tl_proxy_pump_upstream(channel->data, &err)
						    : 0;

		if (rc < 0)
			on_record_failed(bastion, &err);
		moved |= rc > 0;
	}
	if (tl_gate_step(bastion->gate, &err) < 0)
		on_record_failed(bastion, &err);
	return moved;
}

static void on_upstream_closed(void *arg, const char *reason)
{
	struct tl_bastion *bastion = arg;

	/* Channels first, then the link that they hang on. */
	give_up(bastion, reason);
	tl_upstream_free(bastion->upstream);
	bastion->upstream = NULL;
}

static void on_opened(void *arg, int fd, struct tl_record *record)
{
	struct tl_bastion *bastion = arg;
	struct tl_upstream_config config = {
		.host_key_line = tl_visit_target(bastion->visit)->ssh_host_key,
		.key = bastion->key,
		.ready = on_upstream_ready,
		.open = on_upstream_open,
		.pump = on_upstream_pump,
		.closed = on_upstream_closed,
		.arg = bastion,
	};
	struct tl_err err = TL_ERR_INIT;

	uv_timer_stop(&bastion->patience);
	bastion->record = record;
	bastion->phase = PHASE_CALLING;
	if (tl_upstream_new(&bastion->guest->front->loop, fd, &config, &bastion->upstream, &err) !=
	    0)
		give_up(bastion, tl_err_text(&err));
}

static void on_refused(void *arg, const char *sentence)
{
	struct tl_bastion *bastion = arg;

	bastion->visit = NULL;
	give_up(bastion, sentence);
}

static void on_stopped(void *arg, const char *why)
{
	give_up(arg, why);
}

/* The keyboard of the first terminal: who takes over sees one, and types there. */
static struct tl_proxy *terminal(const struct tl_bastion *bastion)
{
	struct tl_ssh_server_channel *channel = channels(bastion);

	while (channel && (channel->forward || !channel->has_pty || !channel->data))
		channel = channel->next;
	return channel ? channel->data : NULL;
}

static void on_typist(void *arg, const char *who)
{
	struct tl_bastion *bastion = arg;
	struct tl_proxy *proxy = bastion->phase == PHASE_READY ? terminal(bastion) : NULL;
	struct tl_err err = TL_ERR_INIT;

	if (proxy && tl_proxy_typist(proxy, who, &err) != 0)
		on_record_failed(bastion, &err);
}

static void on_typed(void *arg, const void *bytes, size_t len)
{
	const struct tl_bastion *bastion = arg;
	struct tl_proxy *proxy = bastion->phase == PHASE_READY ? terminal(bastion) : NULL;

	if (proxy)
		tl_proxy_type(proxy, bytes, len);
}

static const struct tl_visit_events visit_events = {
	.asked = on_asked,
	.opened = on_opened,
	.refused = on_refused,
	.stopped = on_stopped,
	.typist = on_typist,
	.typed = on_typed,
};

const char *tl_bastion_over(const struct tl_bastion *bastion)
{
	return bastion->phase == PHASE_OVER ? bastion->why : NULL;
}

/* ---- channels --------------------------------------------------------------------------------- */

void tl_bastion_start(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel)
{
	static const char no_subsystem[] = "the only subsystem is sftp";

	if (bastion->phase == PHASE_OVER) {
		tl_ssh_channel_answer(channel, false, bastion->why);
		return;
	}
	if (channel->program == TL_SSH_SUBSYSTEM && !tl_streq(channel->command, "sftp")) {
		tl_bastion_note(bastion, NULL, "a subsystem was refused");
		tl_ssh_channel_answer(channel, false, no_subsystem);
		return;
	}
	channel->data = tl_proxy_new(channel);
	if (channel->wants_agent)
		tl_gate_expect_agent(bastion->gate);
	if (!channel->data)
		tl_ssh_channel_answer(channel, false, "the relay is out of memory");
	else if (bastion->phase == PHASE_READY)
		tl_proxy_connect(channel->data, tl_upstream_link(bastion->upstream),
				 bastion->record);
}

enum tl_ssh_answer tl_bastion_forward(struct tl_bastion *bastion,
				      struct tl_ssh_server_channel *channel)
{
	if (bastion->phase == PHASE_OVER) {
		tl_ssh_server_explain(bastion->guest->server, bastion->why);
		return TL_SSH_REFUSE;
	}
	channel->data = tl_proxy_new(channel);
	if (!channel->data)
		return TL_SSH_REFUSE;
	if (bastion->phase == PHASE_READY)
		tl_proxy_connect(channel->data, tl_upstream_link(bastion->upstream),
				 bastion->record);
	return TL_SSH_LATER;
}

void tl_bastion_opened(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel,
		       bool accepted)
{
	if (channel->data)
		tl_proxy_opened(channel->data, accepted);
	if (bastion->upstream)
		tl_ssh_link_kick(tl_upstream_link(bastion->upstream));
}

void tl_bastion_listen(struct tl_bastion *bastion, struct tl_ssh_listen *listen)
{
	tl_gate_ask(bastion->gate, listen);
	if (bastion->phase == PHASE_OVER)
		tl_gate_lose(bastion->gate);
	else if (bastion->upstream)
		tl_ssh_link_kick(tl_upstream_link(bastion->upstream));
}

bool tl_bastion_pump(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel)
{
	struct tl_err err = TL_ERR_INIT;
	int rc = channel->data ? tl_proxy_pump_engineer(channel->data, &err) : 0;

	if (rc < 0)
		on_record_failed(bastion, &err);
	return rc > 0;
}

void tl_bastion_resize(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel)
{
	struct tl_err err = TL_ERR_INIT;

	if (!channel->data)
		return;
	tl_proxy_resize(channel->data);
	if (bastion->record &&
	    tl_record_resize(bastion->record, channel->number, tl_ssh_recorded_columns(channel),
			     tl_ssh_recorded_rows(channel), &err) != 0)
		on_record_failed(bastion, &err);
}

void tl_bastion_signal(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel,
		       const char *name)
{
	(void)bastion;
	if (channel->data)
		tl_proxy_signal(channel->data, name);
}

void tl_bastion_note(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel,
		     const char *sentence)
{
	struct tl_err err = TL_ERR_INIT;

	if (bastion->record && bastion->phase != PHASE_OVER &&
	    tl_record_note(bastion->record, channel ? channel->number : 0, sentence, &err) != 0)
		on_record_failed(bastion, &err);
}

void tl_bastion_gone(struct tl_bastion *bastion, struct tl_ssh_server_channel *channel)
{
	struct tl_err err = TL_ERR_INIT;

	if (!channel->data)
		return;
	if (tl_proxy_record_end(channel->data, &err) != 0)
		on_record_failed(bastion, &err);
	tl_proxy_free(channel->data);
	if (bastion->upstream)
		tl_ssh_link_kick(tl_upstream_link(bastion->upstream));
}

/* ---- life ------------------------------------------------------------------------------------- */

static bool ask(struct tl_bastion *bastion)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(512);
	struct tl_guest *guest = bastion->guest;
	struct tl_visit_ask visit_ask = {
		.engineer = &guest->engineer,
		.target = guest->user,
		.address = guest->address,
		.lane = TL_LANE_BASTION,
		.scopes = bastion->guest->scopes,
		.events = &visit_events,
		.arg = bastion,
	};

	if (tl_key_generate(&bastion->key, NULL) != 0)
		return false;
	tl_key_ssh_line(bastion->key, "relay", &line);
	visit_ask.key_line = tl_buf_str(&line);
	visit_ask.login_key = guest->by_certificate ? NULL : guest->key_text;
	bastion->visit = tl_visit_new(guest->front, &visit_ask);
	return bastion->visit != NULL;
}

struct tl_bastion *tl_bastion_new(struct tl_guest *guest)
{
	struct tl_bastion *bastion = calloc(1, sizeof(*bastion));

	if (!bastion)
		return NULL;
	bastion->guest = guest;
	bastion->gate = tl_gate_new();
	if (!bastion->gate || !ask(bastion)) {
		tl_key_free(bastion->key);
		tl_gate_free(bastion->gate);
		free(bastion);
		return NULL;
	}
	uv_timer_init(&guest->front->loop, &bastion->patience);
	bastion->patience.data = bastion;
	return bastion;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tl_bastion_free(struct tl_bastion *bastion, const char *reason)
{
	uint64_t bytes_in = 0, bytes_out = 0;

	if (!bastion)
		return;
	if (bastion->upstream) {
		bytes_in = tl_ssh_link_bytes_out(tl_upstream_link(bastion->upstream));
		bytes_out = tl_ssh_link_bytes_in(tl_upstream_link(bastion->upstream));
		tl_upstream_free(bastion->upstream);
	}
	tl_visit_end(bastion->visit, bastion->phase == PHASE_OVER ? bastion->why : reason, bytes_in,
		     bytes_out);
	tl_key_free(bastion->key);
	tl_gate_free(bastion->gate);
	uv_close((uv_handle_t *)&bastion->patience, on_timer_closed);
}
