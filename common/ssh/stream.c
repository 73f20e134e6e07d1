#include "ssh/stream.h"

#include <libssh/server.h>
#include <stdio.h>
#include <string.h>

#define WIDEN_EVERY (512 * 1024) /* bytes */
#define WINDOW_OF_LIBSSH 1280000
#define WINDOW_FACTOR 4
#define KEPT_MAX (4 * TL_SSH_STREAM_QUEUE) /* of memory, when a burst is over */

/* ---- libssh's callbacks: only queue ---------------------------------------------------------- */

static size_t queued(const struct tl_ssh_stream *stream, int kind)
{
	return stream->in[kind].len - stream->in_head[kind];
}

static void count_fresh(struct tl_ssh_stream *stream, size_t len)
{
	if (stream->fresh == 0)
		stream->fresh_since_ns = uv_hrtime();
	stream->fresh += len;
}

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len,
		   int is_stderr, void *arg)
{
	struct tl_ssh_stream *stream = arg;
	int kind = is_stderr ? TL_SSH_STDERR : TL_SSH_DATA;
	size_t waiting = queued(stream, kind);
	size_t limit = stream->window > 0 ? stream->window : TL_SSH_STREAM_QUEUE;
	size_t room = waiting < limit ? limit - waiting : 0;
	size_t taken = len < room || stream->widening ? len : room;

	(void)session;
	(void)channel;
	if (len > TL_SSH_WINDOW_MAX)
		tl_ssh_link_close(stream->link, "the peer sends more than its window allows");
	tl_buf_append(&stream->in[kind], data, taken);
	if (tl_buf_check(&stream->in[kind]) != 0) {
		tl_ssh_link_close(stream->link, "out of memory");
		return stream->widening ? (int)len : 0;
	}
	stream->withheld[kind] = len - taken;
	stream->total_in += taken;
	count_fresh(stream, taken);
	tl_ssh_link_touch(stream->link);
	return (int)taken;
}

static void on_eof(ssh_session session, ssh_channel channel, void *arg)
{
	struct tl_ssh_stream *stream = arg;

	(void)session;
	(void)channel;
	stream->eof_in = true;
	tl_ssh_link_touch(stream->link);
}

static void on_close(ssh_session session, ssh_channel channel, void *arg)
{
	struct tl_ssh_stream *stream = arg;

	(void)session;
	(void)channel;
	stream->eof_in = true;
	stream->closed_in = true;
	tl_ssh_link_touch(stream->link);
}

static void on_signal(ssh_session session, ssh_channel channel, const char *name, void *arg)
{
	struct tl_ssh_stream *stream = arg;

	(void)session;
	(void)channel;
	if (stream->on_signal)
		stream->on_signal(stream->arg, name);
	tl_ssh_link_touch(stream->link);
}

static void on_agent_request(ssh_session session, ssh_channel channel, void *arg)
{
	struct tl_ssh_stream *stream = arg;

	(void)session;
	(void)channel;
	stream->on_agent_request(stream->arg);
}

static void on_exit_status(ssh_session session, ssh_channel channel, int status, void *arg)
{
	struct tl_ssh_stream *stream = arg;

	(void)session;
	(void)channel;
	stream->has_exit = true;
	stream->exit_status = status;
	tl_ssh_link_touch(stream->link);
}

static void on_exit_signal(ssh_session session, ssh_channel channel, const char *name, int core,
			   const char *message, const char *language, void *arg)
{
	struct tl_ssh_stream *stream = arg;

	(void)session;
	(void)channel;
	(void)core;
	(void)message;
	(void)language;
	stream->has_exit = true;
	snprintf(stream->exit_signal, sizeof(stream->exit_signal), "%s", name);
	tl_ssh_link_touch(stream->link);
}

/* ---- life ------------------------------------------------------------------------------------ */

void tl_ssh_stream_wake(struct tl_ssh_stream *stream)
{
	if (stream->link)
		tl_ssh_link_kick(stream->link);
	else if (stream->on_change)
		stream->on_change(stream->arg);
}

static void make_queues(struct tl_ssh_stream *stream)
{
	for (int kind = 0; kind < 2; kind++) {
		tl_buf_init(&stream->in[kind], 2 * TL_SSH_WINDOW_MAX);
		if (stream->out[kind].max == 0)
			tl_buf_init(&stream->out[kind], TL_SSH_STREAM_QUEUE);
	}
}

void tl_ssh_stream_attach_owner(struct tl_ssh_stream *stream, void (*on_change)(void *arg),
				void *arg)
{
	make_queues(stream);
	stream->on_change = on_change;
	stream->arg = arg;
}

