#include <towline/ipc.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <towline/clock.h>
#include <towline/str.h>

#define BACKLOG 64

void tl_ipc_message_clear(struct tl_ipc_message *message)
{
	json_decref(message->json);
	for (size_t i = 0; i < message->fd_count; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	*message = (struct tl_ipc_message)TL_IPC_MESSAGE_INIT;
}

static int address_of(const char *path, struct sockaddr_un *ret_address, struct tl_err *err)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof ret_address->sun_path)
		return tl_err_set(err, TL_EINVAL, "socket path %s is longer than %zu bytes", path,
				  sizeof ret_address->sun_path - 1);
	memcpy(ret_address->sun_path, path, strlen(path) + 1);
	return 0;
}

static int new_socket(int flags, int *ret_fd, struct tl_err *err)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot create a socket");
	*ret_fd = fd;
	return 0;
}

/* A socket file without a listener is what a killed process leaves behind. Anything else at that
 * place is not ours to remove. */
static int remove_stale(const char *path, const struct sockaddr_un *address, struct tl_err *err)
{
	tl_fd int probe = -1;
	struct stat st;
	int outcome;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : tl_err_sys(err, TL_EIO, errno, "cannot use %s", path);
	if (!S_ISSOCK(st.st_mode))
		return tl_err_set(err, TL_EEXIST, "%s exists and is not a socket", path);
	outcome = new_socket(SOCK_NONBLOCK, &probe, err);
	if (outcome)
		return outcome;
	if (connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 ||
	    errno != ECONNREFUSED)
		return tl_err_set(err, TL_EBUSY, "%s is in use by a running program", path);
	if (unlink(path) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot remove the stale socket %s", path);
	return 0;
}

int tl_ipc_listen(const char *path, mode_t mode, int *ret_fd, struct tl_err *err)
{
	struct sockaddr_un address;
	tl_fd int fd = -1;
	int outcome = address_of(path, &address, err);

	if (!outcome)
		outcome = remove_stale(path, &address, err);
	if (!outcome)
		outcome = new_socket(SOCK_NONBLOCK, &fd, err);
	if (outcome)
		return outcome;
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return tl_err_sys(err, errno == EADDRINUSE ? TL_EBUSY : TL_EIO, errno,
				  "cannot bind %s", path);
	/* Nobody can connect before listen(2): the mode is right from the first moment on. */
	if (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		outcome = tl_err_sys(err, TL_EIO, errno, "cannot listen on %s", path);
		unlink(path);
		return outcome;
	}
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

int tl_ipc_peer_of(int fd, struct tl_ipc_peer *ret_peer, struct tl_err *err)
{
	struct ucred credentials;
	socklen_t len = sizeof credentials;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot tell who is at the other end");
	*ret_peer = (struct tl_ipc_peer){credentials.pid, credentials.uid, credentials.gid};
	return 0;
}

int tl_ipc_accept(int listen_fd, int *ret_fd, struct tl_ipc_peer *ret_peer, struct tl_err *err)
{
	tl_fd int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int rc;

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return tl_err_set(err, TL_EBUSY, "no connection waits");
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot accept a connection");
	rc = tl_ipc_peer_of(fd, ret_peer, err);
	if (rc == 0)
		*ret_fd = tl_steal_fd(&fd);
	return rc;
}

static const char *server_of(const char *path)
{
	static const struct {
		const char *socket, *program;
	} rows[] = {
		{"/agent.sock", "towline-agent"},
		{"/consent.sock", "towline-helper"},
		{"/helper.sock", "towline-helper"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		if (tl_str_ends(path, rows[i].socket))
			return rows[i].program;
	return "the program that serves it";
}

int tl_ipc_connect(const char *path, int *ret_fd, struct tl_err *err)
{
	struct sockaddr_un address;
	tl_fd int fd = -1;
	int outcome = address_of(path, &address, err);

	if (!outcome)
		outcome = new_socket(0, &fd, err);
	if (outcome)
		return outcome;
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return tl_err_set(err, TL_EUNREACH, "nobody listens on %s: start %s first",
					  path, server_of(path));
		return tl_err_sys(err, TL_EIO, errno, "cannot connect to %s", path);
	}
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

static int send_packet(int fd, struct tl_buf *packet, const int *fds, size_t fd_count,
		       struct tl_err *err)
{
	union {
		char bytes[CMSG_SPACE(TL_IPC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	struct iovec part = {packet->data, packet->len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *header;

	if (fd_count) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
	}
	while (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return tl_err_set(err, TL_EBUSY, "the peer does not read its messages");
		if (errno == EPIPE || errno == ECONNRESET)
			return tl_err_set(err, TL_EUNREACH, "the peer has gone");
		return tl_err_sys(err, errno == EMSGSIZE ? TL_ETOOBIG : TL_EIO, errno,
				  "cannot send a message");
	}
	return 0;
}

int tl_ipc_send(int fd, const json_t *json, const int *fds, size_t fd_count, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf packet = TL_BUF_INIT(TL_IPC_PACKET_MAX);
	int outcome;

	if (fd_count > TL_IPC_FDS_MAX)
		return tl_err_set(err, TL_ETOOBIG, "more than %d descriptors in one message",
				  TL_IPC_FDS_MAX);
	tl_json_write(&packet, json);
	outcome = tl_buf_check(&packet);
	if (outcome)
		return tl_err_set(err, outcome, "the message is larger than %d bytes",
				  TL_IPC_PACKET_MAX);
	return send_packet(fd, &packet, fds, fd_count, err);
}

static void take_fds(struct msghdr *header, struct tl_ipc_message *message)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
		size_t count;

		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(at) + i * sizeof fd, sizeof fd);
			if (message->fd_count < TL_IPC_FDS_MAX)
				message->fds[message->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

static int receive_packet(int fd, struct tl_buf *packet, struct tl_ipc_message *message,
			  struct tl_err *err)
{
	union {
		char bytes[CMSG_SPACE(TL_IPC_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	char *room = tl_buf_reserve(packet, TL_IPC_PACKET_MAX);
	struct iovec part = {room, TL_IPC_PACKET_MAX};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof control.bytes};
	ssize_t got;

	if (!room)
		return tl_err_set(err, TL_ENOMEM, "no memory for a message");
	do
		got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return tl_err_set(err, TL_EBUSY, "no message waits");
	if (got < 0 && errno == ECONNRESET)
		return tl_err_set(err, TL_EUNREACH, "the peer has gone");
	if (got < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot receive a message");
	take_fds(&header, message);
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return tl_err_set(err, TL_EPROTO, "the peer sent a message beyond the limits");
	if (got == 0)
		return tl_err_set(err, TL_EUNREACH, "the peer has closed the connection");
	tl_buf_commit(packet, (size_t)got);
	return 0;
}

int tl_ipc_receive(int fd, struct tl_ipc_message *ret_message, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_buf) struct tl_buf packet = TL_BUF_INIT(TL_IPC_PACKET_MAX);
	int outcome = receive_packet(fd, &packet, &message, err);

	if (outcome)
		return outcome;
	if (tl_json_parse(packet.data, packet.len, &message.json, err))
		return tl_err_set(err, TL_EPROTO, "the peer sent a message that is not JSON");
	if (!json_is_object(message.json))
		return tl_err_set(err, TL_EPROTO, "the peer sent JSON that is not an object");
	*ret_message = message;
	message = (struct tl_ipc_message)TL_IPC_MESSAGE_INIT;
	return 0;
}

static int wait_readable(int fd, int64_t deadline_ms, struct tl_err *err)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left_ms = -1;
		int ready;

		if (deadline_ms >= 0) {
			left_ms = deadline_ms - tl_clock_mono_ms(tl_clock_system());
			left_ms = left_ms < 0 ? 0 : left_ms;
		}
		ready = poll(&wait, 1, (int)left_ms);
		if (ready > 0)
			return 0;
		if (ready == 0)
			return tl_err_set(err, TL_ETIMEOUT, "no answer in time");
		if (errno != EINTR)
			return tl_err_sys(err, TL_EIO, errno, "cannot wait for an answer");
	}
}

/* An error reply names a code of ours; another word would be a peer that we do not understand. */
static int error_of(const json_t *error, struct tl_err *err)
{
	const char *name = json_string_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));
	int code = name ? tl_err_by_name(name) : 0;

	if (!code)
		return tl_err_set(err, TL_EPROTO, "the peer refused with an unknown code");
	return tl_err_set(err, code, "%s", text && *text ? text : tl_err_str(code));
}

/* 1: not the reply, go on waiting. */
static int take_reply(struct tl_ipc_message *message, struct tl_ipc_message *ret_result,
		      struct tl_err *err)
{
	const json_t *id = json_object_get(message->json, "id");
	const json_t *error = json_object_get(message->json, "error");
	json_t *result = json_object_get(message->json, "result");

	if (!id && json_object_get(message->json, "event"))
		return 1;
	if (json_integer_value(id) != 1 || !error == !result)
		return tl_err_set(err, TL_EPROTO, "the peer sent something else than a reply");
	if (error)
		return error_of(error, err);
	*ret_result = *message;
	ret_result->json = json_incref(result);
	json_decref(message->json);
	*message = (struct tl_ipc_message)TL_IPC_MESSAGE_INIT;
	return 0;
}

int tl_ipc_call(int fd, const char *verb, const json_t *args, const int *fds, size_t fd_count,
		int timeout_ms, struct tl_ipc_message *ret_result, struct tl_err *err)
{
	int64_t deadline_ms =
		timeout_ms < 0 ? -1 : tl_clock_mono_ms(tl_clock_system()) + timeout_ms;
	tl_json *request = json_pack("{s:i, s:s}", "id", 1, "verb", verb);
	tl_json *copy = args ? json_copy((json_t *)(uintptr_t)args) : json_object();
	int outcome;

	if (!request || json_object_set(request, "args", copy) < 0)
		return tl_err_set(err, TL_ENOMEM, "no memory for a request");
	outcome = tl_ipc_send(fd, request, fds, fd_count, err);
	while (!outcome) {
		tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;

		outcome = wait_readable(fd, deadline_ms, err);
		if (!outcome)
			outcome = tl_ipc_receive(fd, &message, err);
		if (!outcome)
			outcome = take_reply(&message, ret_result, err);
		if (!outcome)
			return 0;
		outcome = outcome == 1 || outcome == TL_EBUSY ? 0 : outcome;
	}
	return outcome;
}
