#include "ssh/link.h"

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/server.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 32	/* in a turn, before other sessions get theirs */
#define READS_MAX 32	/* of 4 KiB in a round: about what a stream's queue takes */
#define MESSAGES_MAX 64 /* delivered in a round */
#define LAST_ROUNDS 8	/* of a closing link */

enum state { LINK_KEX, LINK_OPEN, LINK_CLOSING, LINK_DEAD };

struct tl_ssh_link {
	ssh_session session;
	ssh_event event;
	bool server, held, in_turn, touched, freed, told;
	enum state state;
	int fd; /* our duplicate */
	const struct tl_ssh_link_handlers *handlers;
	void *arg;
	uv_poll_t poll;
	uv_timer_t again; /* 0 ms: the next turn */
	uv_timer_t tick;  /* keepalive */
	uv_timer_t limit; /* deadline */
	int handles;
	size_t unsent;
	struct tl_ssh_presence presence;
	unsigned wide; /* channels with a wide window */
	bool login_over;
	uint64_t asked_us, round_trip_us, turn_in, turn_out;
	struct ssh_counter_struct bytes;
	uint64_t seen_in;
	int64_t quiet_since_ms;
	char reason[200], limit_reason[200];
};

static void turn(struct tl_ssh_link *link);

static void die(struct tl_ssh_link *link, const char *reason)
{
	if (link->state == LINK_DEAD)
		return;
	if (!link->reason[0])
		snprintf(link->reason, sizeof(link->reason), "%s", reason);
	link->state = LINK_DEAD;
}

/* ---- packets ------------------------------------------------------------------------------ */

