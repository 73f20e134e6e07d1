#include "core/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <towline/attr.h>

#define READS_PER_TURN 16 /* one busy peer does not starve the others */

struct packet {
	json_t *json;
	int fds[TL_IPC_FDS_MAX];
	size_t fd_count;
};

struct tl_channel {
	uv_poll_t poll;
	int fd;
	const struct tl_channel_events *events;
	void *arg;
	struct packet queue[TL_CHANNEL_QUEUE_MAX];
	size_t queue_first, queue_count;
	bool closing; /* takes no more messages; closes at the end of the turn */
	bool closed;
	unsigned busy; /* callbacks under way */
};

static void packet_clear(struct packet *packet)
{
	json_decref(packet->json);
	for (size_t i = 0; i < packet->fd_count; i++)
		close(packet->fds[i]);
	*packet = (struct packet){0};
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct tl_channel *channel = handle->data;

	close(channel->fd);
	while (channel->queue_count > 0) {
		packet_clear(&channel->queue[channel->queue_first]);
		channel->queue_first = (channel->queue_first + 1) % TL_CHANNEL_QUEUE_MAX;
		channel->queue_count--;
	}
	free(channel);
}

static void shut(struct tl_channel *channel)
{
	if (channel->closed)
		return;
	channel->closed = true;
	uv_poll_stop(&channel->poll);
	uv_close((uv_handle_t *)&channel->poll, on_poll_closed);
}

static void gone(struct tl_channel *channel)
{
	bool tell = !channel->closing && !channel->closed;

	channel->closing = true;
	if (tell)
		channel->events->on_gone(channel->arg, channel);
	shut(channel);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct tl_channel *channel)
{
	int events = channel->closing ? 0 : UV_READABLE;

	if (channel->closed)
		return;
	if (channel->queue_count > 0)
		events |= UV_WRITABLE;
	uv_poll_start(&channel->poll, events | UV_DISCONNECT, on_ready);
}

/* 0 when everything is sent or the peer takes no more at present. */
static int flush(struct tl_channel *channel)
{
	while (channel->queue_count > 0) {
		struct packet *packet = &channel->queue[channel->queue_first];
		int rc =
			tl_ipc_send(channel->fd, packet->json, packet->fds, packet->fd_count, NULL);

		if (rc == TL_EBUSY)
			return 0;
		packet_clear(packet);
		channel->queue_first = (channel->queue_first + 1) % TL_CHANNEL_QUEUE_MAX;
		channel->queue_count--;
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* What the peer's socket takes now is sent: a peer that does not read would hold us up for ever. */
static void finish(struct tl_channel *channel)
{
	if (!channel->closed)
		(void)(flush(channel) == 0);
	shut(channel);
}

static void read_messages(struct tl_channel *channel)
{
	for (int i = 0; i < READS_PER_TURN && !channel->closing && !channel->closed; i++) {
		tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
		int rc = tl_ipc_receive(channel->fd, &message, NULL);

		if (rc == TL_EBUSY)
			return;
		if (rc != 0) {
			gone(channel);
			return;
		}
		channel->events->on_message(channel->arg, channel, &message);
	}
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct tl_channel *channel = poll->data;

	channel->busy++;
	if (status < 0 || ((events & UV_WRITABLE) && flush(channel) != 0))
		gone(channel);
	else if (events & UV_READABLE)
		read_messages(channel);
	else if (events & UV_DISCONNECT)
		gone(channel);
	if (channel->closing)
		finish(channel);
	watch(channel);
	channel->busy--;
}

int tl_channel_new(uv_loop_t *loop, int fd, const struct tl_channel_events *events, void *arg,
		   struct tl_channel **ret_channel, struct tl_err *err)
{
	tl_fd int owned = fd;
	tl_free struct tl_channel *channel = calloc(1, sizeof(*channel));
	int rc;

	if (!channel)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
		return tl_err_sys(err, TL_EIO, errno, "a local connection cannot be watched");
	rc = uv_poll_init(loop, &channel->poll, fd);
	if (rc != 0)
		return tl_err_sys(err, TL_EIO, -rc, "a local connection cannot be watched");
	channel->poll.data = channel;
	channel->fd = tl_steal_fd(&owned);
	channel->events = events;
	channel->arg = arg;
	watch(channel);
	*ret_channel = tl_steal(&channel);
	return 0;
}

static int enqueue(struct tl_channel *channel, const json_t *json, const int *fds, size_t fd_count)
{
	size_t at = (channel->queue_first + channel->queue_count) % TL_CHANNEL_QUEUE_MAX;
	struct packet *packet = &channel->queue[at];

	if (channel->queue_count == TL_CHANNEL_QUEUE_MAX)
		return TL_EBUSY;
	*packet = (struct packet){.json = json_deep_copy(json)};
	for (size_t i = 0; i < fd_count; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (copy < 0) {
			packet_clear(packet);
			return TL_EIO;
		}
		packet->fds[packet->fd_count++] = copy;
	}
	channel->queue_count++;
	watch(channel);
	return 0;
}

int tl_channel_send(struct tl_channel *channel, const json_t *json, const int *fds, size_t fd_count,
		    struct tl_err *err)
{
	int rc = TL_EBUSY;

	if (channel->closing || channel->closed)
		return tl_err_set(err, TL_EBUSY, "the local connection is closing");
	if (channel->queue_count == 0)
		rc = tl_ipc_send(channel->fd, json, fds, fd_count, err);
	if (rc == TL_EBUSY)
		rc = enqueue(channel, json, fds, fd_count);
	return rc == 0 ? 0 : tl_err_set(err, rc, "the local peer does not take its messages");
}

void tl_channel_close(struct tl_channel *channel)
{
	if (!channel || channel->closing)
		return;
	channel->closing = true;
	if (channel->busy == 0) /* else on_ready ends it */
		finish(channel);
}