void tl_ssh_stream_attach(struct tl_ssh_stream *stream, struct tl_ssh_link *link,
			  ssh_channel channel)
{
	stream->channel = channel;
	stream->link = link;
	tl_ssh_link_login_over(link);
	make_queues(stream);
	stream->callbacks.userdata = stream;
	stream->callbacks.channel_data_function = on_data;
	stream->callbacks.channel_eof_function = on_eof;
	stream->callbacks.channel_close_function = on_close;
	stream->callbacks.channel_signal_function = on_signal;
	stream->callbacks.channel_exit_status_function = on_exit_status;
	stream->callbacks.channel_exit_signal_function = on_exit_signal;
	if (stream->on_agent_request)
		stream->callbacks.channel_auth_agent_req_function = on_agent_request;
	ssh_callbacks_init(&stream->callbacks);
	(void)ssh_set_channel_callbacks(channel, &stream->callbacks);
}

void tl_ssh_stream_clear(struct tl_ssh_stream *stream)
{
	if (stream->channel) {
		(void)ssh_remove_channel_callbacks(stream->channel, &stream->callbacks);
		ssh_channel_free(stream->channel);
		stream->channel = NULL;
	}
	if (stream->window > 0)
		tl_ssh_link_give_wide(stream->link);
	stream->window = 0;
	for (int kind = 0; kind < 2; kind++) {
		tl_buf_clear(&stream->in[kind]);
		tl_buf_clear(&stream->out[kind]);
	}
}

size_t tl_ssh_stream_put_room(const struct tl_ssh_stream *stream)
{
	size_t waiting = queued(stream, TL_SSH_DATA);

	return waiting < TL_SSH_STREAM_QUEUE ? TL_SSH_STREAM_QUEUE - waiting : 0;
}

void tl_ssh_stream_put(struct tl_ssh_stream *stream, const void *bytes, size_t len)
{
	tl_buf_append(&stream->in[TL_SSH_DATA], bytes, len);
	stream->total_in += len;
	tl_ssh_stream_wake(stream);
}

/* ---- receiving ------------------------------------------------------------------------------- */

size_t tl_ssh_stream_peek(const struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind,
			  const char **ret_bytes)
{
	*ret_bytes = stream->in[kind].data ? stream->in[kind].data + stream->in_head[kind] : "";
	return queued(stream, kind);
}

void tl_ssh_stream_take(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind, size_t len)
{
	stream->in_head[kind] += len;
	if (queued(stream, kind) == 0 && stream->in[kind].capacity > KEPT_MAX) {
		tl_buf_clear(&stream->in[kind]);
		stream->in_head[kind] = 0;
	} else if (stream->in_head[kind] >=
		   queued(stream, kind)) { /* what moves is less than what went */
		tl_buf_consume(&stream->in[kind], stream->in_head[kind]);
		stream->in_head[kind] = 0;
	}
	if (len > 0)
		tl_ssh_stream_wake(stream);
}

static bool is_drained(const struct tl_ssh_stream *stream)
{
	return queued(stream, 0) == 0 && queued(stream, 1) == 0 && stream->withheld[0] == 0 &&
	       stream->withheld[1] == 0;
}

bool tl_ssh_stream_at_end(const struct tl_ssh_stream *stream)
{
	return stream->eof_in && is_drained(stream);
}

bool tl_ssh_stream_is_closed(const struct tl_ssh_stream *stream)
{
	return stream->closed_in && is_drained(stream);
}

/* Fetches what libssh kept back; the only way its window opens again. All of it at once, and only
 * when everything before was taken: libssh opens the window by each read, however much it still
 * holds, so that reading in pieces would let a fast peer fill the memory. */
static bool pull(struct tl_ssh_stream *stream, int kind)
{
	struct tl_buf *in = &stream->in[kind];
	size_t want = stream->withheld[kind];
	char *to = want > 0 && queued(stream, kind) == 0 ? tl_buf_reserve(in, want) : NULL;
	int got;

	if (!to)
		return false;
	got = ssh_channel_read_nonblocking(stream->channel, to, (uint32_t)want, kind);
	if (got <= 0) {
		stream->withheld[kind] = 0;
		return false;
	}
	tl_buf_commit(in, (size_t)got);
	stream->withheld[kind] -= (size_t)got;
	stream->total_in += (uint64_t)got;
	count_fresh(stream, (size_t)got);
	return true;
}

/* What must be on the way for the rate that was seen, several times over: who is held up by the window shows
 * no more than the window each round trip. Without need it stays small: OpenSSH's client fills it from its
 * input, and a large buffer costs it more time than the network. */
static size_t window_needed(const struct tl_ssh_stream *stream)
{
	uint64_t took_ns = uv_hrtime() - stream->fresh_since_ns + 1;
	uint64_t needed = WINDOW_FACTOR * stream->fresh * 1000 *
			  tl_ssh_link_round_trip_us(stream->link) / took_ns;

	return needed < TL_SSH_WINDOW_WIDE ? (size_t)needed : TL_SSH_WINDOW_WIDE;
}

/* libssh's own window ends at 1.28 MB, which over 80 ms is 16 MB/s at best. Asked to read more than there is,
 * it opens the window that far; so that is done again and again, or the window would fall back. What waits here
 * already counts, and nothing may wait in libssh. While `widening`, on_data leaves nothing there: there is
 * nothing to read, and `nothing` is larger than the one packet that could be. */
