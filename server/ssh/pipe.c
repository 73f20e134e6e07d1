/* The end-to-end lane: the bytes of a forwarded channel to and from the endpoint's called-home stream,
 * whose SSH the relay cannot read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ssh/front_private.h"

struct tl_pipe {
	struct tl_guest *guest;
	struct tl_ssh_server_channel *channel; /* NULL: gone */
	struct tl_visit *visit;
	uv_poll_t poll;
	int fd; /* -1: not open yet */
	bool may_read, may_write, in_ended, out_ended, closing;
	int watched;
	uint64_t bytes_in, bytes_out;
	char reason[200];
};

/* A forwarded channel has no stderr, but its client is an SSH client that waits for a server. */
static void say_goodbye(struct tl_pipe *pipe, const char *sentence)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TL_GOODBYE_MAX);

	if (tl_front_goodbye(sentence, &out) == 0)
		tl_ssh_stream_send(&pipe->channel->stream, TL_SSH_DATA, out.data, out.len);
	/* The client closes when it has read it; closing now could break a write of its, which it would
	 * report instead. */
	tl_ssh_stream_end(&pipe->channel->stream);
}

/* ---- bytes ------------------------------------------------------------------------------------ */

static bool move_in(struct tl_pipe *pipe)
{
	struct tl_ssh_stream *stream = &pipe->channel->stream;
	const char *bytes;
	size_t len = tl_ssh_stream_peek(stream, TL_SSH_DATA, &bytes);
	ssize_t done;

	if (len == 0) {
		if (tl_ssh_stream_at_end(stream) && !pipe->in_ended) {
			pipe->in_ended = true;
			(void)shutdown(pipe->fd, SHUT_WR);
		}
		return false;
	}
	if (!pipe->may_write)
		return false;
	done = send(pipe->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (done > 0) {
		pipe->bytes_in += (uint64_t)done;
		tl_ssh_stream_take(stream, TL_SSH_DATA, (size_t)done);
		return true;
	}
	pipe->may_write = false;
	if (done < 0 && errno != EAGAIN && errno != EINTR)
		tl_ssh_stream_take(stream, TL_SSH_DATA, len);
	return false;
}

static bool move_out(struct tl_pipe *pipe)
{
	struct tl_ssh_stream *stream = &pipe->channel->stream;
	size_t room;
	char *to = pipe->may_read && !pipe->out_ended
			   ? tl_ssh_stream_space(stream, TL_SSH_DATA, &room)
			   : NULL;
	ssize_t got;

	if (!to)
		return false;
	got = recv(pipe->fd, to, room, MSG_DONTWAIT);
	if (got > 0) {
		pipe->bytes_out += (uint64_t)got;
		tl_ssh_stream_filled(stream, TL_SSH_DATA, (size_t)got);
		return true;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		pipe->may_read = errno == EINTR;
		return false;
	}
	pipe->out_ended = true;
	snprintf(pipe->reason, sizeof(pipe->reason), "the endpoint ended the session");
	tl_ssh_stream_finish(stream, 0, NULL);
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct tl_pipe *pipe)
{
	const char *bytes;
	int events = 0;

	if (!pipe->may_read && !pipe->out_ended)
		events |= UV_READABLE;
	if (!pipe->may_write && !pipe->in_ended &&
	    tl_ssh_stream_peek(&pipe->channel->stream, TL_SSH_DATA, &bytes) > 0)
		events |= UV_WRITABLE;
	if (events == pipe->watched)
		return;
	pipe->watched = events;
	if (events)
		uv_poll_start(&pipe->poll, events, on_ready);
	else
		uv_poll_stop(&pipe->poll);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct tl_pipe *pipe = poll->data;

	if (status < 0 || (events & UV_READABLE))
		pipe->may_read = true;
	if (status < 0 || (events & UV_WRITABLE))
		pipe->may_write = true;
	pipe->watched = 0;
	uv_poll_stop(&pipe->poll);
	tl_ssh_link_kick(tl_ssh_server_link(pipe->guest->server));
}

bool tl_pipe_pump(struct tl_pipe *pipe)
{
	bool moved;

	if (pipe->fd < 0)
		return false;
	moved = move_in(pipe);
	moved |= move_out(pipe);
	watch(pipe);
	return moved;
}

/* ---- the session's events --------------------------------------------------------------------- */

static void on_asked(void *arg, const struct tl_session_target *target)
{
	(void)arg;
	(void)target;
}

static void on_opened(void *arg, int fd, struct tl_record *record)
{
	struct tl_pipe *pipe = arg;

	(void)record; /* the endpoint records */
	if (uv_poll_init(&pipe->guest->front->loop, &pipe->poll, fd) != 0) {
		close(fd);
		say_goodbye(pipe, "the relay cannot serve the endpoint's connection");
		return;
	}
	pipe->poll.data = pipe;
	pipe->fd = fd;
	pipe->may_read = pipe->may_write = true;
	tl_ssh_link_kick(tl_ssh_server_link(pipe->guest->server));
}

static void on_refused(void *arg, const char *sentence)
{
	struct tl_pipe *pipe = arg;

	pipe->visit = NULL;
	say_goodbye(pipe, sentence);
}

static void on_stopped(void *arg, const char *why)
{
	struct tl_pipe *pipe = arg;

	snprintf(pipe->reason, sizeof(pipe->reason), "%s", why);
	pipe->out_ended = true;
	tl_ssh_stream_finish(&pipe->channel->stream, 255, NULL);
}

static const struct tl_visit_events events = {
	.asked = on_asked,
	.opened = on_opened,
	.refused = on_refused,
	.stopped = on_stopped,
};

/* ---- life ------------------------------------------------------------------------------------- */

struct tl_pipe *tl_pipe_new(struct tl_guest *guest, struct tl_ssh_server_channel *channel,
			    const char *target)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(8192);
	struct tl_pipe *pipe = calloc(1, sizeof(*pipe));
	struct tl_visit_ask ask = {
		.engineer = &guest->engineer,
		.target = target,
		.address = guest->address,
		.lane = TL_LANE_END_TO_END,
		.scopes = guest->scopes,
		.events = &events,
		.arg = pipe,
	};

	if (!pipe || tl_guest_key_line(guest->key_text, &line) != 0) {
		free(pipe);
		return NULL;
	}
	pipe->guest = guest;
	pipe->channel = channel;
	pipe->fd = -1;
	ask.key_line = tl_buf_str(&line);
	ask.login_key = guest->by_certificate ? NULL : guest->key_text;
	snprintf(pipe->reason, sizeof(pipe->reason), "the engineer left");
	pipe->visit = tl_visit_new(guest->front, &ask);
	if (!pipe->visit) {
		free(pipe);
		return NULL;
	}
	return pipe;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct tl_pipe *pipe = handle->data;

	close(pipe->fd);
	free(pipe);
}

void tl_pipe_free(struct tl_pipe *pipe)
{
	if (!pipe || pipe->closing)
		return;
	pipe->closing = true;
	tl_visit_end(pipe->visit, pipe->reason, pipe->bytes_in, pipe->bytes_out);
	if (pipe->fd >= 0)
		uv_close((uv_handle_t *)&pipe->poll, on_poll_closed);
	else
		free(pipe);
}