/* libssh's client sets its descriptor back to blocking while it connects. */
static void keep_nonblocking(const struct tl_ssh_link *link)
{
	int flags = fcntl(link->fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		(void)fcntl(link->fd, F_SETFL, flags | O_NONBLOCK);
}

static bool has_failed(const struct tl_ssh_link *link)
{
	return (ssh_get_status(link->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0;
}

static void step_kex(struct tl_ssh_link *link)
{
	int rc = link->server ? ssh_handle_key_exchange(link->session) : ssh_connect(link->session);

	keep_nonblocking(link);
	/* It says "again" also of a session that it has given up. */
	if (rc == SSH_AGAIN && !has_failed(link))
		return;
	if (rc != SSH_OK || ssh_event_add_session(link->event, link->session) != SSH_OK) {
		const char *why = ssh_get_error(link->session);

		die(link, why && *why ? why : "the peer left during the key exchange");
		return;
	}
	link->state = LINK_OPEN;
	/* The end of the key exchange crosses what the peer says next. */
	link->turn_in = link->bytes.in_bytes;
	link->turn_out = link->bytes.out_bytes;
	link->touched = true;
	link->handlers->ready(link->arg);
}

static bool is_broken(const struct tl_ssh_link *link)
{
	return has_failed(link) || !ssh_is_connected(link->session);
}

static const char *why_broken(const struct tl_ssh_link *link)
{
	const char *message = ssh_get_disconnect_message(link->session);

	if (message && *message)
		return message;
	return "the connection ended";
}

/* True when packets were handled. */
static bool read_packets(struct tl_ssh_link *link)
{
	int reads = 0;

	while (reads < READS_MAX) {
		int rc = ssh_event_dopoll(link->event, 0);

		if (rc == SSH_AGAIN)
			break;
		reads++;
		if (rc == SSH_ERROR || is_broken(link)) {
			die(link, why_broken(link));
			break;
		}
	}
	if (!(ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING))
		link->unsent = 0;
	return reads > 0;
}

static bool deliver_messages(struct tl_ssh_link *link)
{
	bool any = false;

	for (int i = 0; i < MESSAGES_MAX && link->handlers->message && !link->held && !link->freed;
	     i++) {
		ssh_message message = ssh_message_get(link->session);

		if (!message)
			break;
		any = true;
		if (!link->handlers->message(link->arg, message))
			ssh_message_free(message);
	}
	return any;
}

static void time_login(struct tl_ssh_link *link)
{
	uint64_t now_us = uv_hrtime() / 1000;

	if (link->bytes.in_bytes != link->turn_in && link->asked_us > 0) {
		uint64_t took_us = now_us - link->asked_us;

		if (link->round_trip_us == 0 || took_us < link->round_trip_us)
			link->round_trip_us = took_us;
		link->asked_us = 0;
	}
	if (link->bytes.out_bytes != link->turn_out)
		link->asked_us = now_us;
	link->turn_in = link->bytes.in_bytes;
	link->turn_out = link->bytes.out_bytes;
}

static bool round_open(struct tl_ssh_link *link)
{
	bool moved = false;

	link->touched = false;
	if (!link->held)
		moved = read_packets(link);
	if (!link->login_over)
		time_login(link);
	if (link->state == LINK_OPEN)
		moved |= deliver_messages(link);
	if (link->state == LINK_OPEN && !link->freed)
		moved |= link->handlers->pump(link->arg);
	return moved || link->touched;
}

/* ---- closing ------------------------------------------------------------------------------ */

/* What the owner had queued (the reason, as text) goes first, but an endless output does not delay. */
static void step_closing(struct tl_ssh_link *link)
{
	for (int i = 0; i < LAST_ROUNDS && link->state == LINK_CLOSING && !link->freed; i++) {
		bool moved = read_packets(link);

		if (link->state == LINK_CLOSING)
			moved |= link->handlers->pump(link->arg);
		if (!moved)
			break;
	}
	if (link->state != LINK_CLOSING || link->freed)
		return;
	if (!(ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING))
		die(link, ""); /* its reason stands already */
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct tl_ssh_link *link = handle->data;

	if (--link->handles == 0) {
		close(link->fd);
		free(link);
	}
}

static void destroy(struct tl_ssh_link *link)
{
	int left_open;

	uv_poll_stop(&link->poll);
	if (link->state == LINK_DEAD && link->reason[0])
		(void)ssh_session_set_disconnect_message(link->session, link->reason);
	/* A client's descriptor came by option: libssh lets go of it without closing. */
	left_open = link->server ? -1 : ssh_get_fd(link->session);
	ssh_disconnect(link->session);
	ssh_event_free(link->event);
	ssh_free(link->session);
	link->session = NULL;
	if (left_open >= 0)
		close(left_open);
	uv_close((uv_handle_t *)&link->poll, on_handle_closed);
	uv_close((uv_handle_t *)&link->again, on_handle_closed);
	uv_close((uv_handle_t *)&link->tick, on_handle_closed);
	uv_close((uv_handle_t *)&link->limit, on_handle_closed);
}

void tl_ssh_link_free(struct tl_ssh_link *link)
{
	if (!link || link->freed)
		return;
	link->freed = true;
	if (!link->in_turn)
		destroy(link);
}

void tl_ssh_link_close(struct tl_ssh_link *link, const char *reason)
{
	if (link->state == LINK_DEAD || link->state == LINK_CLOSING)
		return;
	snprintf(link->reason, sizeof(link->reason), "%s", reason);
	link->held = false;
	if (link->state == LINK_KEX) {
		die(link, reason);
	} else {
		link->state = LINK_CLOSING;
		tl_ssh_link_deadline(link, TL_SSH_LINGER_MS, reason);
	}
	tl_ssh_link_kick(link);
}

/* ---- turns -------------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	turn(poll->data);
}

static void watch(struct tl_ssh_link *link)
{
	int events = link->held ? 0 : UV_READABLE;

	if (ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING)
		events |= link->held ? 0 : UV_WRITABLE;
	if (events)
		uv_poll_start(&link->poll, events, on_poll);
	else
		uv_poll_stop(&link->poll);
}

/* False when the link is gone. */
static bool settle(struct tl_ssh_link *link)
{
	if (link->state == LINK_DEAD && !link->told && !link->freed) {
		link->told = true;
		uv_poll_stop(&link->poll);
		link->handlers->closed(link->arg, link->reason);
	}
	link->in_turn = false;
	if (link->freed) {
		destroy(link);
		return false;
	}
	return link->state != LINK_DEAD;
}

static void turn(struct tl_ssh_link *link)
{
	bool more = true;

	if (link->in_turn || link->freed || link->told)
		return;
	link->in_turn = true;
	tl_ssh_presence_watch(&link->presence);
	for (int i = 0; i < ROUNDS_MAX && more && !link->freed; i++) {
		switch (link->state) {
		case LINK_KEX:
			step_kex(link);
			more = link->state == LINK_OPEN;
			break;
		case LINK_OPEN:
			more = round_open(link);
			break;
		case LINK_CLOSING:
			step_closing(link);
			more = false;
			break;
		case LINK_DEAD:
			more = false;
			break;
		}
	}
	tl_ssh_presence_watch(NULL);
	if (!settle(link))
		return;
	if (more)
		tl_ssh_link_kick(link);
	watch(link);
}

static void on_again(uv_timer_t *timer)
{
	turn(timer->data);
}

void tl_ssh_link_kick(struct tl_ssh_link *link)
{
	if (!link->freed && !link->told)
		uv_timer_start(&link->again, on_again, 0, 0);
}

void tl_ssh_link_touch(struct tl_ssh_link *link)
{
	link->touched = true;
}

void tl_ssh_link_hold(struct tl_ssh_link *link, bool held)
{
	link->held = held;
	tl_ssh_link_kick(link);
}

/* ---- time --------------------------------------------------------------------------------- */

static void on_limit(uv_timer_t *timer)
{
	struct tl_ssh_link *link = timer->data;

	link->held = false;
	die(link, link->limit_reason);
	turn(link);
}

void tl_ssh_link_deadline(struct tl_ssh_link *link, int64_t ms, const char *reason)
{
	if (link->freed)
		return;
	if (ms <= 0) {
		uv_timer_stop(&link->limit);
		return;
	}
	snprintf(link->limit_reason, sizeof(link->limit_reason), "%s", reason);
	uv_timer_start(&link->limit, on_limit, (uint64_t)ms, 0);
}

/* libssh reports every keepalive as answered, so bytes are what counts. */
static void on_tick(uv_timer_t *timer)
{
	struct tl_ssh_link *link = timer->data;
	int64_t now_ms = (int64_t)uv_now(timer->loop);

	if (link->state != LINK_OPEN || link->held)
		return;
	if (link->bytes.in_bytes != link->seen_in) {
		link->seen_in = link->bytes.in_bytes;
		link->quiet_since_ms = now_ms;
		return;
	}
	if (now_ms - link->quiet_since_ms >= TL_SSH_DEAD_MS) {
		die(link, "the peer did not answer for 90 seconds");
		turn(link);
		return;
	}
	(void)ssh_send_keepalive(link->session);
	tl_ssh_link_kick(link);
}

/* ---- life --------------------------------------------------------------------------------- */

static int init_handles(struct tl_ssh_link *link, uv_loop_t *loop)
{
	int rc = uv_poll_init(loop, &link->poll, link->fd);

	if (rc != 0)
		return rc;
	uv_timer_init(loop, &link->again);
	uv_timer_init(loop, &link->tick);
	uv_timer_init(loop, &link->limit);
	link->poll.data = link->again.data = link->tick.data = link->limit.data = link;
	link->handles = 4;
	uv_timer_start(&link->tick, on_tick, TL_SSH_KEEPALIVE_MS, TL_SSH_KEEPALIVE_MS);
	return 0;
}

/* Frees what stands before the handles do. A client's session does not own its descriptor yet. */
static int give_up(struct tl_ssh_link *link, ssh_session session, int fd, struct tl_err *err)
{
	if (ssh_get_fd(session) < 0)
		close(fd);
	if (link && link->event)
		ssh_event_free(link->event);
	if (link && link->fd >= 0)
		close(link->fd);
	ssh_free(session);
	free(link);
	return tl_err_set(err, TL_ENOMEM, "no memory or descriptor left for an SSH session");
}

int tl_ssh_link_new(uv_loop_t *loop, ssh_session session, int fd, bool server,
		    const struct tl_ssh_link_handlers *handlers, void *arg,
		    struct tl_ssh_link **ret_link, struct tl_err *err)
{
	struct tl_ssh_link *link = calloc(1, sizeof(*link));

	if (!link)
		return give_up(NULL, session, fd, err);
	link->session = session;
	link->server = server;
	link->handlers = handlers;
	link->arg = arg;
	link->quiet_since_ms = (int64_t)uv_now(loop);
	link->event = ssh_event_new();
	link->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (!link->event || link->fd < 0)
		return give_up(link, session, fd, err);
	keep_nonblocking(link);
	ssh_set_counters(session, &link->bytes, NULL);
	if (init_handles(link, loop) != 0)
		return give_up(link, session, fd, err);
	*ret_link = link;
	watch(link);
	tl_ssh_link_kick(link);
	return 0;
}

const struct tl_ssh_presence *tl_ssh_link_presence(const struct tl_ssh_link *link)
{
	return &link->presence;
}

ssh_session tl_ssh_link_session(const struct tl_ssh_link *link)
{
	return link->session;
}

size_t tl_ssh_link_room(const struct tl_ssh_link *link)
{
	if ((link->state != LINK_OPEN && link->state != LINK_CLOSING) ||
	    link->unsent >= TL_SSH_UNSENT_MAX)
		return 0;
	return TL_SSH_UNSENT_MAX - link->unsent;
}

void tl_ssh_link_sent(struct tl_ssh_link *link, size_t len)
{
	link->unsent += len;
}

uint64_t tl_ssh_link_round_trip_us(const struct tl_ssh_link *link)
{
	return link->round_trip_us;
}

void tl_ssh_link_login_over(struct tl_ssh_link *link)
{
	link->login_over = true;
}

bool tl_ssh_link_take_wide(struct tl_ssh_link *link)
{
	if (link->wide >= TL_SSH_WIDE_MAX)
		return false;
	link->wide++;
	return true;
}

void tl_ssh_link_give_wide(struct tl_ssh_link *link)
{
	link->wide--;
}

uint64_t tl_ssh_link_bytes_in(const struct tl_ssh_link *link)
{
	return link->bytes.in_bytes;
}

uint64_t tl_ssh_link_bytes_out(const struct tl_ssh_link *link)
{
	return link->bytes.out_bytes;
}