static void widen(struct tl_ssh_stream *stream)
{
	static char nothing[512 * 1024];
	size_t waiting = queued(stream, 0) + queued(stream, 1);
	size_t needed;

	if (stream->fresh < WIDEN_EVERY || stream->eof_in || stream->withheld[0] > 0 ||
	    stream->withheld[1] > 0 || waiting > stream->window / 2)
		return;
	needed = window_needed(stream);
	stream->fresh = 0;
	if (stream->window == 0 &&
	    (needed <= WINDOW_OF_LIBSSH || !tl_ssh_link_take_wide(stream->link)))
		return;
	if (needed > stream->window)
		stream->window = needed;
	stream->widening = true;
	(void)ssh_channel_read_timeout(stream->channel, nothing,
				       (uint32_t)(stream->window - waiting), 0, 0);
	stream->widening = false;
}

/* ---- sending --------------------------------------------------------------------------------- */

size_t tl_ssh_stream_room(const struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind)
{
	if (stream->eof_wanted || stream->closed_in)
		return 0;
	return TL_SSH_STREAM_QUEUE - stream->out[kind].len;
}

void tl_ssh_stream_send(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind,
			const void *bytes, size_t len)
{
	if (stream->out[kind].max == 0)
		tl_buf_init(&stream->out[kind], TL_SSH_STREAM_QUEUE);
	tl_buf_append(&stream->out[kind], bytes, len);
	tl_ssh_stream_wake(stream);
}

char *tl_ssh_stream_space(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind,
			  size_t *ret_room)
{
	struct tl_buf *out = &stream->out[kind];

	*ret_room = tl_ssh_stream_room(stream, kind);
	if (out->max == 0)
		tl_buf_init(out, TL_SSH_STREAM_QUEUE);
	return *ret_room > 0 ? tl_buf_reserve(out, *ret_room) : NULL;
}

void tl_ssh_stream_filled(struct tl_ssh_stream *stream, enum tl_ssh_stream_kind kind, size_t len)
{
	tl_buf_commit(&stream->out[kind], len);
	tl_ssh_link_kick(stream->link);
}

void tl_ssh_stream_end(struct tl_ssh_stream *stream)
{
	stream->eof_wanted = true;
	tl_ssh_stream_wake(stream);
}

void tl_ssh_stream_finish(struct tl_ssh_stream *stream, int exit_status, const char *exit_signal)
{
	if (stream->finish_wanted)
		return;
	stream->eof_wanted = true;
	stream->finish_wanted = true;
	stream->exit_status = exit_status;
	snprintf(stream->exit_signal, sizeof(stream->exit_signal), "%s",
		 exit_signal ? exit_signal : "");
	tl_ssh_stream_wake(stream);
}

void tl_ssh_stream_close(struct tl_ssh_stream *stream)
{
	stream->no_exit = true;
	tl_ssh_stream_finish(stream, 0, NULL);
}

/* At most the window, and at most what the socket takes: more would grow libssh's buffer. */
static bool push(struct tl_ssh_stream *stream, int kind)
{
	struct tl_buf *out = &stream->out[kind];
	size_t len = out->len;
	size_t window = ssh_channel_window_size(stream->channel);
	size_t room = tl_ssh_link_room(stream->link);
	int sent;

	len = len < window ? len : window;
	len = len < room ? len : room;
	if (len == 0 || stream->closed_in)
		return false;
	sent = kind == TL_SSH_STDERR
		       ? ssh_channel_write_stderr(stream->channel, out->data, (uint32_t)len)
		       : ssh_channel_write(stream->channel, out->data, (uint32_t)len);
	if (sent <= 0)
		return false;
	tl_ssh_link_sent(stream->link, (size_t)sent);
	tl_buf_consume(out, (size_t)sent);
	stream->total_out += (uint64_t)sent;
	return true;
}

static void send_exit(struct tl_ssh_stream *stream)
{
	if (stream->exit_signal[0])
		(void)ssh_channel_request_send_exit_signal(stream->channel, stream->exit_signal, 0,
							   "", "");
	else if (!stream->no_exit)
		(void)ssh_channel_request_send_exit_status(stream->channel, stream->exit_status);
	(void)ssh_channel_close(stream->channel);
}

static bool push_end(struct tl_ssh_stream *stream)
{
	bool moved = false;

	if (!stream->closed_in && (stream->out[0].len > 0 || stream->out[1].len > 0))
		return false;
	if (stream->eof_wanted && !stream->eof_sent) {
		stream->eof_sent = true;
		if (!stream->closed_in)
			(void)ssh_channel_send_eof(stream->channel);
		moved = true;
	}
	if (stream->finish_wanted && !stream->finished) {
		stream->finished = true;
		if (!stream->closed_in)
			send_exit(stream);
		moved = true;
	}
	return moved;
}

bool tl_ssh_stream_pump(struct tl_ssh_stream *stream)
{
	bool moved = false;

	if (!stream->channel)
		return false;
	for (int kind = 0; kind < 2; kind++) {
		moved |= pull(stream, kind);
		moved |= push(stream, kind);
	}
	widen(stream);
	return push_end(stream) || moved;
}
