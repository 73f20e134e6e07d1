#include "ssh/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define READ_MAX (32 * 1024)

struct tl_ssh_splice {
	struct tl_ssh_stream *stream;
	tl_ssh_splice_seen *seen;
	void *arg;
	uv_poll_t poll;
	int fd, watched;
	bool may_read, may_write;
	bool in_ended, out_ended; /* nothing more goes to, comes from the socket */
	bool stopped;		  /* by the owner */
	size_t shown;		  /* bytes of the input at hand that the owner has seen */
};

static bool show(struct tl_ssh_splice *splice, bool inwards, const char *bytes, size_t len)
{
	splice->stopped = splice->stopped || !splice->seen(splice->arg, inwards, bytes, len);
	return !splice->stopped;
}

static bool move_in(struct tl_ssh_splice *splice)
{
	struct tl_ssh_stream *stream = splice->stream;
	const char *bytes;
	size_t len = tl_ssh_stream_peek(stream, TL_SSH_DATA, &bytes);
	ssize_t done;

	if (splice->in_ended) { /* nobody reads any more */
		tl_ssh_stream_take(stream, TL_SSH_DATA, len);
		return len > 0;
	}
	if (len == 0) {
		splice->in_ended = tl_ssh_stream_at_end(stream);
		if (splice->in_ended)
			(void)shutdown(splice->fd, SHUT_WR);
		return splice->in_ended;
	}
	if (!splice->may_write || (len > splice->shown &&
				   !show(splice, true, bytes + splice->shown, len - splice->shown)))
		return false;
	splice->shown = len;
	done = send(splice->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (done > 0) {
		splice->shown -= (size_t)done;
		tl_ssh_stream_take(stream, TL_SSH_DATA, (size_t)done);
		return true;
	}
	splice->may_write = false;
	splice->in_ended = done < 0 && errno != EAGAIN && errno != EINTR;
	return splice->in_ended;
}

static bool move_out(struct tl_ssh_splice *splice)
{
	struct tl_ssh_stream *stream = splice->stream;
	size_t room = tl_ssh_stream_room(stream, TL_SSH_DATA);
	char bytes[READ_MAX];
	ssize_t got;

	if (!splice->may_read || room == 0 || splice->out_ended)
		return false;
	got = recv(splice->fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), MSG_DONTWAIT);
	if (got > 0) {
		if (show(splice, false, bytes, (size_t)got))
			tl_ssh_stream_send(stream, TL_SSH_DATA, bytes, (size_t)got);
		return true;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		splice->may_read = errno == EINTR;
		return false;
	}
	splice->out_ended = true;
	if (got < 0) /* reset: the other direction is gone too */
		splice->in_ended = true;
	tl_ssh_stream_end(stream);
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct tl_ssh_splice *splice = poll->data;

	if (status < 0 || (events & UV_READABLE))
		splice->may_read = true;
	if (status < 0 || (events & UV_WRITABLE))
		splice->may_write = true;
	/* Quiet until the pump has seen to it: a level-triggered descriptor would spin. */
	splice->watched = 0;
	uv_poll_stop(&splice->poll);
	tl_ssh_link_kick(splice->stream->link);
}

static void watch(struct tl_ssh_splice *splice)
{
	const char *bytes;
	int events = 0;

	if (!splice->may_read && !splice->out_ended)
		events |= UV_READABLE;
	if (!splice->may_write && !splice->in_ended &&
	    tl_ssh_stream_peek(splice->stream, TL_SSH_DATA, &bytes) > 0)
		events |= UV_WRITABLE;
	if (events == splice->watched)
		return;
	splice->watched = events;
	if (events)
		uv_poll_start(&splice->poll, events, on_ready);
	else
		uv_poll_stop(&splice->poll);
}

bool tl_ssh_splice_pump(struct tl_ssh_splice *splice)
{
	bool moved;

	if (splice->stopped)
		return false;
	moved = move_in(splice);
	moved |= move_out(splice);
	if (splice->in_ended && splice->out_ended && !splice->stream->finish_wanted) {
		tl_ssh_stream_close(splice->stream);
		moved = true;
	}
	watch(splice);
	return moved;
}

int tl_ssh_splice_new(uv_loop_t *loop, int fd, struct tl_ssh_stream *stream,
		      tl_ssh_splice_seen *seen, void *arg, struct tl_ssh_splice **ret_splice,
		      struct tl_err *err)
{
	struct tl_ssh_splice *splice = calloc(1, sizeof(*splice));

	if (!splice || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
	    uv_poll_init(loop, &splice->poll, fd) != 0) {
		close(fd);
		free(splice);
		return tl_err_set(err, TL_ENOMEM, "the connection cannot be served");
	}
	splice->poll.data = splice;
	splice->fd = fd;
	splice->stream = stream;
	splice->seen = seen;
	splice->arg = arg;
	splice->may_read = splice->may_write = true;
	*ret_splice = splice;
	return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct tl_ssh_splice *splice = handle->data;

	close(splice->fd);
	free(splice);
}

void tl_ssh_splice_free(struct tl_ssh_splice *splice)
{
	if (splice)
		uv_close((uv_handle_t *)&splice->poll, on_poll_closed);
}
